// Package cli is the command line of the reference server.
//
//	$ detect-server --listen 127.0.0.1:0 --faults outage.yaml
//	listening 127.0.0.1:41873
//
// The first line on standard output says where the server listens, once it
// does; logs go to standard error. SIGINT or SIGTERM shuts down: the health
// service reports NOT_SERVING, no new call is taken, and those that run have
// --grace to end. A second signal cuts them at once.
//
// Exit codes: 0 after a shutdown, 1 when the server cannot run (such as an
// address in use), 2 for a mistake on the command line, 3 for one in a file
// that it names, 128 plus the signal's number after a second signal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/server/source"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
	exitFile    = 3
	exitSignal  = 128 // plus the number of the signal
)

// failure is an error with its exit code and a hint for the user.
type failure struct {
	code int
	err  error
	hint string // may be empty
}

// Error returns the message with the hint.
func (f *failure) Error() string {
	if f.hint == "" {
		return f.err.Error()
	}
	return f.err.Error() + "\nhint: " + f.hint
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// usage is a mistake on the command line.
func usage(hint, format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...), hint}
}

// Main runs the command with the arguments behind its name, and returns its
// exit code. It ends with ctx, or by SIGINT or SIGTERM to the process.
func Main(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cmd := newCommand(stdout, stderr, signals)
	cmd.SetArgs(args)
	return exitCode(stderr, cmd.ExecuteContext(ctx))
}

// exitCode prints an error and returns its exit code.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errs, ok := errors.AsType[source.Errors](err); ok {
		fmt.Fprintln(stderr, errs) // they name their file
		return exitFile
	}
	fmt.Fprintln(stderr, "detect-server:", err)
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return exitFailure
}

// newCommand returns the command, which reads signals while it serves.
func newCommand(stdout, stderr io.Writer, signals <-chan os.Signal) *cobra.Command {
	f := defaults()
	cmd := &cobra.Command{
		Use:           "detect-server",
		Short:         "The reference gRPC server: Detect and HelloService",
		Long:          long,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), stdout, stderr, signals)
		},
	}
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	f.register(cmd.Flags())
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd.Flags(), err) })
	cmd.CompletionOptions.DisableDefaultCmd = true
	return cmd
}

const long = `The reference gRPC server: Detect and HelloService, all four kinds of RPC,
with reflection and the health service.

The first line on standard output is "listening ADDR". SIGINT or SIGTERM drains
within --grace; a second signal cuts at once.`

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage("all settings are flags; see --help", "unexpected argument %q", args[0])
}

// flagError adds what the user may have meant.
func flagError(flags *pflag.FlagSet, err error) error {
	hint := "see --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if meant := source.DidYouMean(unknown.GetSpecifiedName(), names); meant != "" {
			hint = strings.Replace(meant, `"`, `"--`, 1)
		}
	}
	return &failure{exitUsage, err, hint}
}
