package cli_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"touchstone/loadgen/cli"
	"touchstone/proto/hello"
)

// A cap holds whatever else is asked for: 20 calls at 50 a second take 380 ms
// at least, on any machine. Without a cap they take a tenth of that.
func TestMaxRateHolds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, talker{})
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	const load = "load HelloService/SayHello --requests 20 --max-rate 50 "
	for _, args := range []string{
		load + "--rate 10000",
		load + "--closed 10",
		load + "--closed 10 --connections 5",
		load + "--closed 10 --transport wire",
		"replay ../../scenarios/fixtures/session.grpcfix --only HelloService/SayHello --loops 20 --max-rate 50 --asap --ignore **",
		"replay ../../scenarios/fixtures/session.grpcfix --only HelloService/SayHello --loops 20 --max-rate 50 --rate 9999 --ignore **",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			full := append(strings.Fields(args), "--target", listener.Addr().String(), "--plaintext", "--report", t.TempDir())
			var out bytes.Buffer
			begun := time.Now()
			code := cli.Main(context.Background(), full, strings.NewReader(""), &out, &out)
			if took := time.Since(begun); took < 380*time.Millisecond {
				t.Errorf("20 calls within %v, the cap is 50 a second", took)
			}
			// What a machine makes of the figures is not for this test to judge.
			if text := out.String(); code != 0 && code != 6 || !strings.Contains(text, "PASSED") && !strings.Contains(text, "not valid") {
				t.Errorf("exit %d:\n%s", code, text)
			}
		})
	}
}
