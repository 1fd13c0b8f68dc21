package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/fixture/importer"
	"touchstone/loadgen/fixture/porting"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// importFlags are those of `loadgen fixture import`.
type importFlags struct {
	from, out, side string
	target          targetFlags
	redact          redactFlags
}

// formats are what can be imported.
var formats = []string{"binlog", "grpc-dump", "grpcfix", "ghz", "grpcurl"}

// newFixtureImportCommand makes `loadgen fixture import`.
func newFixtureImportCommand(e *env) *cobra.Command {
	var flags importFlags
	c := &cobra.Command{
		Use:   "import --from FORMAT FILE --out OUT",
		Short: "Turn what other tools recorded into a recording or a scenario",
		Long: `import reads what other tools have written:

  binlog     a gRPC binary log (grpc.binarylog.v1), as grpc-go's sinks write it
  grpc-dump  the JSON stream of grpc-dump
  grpcfix    a recording, to redact it by another policy
  ghz        a config of ghz, JSON, YAML or TOML
  grpcurl    a shell script in which grpcurl is called

The first three become a recording, *.grpcfix: secrets are taken out before
anything is written, unless --no-redaction is given, and messages of unknown
type are dropped, unless --raw keeps them. The other two become a scenario file;
values of headers that are secrets are then read from the environment.

The types of the messages come from --protoset or --proto, from --target by
reflection, or else are those of the reference server. FILE may be -.`,
		Example: `  loadgen fixture import --from binlog calls.log --protoset chat.protoset --out chat.grpcfix
  loadgen fixture import --from ghz bench.json --proto chat.proto --out chat.yaml
  loadgen fixture import --from grpcurl try.sh --target localhost:50051 --plaintext --out try.yaml`,
		Args: takes(1, 1, "one file to read"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := flags.validate(); err != nil {
				return err
			}
			return flags.run(c.Context(), e, args[0])
		},
	}
	fs := c.Flags()
	fs.StringVar(&flags.from, "from", "", "the `format` of FILE: "+strings.Join(formats, ", "))
	fs.StringVar(&flags.out, "out", "", "`file` to write, which must not exist; - for stdout, of a scenario")
	fs.StringVar(&flags.side, "side", "", "whose calls of a binary log: client or server (default: those of its first entry)")
	flags.redact.register(fs)
	flags.target.register(fs)
	return c
}

// validate reports combinations that make no sense.
func (f *importFlags) validate() error {
	known := false
	for _, name := range formats {
		known = known || name == f.from
	}
	switch {
	case f.from == "":
		return usage("import needs --from FORMAT", "one of "+strings.Join(formats, ", "))
	case !known:
		return usage(fmt.Sprintf("--from %q is no format", f.from), source.DidYouMean(f.from, formats), "one of "+strings.Join(formats, ", "))
	case f.out == "":
		return usage("import needs --out FILE")
	case f.side != "" && f.from != "binlog":
		return usage("--side is for binary logs")
	case f.side != "" && f.side != string(importer.Client) && f.side != string(importer.Server):
		return usage(fmt.Sprintf("--side %q is neither client nor server", f.side))
	case f.out == "-" && !f.toScenario():
		return usage("--out -: a recording is a file, with its descriptors beside it")
	}
	return nil
}

// toScenario reports whether the format becomes a scenario.
func (f *importFlags) toScenario() bool { return f.from == "ghz" || f.from == "grpcurl" }

func (f *importFlags) run(ctx context.Context, e *env, path string) error {
	if f.from == "grpcfix" {
		return f.again(e, path)
	}
	known, err := f.schema(ctx, e)
	if err != nil {
		return err
	}
	input, name, err := openInput(e, path)
	if err != nil {
		return err
	}
	defer input.Close()
	if f.toScenario() {
		return f.scenario(e, name, input, known)
	}
	log, err := f.open(name, input, known)
	if err != nil {
		return withCode(exitFile, err)
	}
	header := fixture.Header{Tool: "loadgen " + version() + ", from " + f.from, Started: log.Started}
	if err := f.write(e, header, known, log.Events()); err != nil {
		return err
	}
	for _, note := range log.Notes() {
		fmt.Fprintf(e.stderr, "loadgen: %s: %s\n", name, note)
	}
	return nil
}

// schema returns the types of the messages.
func (f *importFlags) schema(ctx context.Context, e *env) (*schema.Schema, error) {
	if len(f.target.protosets)+len(f.target.protos) > 0 {
		return schema.Open(ctx, schema.Config{Mode: schema.Off, Protosets: f.target.protosets, Protos: f.target.protos, ImportPaths: f.target.importPaths})
	}
	if f.target.address == "" {
		return referenceSchema(), nil
	}
	t, err := f.target.open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.schema(ctx)
}

// openInput opens a file, - for stdin.
func openInput(e *env, path string) (io.ReadCloser, string, error) {
	if path == "-" {
		return io.NopCloser(e.stdin), "stdin", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", withCode(exitFile, err)
	}
	return file, path, nil
}

// open reads the head of a log.
func (f *importFlags) open(name string, input io.Reader, known *schema.Schema) (*importer.Log, error) {
	if f.from == "grpc-dump" {
		return importer.GRPCDump(name, bufio.NewReader(input))
	}
	return importer.BinaryLog(name, input, importer.Side(f.side), known)
}

// write makes a recording of events. It removes what it has written when they
// end with an error.
func (f *importFlags) write(e *env, header fixture.Header, known *schema.Schema, events iter.Seq2[fixture.Event, error]) error {
	redact, policy, err := f.redact.policy(known)
	if err != nil {
		return err
	}
	header.Redaction = policy
	w, err := fixture.Create(f.out, header, known, fixture.WriterConfig{Flush: time.Second})
	if err != nil {
		return created(err)
	}
	counts, err := f.copy(w, known, redact, events)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(f.out)
		return err
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", f.out, counts)
	for _, warning := range f.redact.warnings() {
		fmt.Fprintf(e.stderr, "loadgen: warning: %s\n", warning)
	}
	return nil
}

// copy writes events, without their secrets, and says how many there were.
func (f *importFlags) copy(w *fixture.Writer, known *schema.Schema, redact func(*fixture.Event), events iter.Seq2[fixture.Event, error]) (string, error) {
	calls, count, dropped := 0, 0, 0
	for event, err := range events {
		if err != nil {
			return "", withCode(exitFile, err)
		}
		if redact != nil {
			redact(&event)
		} else {
			event.Describe(known)
		}
		if err := w.Write(event); err != nil {
			return "", err
		}
		count++
		if event.Kind == fixture.Start {
			calls++
		}
		if event.Dropped != "" {
			dropped++
		}
	}
	text := fmt.Sprintf("%d calls, %d events", calls, count)
	if dropped > 0 {
		text += fmt.Sprintf("; %d messages dropped, for the reasons in the file", dropped)
	}
	return text, nil
}

// again redacts a recording by another policy.
func (f *importFlags) again(e *env, path string) error {
	recording, err := openFixture(path)
	if err != nil {
		return err
	}
	defer recording.Close()
	header := recording.Header()
	header.Descriptors = nil
	if err := f.write(e, header, recording.Schema, recording.Events()); err != nil {
		return err
	}
	if cut := recording.Cut(); cut != nil {
		fmt.Fprintf(e.stderr, "loadgen: %v\n", cut)
	}
	return nil
}

// scenario writes a scenario file.
func (f *importFlags) scenario(e *env, name string, input io.Reader, known *schema.Schema) error {
	text, err := io.ReadAll(io.LimitReader(input, source.MaxBytes+1))
	if err != nil {
		return withCode(exitFile, err)
	}
	beside := func(path string) ([]byte, error) { // ghz takes names from the working directory; the file may have come along
		data, err := os.ReadFile(path)
		if err != nil && !filepath.IsAbs(path) {
			if data, err := os.ReadFile(filepath.Join(filepath.Dir(name), path)); err == nil {
				return data, nil
			}
		}
		return data, err
	}
	read := porting.GHZ
	if f.from == "grpcurl" {
		read = porting.GRPCURL
	}
	s, err := read(name, text, known, beside)
	if err != nil {
		return withCode(exitFile, err)
	}
	if f.out == "-" {
		_, err := io.WriteString(e.stdout, s.YAML())
		return err
	}
	file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return created(err)
	}
	_, err = io.WriteString(file, s.YAML())
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: %d steps; check it with: loadgen lint %s\n", f.out, len(s.Steps), f.out)
	for _, note := range s.Notes[1:] {
		fmt.Fprintf(e.stderr, "loadgen: note: %s\n", note)
	}
	return nil
}
