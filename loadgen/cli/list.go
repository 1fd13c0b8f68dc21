package cli

import (
	"fmt"
	"strings"

	"github.com/fullstorydev/grpcurl"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// newListCommand makes `loadgen list`.
func newListCommand(e *env) *cobra.Command {
	var flags targetFlags
	c := &cobra.Command{
		Use:   "list [SERVICE]",
		Short: "List the services of a target, or the methods of a service",
		Example: `  loadgen list
  loadgen list --target localhost:50051 --plaintext
  loadgen list HelloService --protoset hello.protoset --target localhost:50051 --plaintext`,
		Args: takes(0, 1, "at most one SERVICE"),
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
			names, err := listed(s, args)
			for _, name := range names {
				fmt.Fprintln(printableText{e.stdout}, name)
			}
			return err
		},
	}
	flags.register(c.Flags())
	return c
}

// listed returns the names of the services, or of the methods of one.
func listed(s *schema.Schema, args []string) ([]string, error) {
	if len(args) == 0 {
		return grpcurl.ListServices(symbols{s})
	}
	for _, sd := range s.Services() {
		if sd.FullName() == protoreflect.FullName(args[0]) {
			return grpcurl.ListMethods(symbols{s}, args[0])
		}
	}
	services, err := grpcurl.ListServices(symbols{s})
	if err != nil {
		return nil, err
	}
	for _, name := range services { // the name without its package, in any case
		if strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(args[0])) {
			return nil, &schema.NotFound{Kind: "service", Name: args[0], Hint: fmt.Sprintf("did you mean %q?", name)}
		}
	}
	return nil, &schema.NotFound{Kind: "service", Name: args[0], Hint: source.DidYouMean(args[0], services)}
}
