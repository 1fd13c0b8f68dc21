package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"touchstone/proto/hello"
)

// process is this test binary, run under another name.
func process(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Args = append([]string{name}, args...)
	return cmd
}

// waiter is a HelloService whose calls wait for their end, and are announced.
type waiter struct {
	hello.UnimplementedHelloServiceServer
	called chan struct{}
}

func (w waiter) SayHello(ctx context.Context, _ *hello.HelloRequest) (*hello.HelloResponse, error) {
	w.called <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSignalsEndACall(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	w := waiter{called: make(chan struct{}, 1)}
	hello.RegisterHelloServiceServer(server, w)
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)

	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		cmd := process(t, "loadgen", "call", "HelloService/SayHello", "--plaintext", "--target", listener.Addr().String())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-w.called
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("after %v: %v, want exit code %d", signal, cmd.ProcessState, want)
		}
	}
}

// The reference server that loadgen starts ends when its stdin does: that is
// how it notices the death of its parent, however that dies.
func TestChildEndsWithItsParent(t *testing.T) {
	cmd := process(t, "loadgen", "detect-server", "--listen", "127.0.0.1:0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "listening 127.0.0.1:") {
		t.Fatalf("first line %q, %v\n%s", line, err, stderr.String())
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ends with %v\n%s", err, stderr.String())
	}
}
