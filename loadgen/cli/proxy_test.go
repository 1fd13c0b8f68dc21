package cli_test

import (
	"net"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// addressCommand puts a loopback address that nobody listens on into $ADDRESS,
// for a program that is to be started in the background.
func addressCommand(ts *testscript.TestScript, _ bool, _ []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("ADDRESS", listener.Addr().String())
	ts.Check(listener.Close())
}

// awaitCommand waits until somebody listens on $ADDRESS.
func awaitCommand(ts *testscript.TestScript, _ bool, _ []string) {
	for range 1000 {
		conn, err := net.Dial("tcp", ts.Getenv("ADDRESS"))
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("nobody listens on %s", ts.Getenv("ADDRESS"))
}
