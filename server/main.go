// Command detect-server is the reference gRPC server: Detect and HelloService.
package main

import (
	"context"
	"os"

	"touchstone/server/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
