package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"touchstone/loadgen/replay"
)

// newFixtureToScenarioCommand makes `loadgen fixture to-scenario`.
func newFixtureToScenarioCommand(e *env) *cobra.Command {
	var out string
	var most int
	c := &cobra.Command{
		Use:   "to-scenario FILE.grpcfix",
		Short: "Turn a recording into a scenario file",
		Long: `to-scenario writes a scenario whose steps are the calls of a recording, each of
which expects the recorded answer. Values that an answer had first and a later
request has again, such as ids and tokens, are saved and used by name.

What is expected is everything that was recorded. Take out what may differ, and
the file is a test; what the recording could not say is noted on stderr.`,
		Example: `  loadgen fixture to-scenario session.grpcfix --out session.yaml
  loadgen run session.yaml --target localhost:50051 --plaintext`,
		Args: wantRecording,
		RunE: func(_ *cobra.Command, args []string) error {
			if most < 1 {
				return usage("--max must be at least 1")
			}
			return toScenario(e, args[0], out, most)
		},
	}
	c.Flags().StringVar(&out, "out", "", "`file` of the scenario; it must not exist (default: stdout)")
	c.Flags().IntVar(&most, "max", 200, "how many calls become steps at most")
	return c
}

// toScenario writes the scenario of a recording.
func toScenario(e *env, name, out string, most int) error {
	file, err := openFixture(name)
	if err != nil {
		return err
	}
	defer file.Close()
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".zst"), ".grpcfix")
	s, err := replay.ToScenario(base, file, most)
	if err != nil {
		return err
	}
	if err := truncated(file); err != nil {
		return err
	}
	for _, note := range s.Notes {
		fmt.Fprintln(e.stderr, "note: "+note)
	}
	if s.Steps == 0 {
		return withCode(exitFile, fmt.Errorf("%s: no call of it can be a step", name))
	}
	if out == "" {
		_, err = e.stdout.Write(s.Text)
		return err
	}
	to, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return created(err)
	}
	if _, err := to.Write(s.Text); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}
