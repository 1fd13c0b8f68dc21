package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/schema"
)

// completionTime is how long somebody who pressed Tab waits for a target.
const completionTime = 3 * time.Second

// addCompletion adds the commands for help and for shells' completion, and
// makes arguments and flags complete that have a known set of values.
func addCompletion(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Flags().Lookup("reflect") != nil {
			mustComplete(c, "reflect", "auto", "v1", "v1alpha", "off")
		}
		if c.Flags().Lookup("arrival") != nil {
			mustComplete(c, "arrival", "constant", "poisson")
		}
		if c.Flags().Lookup("transport") != nil {
			mustComplete(c, "transport", "channel", "wire")
		}
	}
}

// mustComplete says what the values of a flag are. A flag that is not there is
// our own mistake.
func mustComplete(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// completeMethods completes the first argument with the methods of the target
// that the flags name.
func (f *targetFlags) completeMethods(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	known, err := f.offered(ctx, &env{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, service := range known.Services() {
		for i := range service.Methods().Len() {
			names = append(names, schema.MethodName(service.Methods().Get(i)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// isCompletion reports whether a shell asks for what would complete a line.
func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}
