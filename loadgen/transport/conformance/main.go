// Command conformance lets the transports of loads be tried by connectrpc's
// conformance suite: it is a client for connectconformance to test.
//
//	conformance -protos DIR wire|channel
//
// DIR holds the suite's .proto files. They are compiled at the start, since
// the code that the suite generates from them is internal to it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run makes the calls that in asks for and writes to out how they went. It
// returns when in has ended, and every call.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	protos := flags.String("protos", "", "folder with the suite's .proto files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	open, ok := openers[flags.Arg(0)]
	if !ok {
		return fmt.Errorf("transport %q: want wire or channel", flags.Arg(0))
	}
	types, err := load(ctx, *protos)
	if err != nil {
		return err
	}
	return serve(ctx, &adapter{types, open}, in, out)
}
