package cli

import (
	"context"

	"github.com/spf13/cobra"

	"touchstone/loadgen/scenario/jsonschema"
	"touchstone/loadgen/schema"
)

// newSchemaCommand makes `loadgen schema`.
func newSchemaCommand(e *env) *cobra.Command {
	var flags targetFlags
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of scenario files, for editors",
		Long: `schema prints a JSON Schema of the scenario language. An editor that is told of
it completes keys and marks mistakes; the YAML language server reads it from the
first line of a file:

  # yaml-language-server: $schema=./scenario.schema.json

With --reflect, --target, --protoset or --proto it is the schema for one
target: it completes the names of methods, and the fields of their messages.
--reflect alone stands for the reference server.`,
		Example: `  loadgen schema > scenario.schema.json
  loadgen schema --reflect > scenario.schema.json
  loadgen schema --target localhost:50051 --plaintext > scenario.schema.json`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			text := jsonschema.Language()
			if wantsTarget(c) {
				known, err := flags.offered(c.Context(), e)
				if err != nil {
					return err
				}
				text = jsonschema.Of(known)
			}
			_, err := e.stdout.Write(text)
			return err
		},
	}
	flags.register(c.Flags())
	c.Flags().Lookup("reflect").NoOptDefVal = "auto"
	return c
}

// wantsTarget reports whether a flag says what the schema is to be of.
func wantsTarget(c *cobra.Command) bool {
	for _, name := range []string{"reflect", "target", "protoset", "proto"} {
		if c.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// offered returns what the target of the flags offers. It asks nobody when
// files tell, or when the target is the reference server.
func (f *targetFlags) offered(ctx context.Context, e *env) (*schema.Schema, error) {
	s := &suite{env: e, flags: f}
	if f.address == "" {
		return s.localSchema(ctx)
	}
	t, err := f.open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.schema(ctx)
}
