package cli

import (
	"github.com/spf13/cobra"
)

// newLintCommand makes `loadgen lint`.
func newLintCommand(e *env) *cobra.Command {
	var flags targetFlags
	c := &cobra.Command{
		Use:   "lint PATH...",
		Short: "Check scenario files without running them",
		Long: `lint checks scenario files, and those in folders, against what their target
offers: syntax, methods and their kinds, fields and their types, expressions,
values used before they are saved. It prints all mistakes of all files, and
makes no call: without a flag that names another target, files are checked
against the reference server, which is not started for it. --protoset and
--proto need no target either; --target is asked by reflection.`,
		Example: `  loadgen lint scenarios
  loadgen lint greet.yaml --target localhost:50051 --plaintext
  loadgen lint greet.yaml --protoset hello.protoset`,
		Args: wantPaths,
		RunE: func(c *cobra.Command, args []string) error {
			s := &suite{env: e, flags: &flags, offline: true}
			defer s.close()
			if err := s.read(c.Context(), args); err != nil {
				return err
			}
			s.report()
			return nil
		},
	}
	flags.register(c.Flags())
	return c
}
