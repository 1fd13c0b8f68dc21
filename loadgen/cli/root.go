// Package cli is the command line of loadgen: one file a command, exit codes,
// and the flags that say what the target is.
//
// Results go to stdout, everything else to stderr. Exit codes: 0 all passed,
// 1 a check failed, 2 usage, 3 an invalid file, 4 a threshold failed, 5 the
// target is unreachable or has no schema, 6 the run is not valid, 130 and 143
// after SIGINT and SIGTERM.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/render"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// The exit codes.
const (
	exitFailed    = 1 // a check, assertion or call failed
	exitUsage     = 2
	exitFile      = 3 // a scenario, plan or schema file is invalid
	exitThreshold = 4
	exitTarget    = 5 // the target is unreachable or has no schema
	exitInvalid   = 6 // the run is not valid: the generator was the bottleneck
)

// commands make the commands, in the order of the help.
var commands = []func(*env) *cobra.Command{
	newRunCommand,
	newLintCommand,
	newLoadCommand,
	newCompareCommand,
	newReportCommand,
	newCallCommand,
	newListCommand,
	newDescribeCommand,
	newRetryCommand,
	newProxyCommand,
	newFixtureCommand,
	newRecordCommand,
	newReplayCommand,
	newSchemaCommand,
	newInitCommand,
	newDoctorCommand,
	newManCommand,
}

// env is the surroundings of a command.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer // stderr is a *console, but for tests
}

// color reports whether stdout is a terminal that wants colours.
func (e *env) color() bool {
	file, ok := e.stdout.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Main runs loadgen and returns its exit code. The first SIGINT or SIGTERM
// cancels ctx; see cutOff for the second one.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == childCommand {
		return serveChild(ctx, args[1:], stdin, stdout, stderr)
	}
	e := &env{stdin: stdin, stdout: stdout, stderr: newConsole(stderr)}
	ctx, stop := withSignals(ctx, e.stderr)
	defer stop()
	root := newRoot(e)
	root.SetArgs(args)
	var err error
	if !isCompletion(args) {
		err = unknownCommand(root, args)
	}
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err != nil && err.Error() != "" { // "": everything is said already
		fmt.Fprintln(e.stderr, complaint(err))
	}
	if caught, ok := errors.AsType[signalled](context.Cause(ctx)); ok {
		return caught.code()
	}
	return exitCode(err)
}

// newRoot returns the tree of commands.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "loadgen",
		Short: "Try gRPC services: scenarios, single calls, load",
		Long: `loadgen tries gRPC services and the clients that call them. It learns what a
target offers by reflection, or from protosets or .proto files. Without
--target it starts the reference Detect server and tries that.`,
		Example: `  loadgen list
  loadgen call Detect/detect -d '{"content": "{\"request_type\":\"TEXT\",\"content\":\"hello\"}"}'
  loadgen list --target localhost:50051 --plaintext`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          nil, // so that cobra looks for unknown commands before flags
	}
	root.SetVersionTemplate("loadgen {{.Version}}\n")
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagError)
	root.DisableSuggestions = true
	root.RunE = func(*cobra.Command, []string) error {
		return withCode(exitUsage, errors.New("give a command\nhint: loadgen --help lists them"))
	}
	for _, newCommand := range commands {
		root.AddCommand(ended(newCommand(e)))
	}
	addCompletion(root)
	return root
}

// ended gives the errors of a command, and of its subcommands, their exit
// codes. Errors that stay without one are cobra's own: wrong usage.
func ended(c *cobra.Command) *cobra.Command {
	for _, sub := range c.Commands() {
		ended(sub)
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error { return coded(run(c, args)) }
	}
	return c
}

// exitError is an error that ends the process with a code of its own.
type exitError struct {
	code int
	err  error // nil: everything is said already
}

// Error returns the text of the error.
func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the error.
func (e *exitError) Unwrap() error { return e.err }

// withCode gives an error an exit code. A nil error is one that is not printed.
func withCode(code int, err error) error { return &exitError{code, err} }

// coded gives an error the exit code of its type, unless it has one.
func coded(err error) error {
	var (
		missing  *schema.Missing
		notFound *schema.NotFound
		badFile  *schema.BadFile
		mistakes source.Errors
		mistake  *source.Error
	)
	switch {
	case err == nil || errors.As(err, new(*exitError)):
		return err
	case errors.As(err, &missing):
		return withCode(exitTarget, err)
	case errors.As(err, &notFound):
		return withCode(exitUsage, err)
	case errors.As(err, &badFile), errors.As(err, &mistakes), errors.As(err, &mistake):
		return withCode(exitFile, err)
	}
	return withCode(exitFailed, err)
}

// exitCode returns the exit code of what a command returned.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitUsage
}

// complaint is what is printed of an error. Mistakes in files go without the
// name of the program, since editors look for file:line at the start.
func complaint(err error) string {
	if mistakes, ok := errors.AsType[source.Errors](err); ok {
		return render.Lines(mistakes.Error())
	}
	if mistake, ok := errors.AsType[*source.Error](err); ok && mistake.Error() == err.Error() {
		return render.Lines(mistake.Error())
	}
	return "loadgen: " + render.Lines(err.Error())
}

// unknownCommand returns an error that says which command may be meant.
func unknownCommand(root *cobra.Command, args []string) error {
	_, rest, err := root.Find(args)
	if err == nil {
		return nil
	}
	word := ""
	for _, arg := range rest {
		if !strings.HasPrefix(arg, "-") {
			word = arg
			break
		}
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return usage(fmt.Sprintf("unknown command %q", word), source.DidYouMean(word, names), "loadgen --help lists the commands")
}

// flagError says which flag may be meant.
func flagError(c *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		hint = source.DidYouMean("--"+unknown.GetSpecifiedName(), names)
	}
	return usage(err.Error(), hint, c.CommandPath()+" --help lists the flags")
}

// usage returns an error of wrong usage with the first hint that is not empty.
func usage(message string, hints ...string) error {
	for _, hint := range hints {
		if hint != "" {
			return withCode(exitUsage, fmt.Errorf("%s\nhint: %s", message, hint))
		}
	}
	return withCode(exitUsage, errors.New(message))
}

// takes returns a check on the number of arguments, which what describes.
func takes(low, high int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if low <= len(args) && len(args) <= high {
			return nil
		}
		return usage(fmt.Sprintf("%s takes %s, got %q", c.CommandPath(), what, args), c.CommandPath()+" --help shows examples")
	}
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 && !strings.Contains(text, setting.Value[:12]) {
			text += " " + setting.Value[:12]
		}
	}
	return text + " " + info.GoVersion
}
