// Command loadgen tries gRPC services and the clients that call them.
package main

import (
	"context"
	"os"

	"touchstone/loadgen/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
