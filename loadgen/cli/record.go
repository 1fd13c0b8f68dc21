package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/server/proxy"
)

// recordFlags are those of `loadgen record`.
type recordFlags struct {
	path   pathFlags // where clients connect, and the upstream
	out    string
	flush  time.Duration
	redact redactFlags
}

// newRecordCommand makes `loadgen record`.
func newRecordCommand(e *env) *cobra.Command {
	var flags recordFlags
	c := &cobra.Command{
		Use:   "record --out FILE.grpcfix",
		Short: "Stand in the path and record the calls that pass",
		Long: `record stands between clients and their gRPC server, as proxy does, and writes
what passes into a recording: messages of all four kinds of calls with their
times, headers, trailers and statuses. Point the clients at the address that it
prints; it runs until it is interrupted, and the file is whole at any moment.

Secrets are taken out before anything is written, unless --no-redaction is
given. The descriptors of the messages are asked of the upstream by reflection,
or come from --protoset or --proto, and are stored beside the recording.

Without --upstream, calls go to a reference server of record's own.
fixtures/README.md describes the format.`,
		Example: `  loadgen record --upstream localhost:50051 --listen 127.0.0.1:8012 --out session.grpcfix
  loadgen record --upstream api.example:443 --upstream-tls --out session.grpcfix.zst
  loadgen replay session.grpcfix --target localhost:50052 --plaintext`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := flags.validate(); err != nil {
				return err
			}
			return flags.run(c.Context(), e)
		},
	}
	flags.register(c)
	return c
}

func (f *recordFlags) register(c *cobra.Command) {
	fs, target := c.Flags(), &f.path.target
	f.path.register(fs)
	fs.Lookup("upstream").Usage = "`address` of the server: host:port or unix:path (default: a reference server of its own)"
	_ = fs.MarkHidden("faults") // the flags are there
	_ = fs.MarkHidden("seed")
	fs.StringVar(&f.out, "out", "", "`file` of the recording; it must not exist. Compressed when it ends in .zst")
	fs.DurationVar(&f.flush, "flush", 0, "hand events to the operating system at least this often (default: each at once)")
	fs.StringArrayVarP(&target.headers, "header", "H", nil, "metadata of reflection, as 'name: value' (repeatable); calls pass as they are")
	fs.StringArrayVar(&target.protosets, "protoset", nil, "file of a FileDescriptorSet that holds the schema (repeatable)")
	fs.StringArrayVar(&target.protos, "proto", nil, ".proto file that holds the schema (repeatable)")
	fs.StringArrayVarP(&target.importPaths, "import-path", "I", nil, "folder in which .proto files and their imports are (repeatable; default: the working directory)")
	fs.StringVar(&target.reflect, "reflect", "auto", "reflection to use: auto, v1, v1alpha or off; with --protoset or --proto, auto uses none")
	fs.DurationVar(&target.connectTimeout, "connect-timeout", 10*time.Second, "how long to wait for the upstream")
	target.maxMessage = 100 << 20
	f.redact.register(fs)
}

// validate reports combinations that make no sense.
func (f *recordFlags) validate() error {
	switch {
	case f.out == "":
		return usage("record needs --out FILE.grpcfix", "loadgen record --help shows examples")
	case f.path.faults != "":
		return usage("record takes no --faults: it writes what the upstream said", "put loadgen proxy --faults before it")
	case f.path.upstreamTLS && f.path.upstream == "":
		return usage("--upstream-tls needs --upstream: the reference server has no TLS")
	}
	f.path.target.address = f.path.upstream
	f.path.target.plaintext = !f.path.upstreamTLS
	return nil
}

// run records until ctx ends.
func (f *recordFlags) run(ctx context.Context, e *env) (err error) {
	t, err := f.path.target.open(ctx, e)
	if err != nil {
		return err
	}
	defer t.Close()
	f.path.upstream = t.Address
	if err := f.path.validate("record"); err != nil {
		return err
	}
	known, err := t.schema(ctx)
	if err != nil {
		return err
	}
	redact, policy, err := f.redact.policy(known)
	if err != nil {
		return err
	}
	started := time.Now()
	header := fixture.Header{Tool: "loadgen " + version(), Target: t.Address, Started: started.UTC(), Redaction: policy}
	writer, err := fixture.Create(f.out, header, known, fixture.WriterConfig{Flush: f.flush})
	if err != nil {
		return usage("--out: " + err.Error())
	}
	defer func() { err = closed(writer, err) }()
	recorder := fixture.NewRecorder(writer, started, fixture.RecorderConfig{Schema: known, Redact: redact})
	tape := replay.NewTape(recorder)
	fmt.Fprintf(e.stderr, "recording to %s; redaction: %s\n", f.out, policy.Policy)
	err = f.path.serve(ctx, e, proxy.Config{Tap: tape.Tap})
	counts := tape.Counts()
	fmt.Fprintf(e.stderr, "recorded %d calls, %d messages; %d calls were still open\n", counts.Calls, counts.Messages, counts.Open)
	for _, warning := range f.redact.warnings() {
		fmt.Fprintf(e.stderr, "loadgen: warning: %s\n", warning)
	}
	return errors.Join(err, recorder.Err())
}

// closed ends the recording and returns the first error there was.
func closed(writer *fixture.Writer, err error) error {
	if closeErr := writer.Close(); err == nil && closeErr != nil {
		return fmt.Errorf("--out: %w", closeErr)
	}
	return err
}
