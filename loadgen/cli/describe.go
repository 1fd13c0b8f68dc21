//lint:file-ignore SA1019 grpcurl's exported API speaks the types of protoreflect v1

package cli

import (
	"fmt"

	"github.com/fullstorydev/grpcurl"
	"github.com/jhump/protoreflect/desc"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newDescribeCommand makes `loadgen describe`.
func newDescribeCommand(e *env) *cobra.Command {
	var flags targetFlags
	var template bool
	c := &cobra.Command{
		Use:   "describe [SYMBOL...]",
		Short: "Describe services, methods, messages and other symbols of a target",
		Long: `describe prints symbols as proto source. Without a symbol it describes every
service of the target. With --template it adds the JSON of a message (for a
method: of its request) to fill in.`,
		Example: `  loadgen describe Detect
  loadgen describe Detect/detect --template
  loadgen describe HelloRequest --target localhost:50051 --plaintext`,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := flags.open(c.Context(), e)
			if err != nil {
				return err
			}
			defer t.Close()
			s, err := t.schema(c.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if args, err = grpcurl.ListServices(symbols{s}); err != nil {
					return err
				}
			}
			for _, name := range args {
				if err := describe(e, symbols{s}, name, template); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.register(c.Flags())
	c.Flags().BoolVar(&template, "template", false, "add the JSON of messages, to fill in")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "msg-template" { // grpcurl's name for it
			name = "template"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

// describe prints one symbol.
func describe(e *env, source symbols, name string, template bool) error {
	d, err := source.FindSymbol(name)
	if err != nil {
		return err
	}
	text, err := grpcurl.GetDescriptorText(d, source)
	if err != nil {
		return fmt.Errorf("describe %q: %w", name, err)
	}
	fmt.Fprintf(printableText{e.stdout}, "%s is %s:\n%s\n", d.GetFullyQualifiedName(), kindOf(d), text)
	message := templated(d)
	if !template || message == nil {
		return nil
	}
	format := grpcurl.NewJSONFormatter(true, grpcurl.AnyResolverFromDescriptorSource(source))
	text, err = format(grpcurl.MakeTemplate(message))
	if err != nil {
		return fmt.Errorf("template of %s: %w", message.GetFullyQualifiedName(), err)
	}
	fmt.Fprintf(printableText{e.stdout}, "\nTemplate of %s:\n%s\n", message.GetFullyQualifiedName(), text)
	return nil
}

// templated returns the message that a template is made of, nil for a symbol
// that has none.
func templated(d desc.Descriptor) *desc.MessageDescriptor {
	switch d := d.(type) {
	case *desc.MessageDescriptor:
		return d
	case *desc.MethodDescriptor:
		return d.GetInputType()
	}
	return nil
}

// kindOf says what a symbol is.
func kindOf(d desc.Descriptor) string {
	switch d := d.(type) {
	case *desc.ServiceDescriptor:
		return "a service"
	case *desc.MethodDescriptor:
		return "a method"
	case *desc.MessageDescriptor:
		return "a message"
	case *desc.EnumDescriptor:
		return "an enum"
	case *desc.EnumValueDescriptor:
		return "an enum value"
	case *desc.OneOfDescriptor:
		return "a oneof"
	case *desc.FieldDescriptor:
		if d.IsExtension() {
			return "an extension"
		}
		return "a field"
	}
	return "a symbol"
}
