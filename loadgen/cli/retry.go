package cli

import "github.com/spf13/cobra"

// newRetryCommand makes `loadgen retry`.
func newRetryCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "retry",
		Short: "Explain retry policies, and check clients",
		RunE: func(c *cobra.Command, args []string) error {
			return usage("give a command of retry", "loadgen retry --help lists them")
		},
	}
	c.AddCommand(newRetryExplainCommand(e), newRetryCheckCommand(e), newRetryWatchCommand(e))
	return c
}
