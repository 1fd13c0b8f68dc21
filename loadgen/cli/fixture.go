package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"touchstone/loadgen/fixture"
)

// newFixtureCommand makes `loadgen fixture`.
func newFixtureCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "fixture",
		Short: "Look at recordings, check them, import those of other tools",
		Long: `fixture works on recorded sessions, *.grpcfix files, that loadgen record writes
and loadgen replay plays back. fixtures/README.md describes the format.`,
		RunE: func(*cobra.Command, []string) error {
			return usage("fixture needs a command", "loadgen fixture --help lists them")
		},
	}
	c.AddCommand(newFixtureInfoCommand(e), newFixtureVerifyCommand(e), newFixtureImportCommand(e), newFixtureToScenarioCommand(e))
	return c
}

// openFixture opens a recording. That it cannot be read is an invalid file.
func openFixture(path string) (*fixture.File, error) {
	f, err := fixture.Open(path)
	if err != nil {
		return nil, withCode(exitFile, err)
	}
	return f, nil
}

// truncated is the error of a zstd stream without its end, nil for any other
// recording: nobody knows how much of it is missing.
func truncated(f *fixture.File) error {
	cut := f.Cut()
	if cut == nil || !cut.Zstd {
		return nil
	}
	return withCode(exitFile, fmt.Errorf("%w\nhint: copy the file again; if its recorder was killed, what is there can be read: loadgen fixture info shows it", cut))
}

// wantRecording is the check of arguments: one recording.
func wantRecording(c *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] == "-" {
		return usage("a recording is a file, with its descriptors beside it: stdin will not do")
	}
	return takes(1, 1, "one recording, FILE.grpcfix")(c, args)
}

// created returns an error of making a file: that it exists is wrong usage.
func created(err error) error {
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	return usage("--out: " + err.Error())
}
