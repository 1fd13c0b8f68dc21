package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand makes `loadgen man`.
func newManCommand(*env) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages",
		Long: `man writes a man page for each command into a folder, such as
/usr/local/share/man/man1.`,
		Example: `  loadgen man man1
  loadgen man /usr/local/share/man/man1`,
		Args: takes(1, 1, "one DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return withCode(exitFailed, err)
			}
			header := &doc.GenManHeader{Section: "1", Source: "loadgen " + version(), Manual: "Touchstone"}
			if err := doc.GenManTree(c.Root(), header, args[0]); err != nil {
				return withCode(exitFailed, fmt.Errorf("write man pages: %w", err))
			}
			return nil
		},
	}
}
