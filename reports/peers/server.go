//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"touchstone/loadgen/transport"
)

// server is the process that all peers call.
type server struct {
	address string
	process *exec.Cmd
}

// startServer starts the server on a port of the system's choice.
func startServer(ctx context.Context, path string) (*server, error) {
	c := exec.CommandContext(ctx, path, "--listen", "127.0.0.1:0")
	c.Stderr = io.Discard
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("%w; make build comes first", err)
	}
	s := &server{process: c}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !ok {
		s.stop()
		return nil, fmt.Errorf("%s: want its address, got %q", path, line)
	}
	s.address = address
	return s, nil
}

// freeze stops the server after a time, for a time, and lets it go on in any
// case before it returns.
func (s *server) freeze(ctx context.Context, after, lasting time.Duration) {
	if !transport.Pause(ctx, after) {
		return
	}
	defer s.signal(syscall.SIGCONT)
	s.signal(syscall.SIGSTOP)
	transport.Pause(ctx, lasting)
}

func (s *server) signal(sig syscall.Signal) {
	if err := s.process.Process.Signal(sig); err != nil {
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
	}
}

// stop ends the server, and waits for it.
func (s *server) stop() {
	s.signal(syscall.SIGCONT)
	s.signal(syscall.SIGTERM)
	timer := time.AfterFunc(10*time.Second, func() { s.signal(syscall.SIGKILL) })
	defer timer.Stop()
	_ = s.process.Wait() // how it ended does not matter here
}
