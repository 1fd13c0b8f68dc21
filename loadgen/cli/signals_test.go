package cli_test

import (
	"bufio"
	"context"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"touchstone/loadgen/report"
	"touchstone/proto/hello"
)

// holder is a HelloService whose calls wait until they are let go.
type holder struct {
	hello.UnimplementedHelloServiceServer
	called chan struct{} // capacity 1: a call is under way
	letGo  chan struct{}
}

func (h holder) SayHello(ctx context.Context, _ *hello.HelloRequest) (*hello.HelloResponse, error) {
	select {
	case h.called <- struct{}{}:
	default:
	}
	select {
	case <-h.letGo:
		return &hello.HelloResponse{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The first signal lets calls under way end, the second cuts them off. Either
// way there is a report, and the exit code is that of the signal.
func TestSignalsDrainAndCut(t *testing.T) {
	for _, transport := range []string{"channel", "wire"} {
		t.Run(transport+" drains", func(t *testing.T) {
			l := signalledLoad(t, transport, func(h holder, _ func()) { close(h.letGo) })
			if l.Completed == 0 || l.Cancelled != 0 || l.Statuses["OK"] != l.Completed {
				t.Errorf("completed %d, cancelled %d, statuses %v; want all calls to end OK", l.Completed, l.Cancelled, l.Statuses)
			}
		})
		t.Run(transport+" is cut off", func(t *testing.T) {
			l := signalledLoad(t, transport, func(_ holder, again func()) { again() })
			if l.Completed != 0 || l.Cancelled == 0 {
				t.Errorf("completed %d, cancelled %d; want all calls to be cut off", l.Completed, l.Cancelled)
			}
		})
	}
}

// signalledLoad puts on a load, sends it a signal while calls are under way,
// and does something when that was understood; again sends another signal.
func signalledLoad(t *testing.T, transport string, then func(h holder, again func())) report.Load {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	h := holder{called: make(chan struct{}, 1), letGo: make(chan struct{})}
	hello.RegisterHelloServiceServer(server, h)
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)

	dir := t.TempDir()
	cmd := process(t, "loadgen", "load", "HelloService/SayHello", "--rate", "20", "--duration", "1h", "--transport", transport,
		"--target", listener.Addr().String(), "--plaintext", "--report", dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-h.called
	interrupt := func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}
	interrupt()
	understood := false
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "those under way may end") {
			understood = true
			then(h, interrupt)
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v, want exit code 130", err)
	}
	r, err := report.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !understood || r.ExitCode != 130 || len(r.Loads) != 1 {
		t.Fatalf("understood %v, exit code %d in the report, %d loads", understood, r.ExitCode, len(r.Loads))
	}
	return r.Loads[0]
}
