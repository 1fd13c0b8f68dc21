package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"touchstone/loadgen/event"
	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// resultFlags are the flags of the commands that end in a report.
type resultFlags struct {
	seed    uint64
	dir     string
	outputs []string
	otlp    string
	events  string

	stream *event.Stream // of --events; nil without
	closer io.Closer
}

// register adds the flags to a command's.
func (f *resultFlags) register(fs *pflag.FlagSet) {
	fs.Uint64Var(&f.seed, "seed", 0, "seed of everything random; the same one replays the run (default: a new one, printed)")
	fs.StringVar(&f.dir, "report", "", "folder for the report's files (default: reports/out/<time>-<name>)")
	fs.StringArrayVar(&f.outputs, "output", nil, outputHelp())
	fs.StringVar(&f.otlp, "otlp", "", "send the figures at the end as OpenTelemetry metrics to this collector, by gRPC: host:port in plain text, or https://host:port (default: none)")
	fs.StringVar(&f.events, "events", "", "write what happens to this file while it happens, one JSON object a line; - is stdout (default: none)")
}

// choose chooses a seed, unless the flag has, or it was called before.
func (f *resultFlags) choose(c *cobra.Command) {
	if !c.Flags().Changed("seed") && f.seed == 0 {
		// Short enough to be typed.
		f.seed = uint64(rand.Uint32())
	}
}

// start returns the report of a run that starts now, and prints its seed.
func (f *resultFlags) start(e *env, c *cobra.Command, name string, args []string) *report.Report {
	f.choose(c)
	fmt.Fprintf(e.stderr, "seed: %d (--seed %d replays the run)\n", f.seed, f.seed)
	return &report.Report{
		Name: name, Started: time.Now().UTC(), Seed: f.seed, Command: commandLine(c, args),
		Tool: thisTool(),
	}
}

// finish completes the report, writes its files, prints it, and returns the
// error that has its exit code. A run that a signal ended has its report too,
// under the exit code of the signal.
func (f *resultFlags) finish(ctx context.Context, e *env, r *report.Report) error {
	stopped := complete(ctx, r)
	dir := f.folder(r.Started, r.Name)
	if err := render.Dir(dir, r); err != nil {
		return withCode(exitFailed, err)
	}
	options := render.TextOptions{Color: e.color(), Width: e.columns(), Paths: render.Paths(dir)}
	out := e.stdout
	if f.takesStdout() > 0 {
		out, options.Color = e.stderr, false
	}
	if err := render.Text(out, r, options); err != nil {
		return withCode(exitFailed, err)
	}
	if err := f.more(ctx, e, r); err != nil {
		return withCode(exitFailed, err)
	}
	switch {
	case stopped != nil:
		return withCode(r.ExitCode, stopped)
	case r.ExitCode != 0:
		return withCode(r.ExitCode, nil)
	}
	return nil
}

// complete puts in how long the run took and how it ended, and returns what
// stopped it, nil if nothing did.
func complete(ctx context.Context, r *report.Report) (stopped error) {
	r.DurationMS = report.Milliseconds(time.Since(r.Started))
	r.Finish()
	stopped = context.Cause(ctx)
	if caught, ok := errors.AsType[signalled](stopped); ok {
		r.Passed, r.ExitCode = false, caught.code()
	} else if stopped != nil {
		r.Passed, r.ExitCode = false, exitFailed
	}
	return stopped
}

// folder returns where the files of a run go.
func (f *resultFlags) folder(started time.Time, name string) string {
	if f.dir != "" {
		return f.dir
	}
	return filepath.Join("reports", "out", started.UTC().Format("20060102-150405")+"-"+slug(name))
}

// columns returns the width of the terminal that results go to, as $COLUMNS or
// the terminal itself has it; 0 is unknown.
func (e *env) columns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	file, ok := e.stdout.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0 // not a terminal
	}
	return width
}

// slug returns a name with what a file name cannot hold turned into "-".
func slug(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_')
	})
	return strings.Trim(strings.Join(words, "-"), ".")
}

// commandLine returns the command as a report keeps it: the values of headers,
// which hold tokens, are left out.
func commandLine(c *cobra.Command, args []string) []string {
	line := append(strings.Fields(c.CommandPath()), args...)
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if f.Name == "header" {
				name, _, _ := strings.Cut(value, ":")
				value = name + ": (left out)"
			}
			line = append(line, "--"+f.Name+"="+value)
		}
	})
	return line
}
