package cli

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/fixture/redact"
	"touchstone/loadgen/schema"
)

// redactKey is the environment variable of the key of hashes.
const redactKey = "TOUCHSTONE_REDACT_KEY"

// redactFlags say what is taken out of a recording.
type redactFlags struct {
	off  bool
	file string
	raw  bool

	redactor *redact.Redactor // nil: off, or policy was not asked for
}

func (f *redactFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.file, "redact", "", "policy `file` that says which secrets to take out (default: by well-known names and patterns)")
	fs.BoolVar(&f.raw, "raw", false, "keep fields and messages of unknown type when no pattern finds a secret in them")
	fs.BoolVar(&f.off, "no-redaction", false, "keep secrets in the recording")
}

// policy returns what takes secrets out of events, and what the header says
// about it.
func (f *redactFlags) policy(s *schema.Schema) (func(*fixture.Event), fixture.Redaction, error) {
	if f.off {
		if f.file != "" || f.raw {
			return nil, fixture.Redaction{}, usage("--no-redaction excludes --redact and --raw")
		}
		return nil, fixture.Redaction{Policy: "none"}, nil
	}
	p, err := readRedaction(f.file)
	if err != nil {
		return nil, fixture.Redaction{}, err
	}
	if f.raw {
		p = p.Scanning()
	}
	if f.redactor, err = redact.New(p, s, hashKey()); err != nil {
		return nil, fixture.Redaction{}, err
	}
	return f.redactor.Event, f.redactor.Redaction(), nil
}

// warnings names the rules of the policy file that have met nothing: one of
// them may be a slip. Ask when the recording is over.
func (f *redactFlags) warnings() []string {
	if f.redactor == nil {
		return nil
	}
	var out []string
	for _, rule := range f.redactor.Unused() {
		out = append(out, fmt.Sprintf("%s: this rule has met nothing: %s", f.file, rule))
	}
	return out
}

// readRedaction reads a policy file, "" for the defaults.
func readRedaction(path string) (*redact.Policy, error) {
	if path == "" {
		return redact.Defaults(), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, withCode(exitFile, err)
	}
	return redact.Parse(path, text)
}

// hashKey returns the key of the environment, so that tokens are the same in
// several recordings, or else one that nobody will know.
func hashKey() []byte {
	if key := os.Getenv(redactKey); key != "" {
		return []byte(key)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails: crypto/rand ends the process instead
	return key
}
