package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/cli"
	"touchstone/loadgen/report"
	"touchstone/proto/hello"
)

// greeter answers all four kinds; a greeting of "down" fails, and one that
// starts with "interrupt" stops this process when it has come 20 times.
type greeter struct {
	hello.UnimplementedHelloServiceServer
	interrupts sync.Map // *atomic.Int64 by greeting
}

// interrupt reports whether a greeting has come for the 20th time.
func (g *greeter) interrupt(greeting string) bool {
	if !strings.HasPrefix(greeting, "interrupt") {
		return false
	}
	count, _ := g.interrupts.LoadOrStore(greeting, new(atomic.Int64))
	return count.(*atomic.Int64).Add(1) == 20
}

func (g *greeter) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	switch {
	case in.Greeting == "down":
		return nil, status.Error(codes.FailedPrecondition, "out of order")
	case g.interrupt(in.Greeting):
		return &hello.HelloResponse{}, syscall.Kill(os.Getpid(), syscall.SIGINT)
	}
	return &hello.HelloResponse{Reply: in.Greeting}, nil
}

func (g *greeter) LotsOfReplies(in *hello.HelloRequest, stream grpc.ServerStreamingServer[hello.HelloResponse]) error {
	for range 3 {
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
	return nil
}

func (g *greeter) LotsOfGreetings(stream grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return stream.SendAndClose(&hello.HelloResponse{})
		} else if err != nil {
			return err
		}
	}
}

func (g *greeter) BidiHello(stream grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

// serveGreeter serves on loopback and returns the address.
func serveGreeter(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, &greeter{})
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// TestLoad runs the load command. Loads have fewer calls than the p99 of the
// lag needs, so that a slow machine cannot make them invalid.
func TestLoad(t *testing.T) {
	address := serveGreeter(t)
	tests := []struct {
		name           string
		args           string
		data           string
		code           int
		stdout, stderr string // part of it
		completed      int64  // of the report; -1: there is none
	}{
		{"unary", "SayHello --rate 2000 --requests 100 --seed 5", `{"greeting": "hi"}`, 0, "PASSED", "seed: 5", 100},
		{"a schedule so slow that attempts are watched", "SayHello --rate 100 --requests 10", "", 0, "PASSED", "", 10},
		{"messages take turns", "SayHello --rate 2000 --requests 100", `{"greeting": "hi"} {"greeting": "down"}`, 0, "50", "", 100},
		{"arrivals at random", "SayHello --rate 2000 --arrival poisson --requests 100", "", 0, "PASSED", "", 100},
		{"server streaming", "LotsOfReplies --rate 500 --requests 50", "", 0, "server_stream", "", 50},
		{"client streaming", "LotsOfGreetings --rate 500 --requests 50", `{"greeting": "a"} {"greeting": "b"}`, 0, "client_stream", "", 50},
		{"bidi in turns", "BidiHello --rate 500 --requests 50 --turns", `{"greeting": "a"} {"greeting": "b"}`, 0, "bidi_stream", "", 50},
		{"a closed loop says what it cannot see", "SayHello --closed 3 --requests 50 --connections 2", "", 0, "cannot see a stall", "", 50},
		{"all calls fail", "SayHello --closed 3 --requests 20", `{"greeting": "down"}`, 1, "not one call ended OK", "", 20},
		{"all calls fail, as a threshold asks", "SayHello --closed 3 --requests 20 --threshold error_rate>99%", `{"greeting": "down"}`, 1, "FAILED (exit 1)", "", 20},
		{"a threshold fails", "SayHello --closed 3 --requests 20 --threshold error_rate<0.1%", `{"greeting": "hi"} {"greeting": "down"}`, 4, "got 50", "", 20},
		{"a threshold that so few calls cannot meet", "SayHello --closed 3 --requests 20 --threshold response.p99<1h", "", 2, "", "cannot be compared", -1},
		{"a quantile of too few calls", "SayHello --closed 3 --requests 20 --threshold response.p99<60s", "", 4, "p99 needs 368 samples, there are 20", "", 20},
		{"a misspelt metric", "SayHello --rate 5 --threshold respons.p99<1s", "", 2, "", `did you mean "response.p99"?`, -1},
		{"a misspelt method", "SayHelo --rate 5", "", 2, "", `SayHello`, -1},
		{"a misspelt field", "SayHello --rate 5", `{"greetin": "hi"}`, 3, "", `did you mean "greeting"?`, -1},
		{"neither loop", "SayHello", "", 2, "", "hint: give --rate", -1},
		{"both loops", "SayHello --rate 5 --closed 5", "", 2, "", "exclude each other", -1},
		{"a transport that there is not", "SayHello --rate 5 --transport wired", "", 2, "", "hint: use channel or wire", -1},
		{"retries over wire", "SayHello --rate 5 --transport wire --service-config {}", "", 2, "", "one attempt a call", -1},
		{"an arrival that there is not", "SayHello --rate 5 --arrival rampe", "", 2, "", "constant or poisson", -1},
		{"turns of a unary call", "SayHello --rate 5 --turns", "", 2, "", "bidi", -1},
		{"Ctrl-C keeps what there is, over wire", "SayHello --transport wire --closed 1 --duration 60s", `{"greeting": "interrupt wire"}`, 130, "FAILED (exit 130)", "stopped by signal", 20},
		{"Ctrl-C keeps what there is, of an open loop", "SayHello --transport wire --rate 500 --duration 60s", `{"greeting": "interrupt open"}`, 130, "FAILED (exit 130)", "stopped by signal", 20},
		{"Ctrl-C keeps what there is", "SayHello --closed 1 --duration 60s", `{"greeting": "interrupt"}`, 130, "FAILED (exit 130)", "stopped by signal", 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"load"}, strings.Fields("HelloService/"+tt.args)...)
			args = append(args, "--target", address, "--plaintext", "--report", dir, "-H", "authorization: secret", "-d", tt.data)
			var stdout, stderr bytes.Buffer
			code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit %d, want %d with %q and %q\n%s\n%s", code, tt.code, tt.stdout, tt.stderr, &stdout, &stderr)
			}
			checkReport(t, dir, tt.code, tt.completed)
		})
	}
}

// checkReport checks what a run left in dir.
func checkReport(t *testing.T, dir string, code int, completed int64) {
	t.Helper()
	if completed < 0 {
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("a run that never started left %v", files)
		}
		return
	}
	r, err := report.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	l := r.Loads[0]
	// The signal takes a moment: the caller may get a few more calls through.
	if code == 130 && l.Completed >= completed-1 {
		completed = l.Completed
	}
	if r.ExitCode != code || r.Passed != (code == 0) || l.Completed != completed || l.Sent != l.Completed+l.Cancelled {
		t.Errorf("report: exit %d, passed %v, sent %d, completed %d, cancelled %d; want exit %d, completed %d",
			r.ExitCode, r.Passed, l.Sent, l.Completed, l.Cancelled, code, completed)
	}
	if l.AttemptsPerCall < 1 && l.Cancelled == 0 {
		t.Errorf("%v attempts a call, want all to be counted", l.AttemptsPerCall)
	}
	if command := strings.Join(r.Command, " "); strings.Contains(command, "secret") || !strings.HasPrefix(command, "loadgen load HelloService/") {
		t.Errorf("command %q, want it without the secret", command)
	}
}
