package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/fixture/redact"
	"touchstone/loadgen/fixture/verify"
)

// verifyFlags are those of `loadgen fixture verify`.
type verifyFlags struct {
	noSecrets bool
	policy    string
}

// maxShown bounds the findings that are printed of one recording.
const maxShown = 100

// newFixtureVerifyCommand makes `loadgen fixture verify`.
func newFixtureVerifyCommand(e *env) *cobra.Command {
	var flags verifyFlags
	c := &cobra.Command{
		Use:   "verify FILE.grpcfix",
		Short: "Check that a recording is whole, agrees with itself, and holds no secrets",
		Long: `verify reads a recording to its end. It checks that every call starts, goes on
and ends as calls do, that numbers and times rise, that the descriptor set is
the one it was recorded with, that messages decode by it, and that their bytes
and their json agree.

With --no-secrets it also looks for what redaction would have taken out: fields
and headers that are secrets by their name, fields with debug_redact, and
patterns such as tokens, keys, addresses and card numbers, in the decoded
content and in the bytes, as they are or in base64, hexadecimal, percent
encoding, JSON escapes. --redact names the policy that the recording was made
with, if it was not the default one.

It exits with 1 when something is wrong, and with 3 when the file cannot be
read: not a recording, an unknown version, another descriptor set, a truncated
zstd stream.`,
		Example: `  loadgen fixture verify session.grpcfix
  loadgen fixture verify session.grpcfix --no-secrets
  loadgen fixture verify session.grpcfix --no-secrets --redact policy.yaml`,
		Args: wantRecording,
		RunE: func(_ *cobra.Command, args []string) error {
			if flags.policy != "" && !flags.noSecrets {
				return usage("--redact needs --no-secrets")
			}
			return flags.run(e, args[0])
		},
	}
	c.Flags().BoolVar(&flags.noSecrets, "no-secrets", false, "also fail when a secret is found")
	c.Flags().StringVar(&flags.policy, "redact", "", "policy `file` that says what a secret is (default: the defaults)")
	return c
}

func (f *verifyFlags) run(e *env, path string) error {
	recording, err := openFixture(path)
	if err != nil {
		return err
	}
	defer recording.Close()
	var redactor *redact.Redactor
	if f.noSecrets {
		policy, err := readRedaction(f.policy)
		if err != nil {
			return err
		}
		// What is unknown has been dropped when it was recorded, or kept on
		// purpose: here it is looked into.
		if redactor, err = redact.New(policy.Scanning(), recording.Schema, nil); err != nil {
			return err
		}
	}
	checker, p := verify.New(recording.Schema, redactor), &findings{e: e, path: path}
	events, calls := 0, 0
	for event, err := range recording.Events() {
		if err != nil {
			return withCode(exitFile, err)
		}
		events++
		if event.Kind == fixture.Start {
			calls++
		}
		p.print(checker.Event(event))
	}
	if err := truncated(recording); err != nil {
		return err
	}
	p.print(checker.End(recording.Cut()))
	return p.verdict(calls, events, f.noSecrets)
}

// findings prints what is wrong with a recording.
type findings struct {
	e       *env
	path    string
	count   int
	secrets int
}

func (p *findings) print(found []verify.Finding) {
	for _, finding := range found {
		if p.count++; p.count <= maxShown {
			fmt.Fprintf(p.e.stdout, "%s:%s\n", p.path, finding)
		}
		if finding.Secret {
			p.secrets++
		}
	}
}

// verdict prints the sum, and returns the error that ends the command.
func (p *findings) verdict(calls, events int, secrets bool) error {
	if p.count > maxShown {
		fmt.Fprintf(p.e.stdout, "... and %d more\n", p.count-maxShown)
	}
	also := ""
	if secrets {
		also = ", no secrets found"
	}
	if p.count == 0 {
		fmt.Fprintf(p.e.stdout, "%s: ok: %d calls, %d events%s\n", p.path, calls, events, also)
		return nil
	}
	if p.secrets > 0 {
		return withCode(exitFailed, fmt.Errorf("%s: %d findings, %d of secrets\nhint: record again with a policy that takes them out, or redact what is recorded: loadgen fixture import --from grpcfix", p.path, p.count, p.secrets))
	}
	return withCode(exitFailed, fmt.Errorf("%s: %d findings", p.path, p.count))
}
