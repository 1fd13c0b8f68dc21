package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	server "touchstone/server/cli"
)

// childCommand is the hidden first argument under which this binary is the
// reference server.
const childCommand = "detect-server"

// How long the child may take.
const (
	childStart = 15 * time.Second // until it listens
	childGrace = 7 * time.Second  // from SIGTERM to its end: more than it drains
)

// serveChild is the reference server as a child of loadgen. It ends with its
// parent: when that dies, stdin ends.
func serveChild(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process at the latest: a read cannot be called off
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return server.Main(ctx, args, strings.NewReader(""), stdout, stderr)
}

// child is a reference server that runs as a child process.
type child struct {
	env     *env
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
	stdout  firstLine
	stderr  tail
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read it after done
}

// startEmbedded starts the reference server on a free loopback port, with more
// arguments if need be, and says so on stderr. The caller calls stop.
func startEmbedded(ctx context.Context, e *env, args ...string) (*child, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("reference server: %w", err)
	}
	c := &child{env: e, stdout: firstLine{found: make(chan string, 1)}, done: make(chan struct{})}
	c.cmd = exec.Command(executable)
	c.cmd.Args = append([]string{os.Args[0], childCommand, "--listen", "127.0.0.1:0"}, args...)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	c.cmd.SysProcAttr = ownGroup() // so that Ctrl-C reaches loadgen only, which stops the child last
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("reference server: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("reference server: %w", err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	if err := c.awaitListening(ctx); err != nil {
		c.stop()
		return nil, err
	}
	fmt.Fprintf(e.stderr, "target: reference server at %s (child process %d)\n", c.address, c.cmd.Process.Pid)
	return c, nil
}

// awaitListening waits for the line that names the address.
func (c *child) awaitListening(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, childStart, fmt.Errorf("the reference server does not listen after %v", childStart))
	defer cancel()
	select {
	case line := <-c.stdout.found:
		address, ok := strings.CutPrefix(line, "listening ")
		if !ok {
			return fmt.Errorf("the reference server says %q instead of where it listens", line)
		}
		c.address = address
		return nil
	case <-c.done:
		return c.died()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// died says how the child ended before its time. Its codes for wrong usage and
// invalid files are ours, too.
func (c *child) died() error {
	code := exitTarget
	if exited, ok := errors.AsType[*exec.ExitError](c.err); ok && (exited.ExitCode() == exitUsage || exited.ExitCode() == exitFile) {
		code = exited.ExitCode()
	}
	return withCode(code, fmt.Errorf("the reference server ended (%v):\n%s", c.cmd.ProcessState, strings.TrimSpace(c.stderr.String())))
}

// stop ends the child: gently, then not. It returns when the child is gone,
// and says so if it was gone before: then the results are not to be trusted.
func (c *child) stop() {
	select {
	case <-c.done:
		if c.address != "" {
			fmt.Fprintf(c.env.stderr, "loadgen: the reference server ended before its time: %v\n", c.died())
		}
	default:
	}
	c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	grace := time.NewTimer(childGrace)
	defer grace.Stop()
	select {
	case <-c.done:
	case <-grace.C:
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// firstLine takes what a process prints and hands on the first line.
type firstLine struct {
	line  []byte
	sent  bool
	found chan string
}

// Write is called by one goroutine of os/exec.
func (f *firstLine) Write(p []byte) (int, error) {
	if f.sent {
		return len(p), nil
	}
	f.line = append(f.line, p...)
	if line, _, ok := bytes.Cut(f.line, []byte("\n")); ok || len(f.line) > tailBytes {
		f.found <- strings.TrimSuffix(string(line), "\r")
		f.sent, f.line = true, nil
	}
	return len(p), nil
}

// tailBytes is how much of a child's output is kept.
const tailBytes = 4 << 10

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex // guards data
	data []byte
}

// Write keeps the end of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if excess := len(t.data) - tailBytes; excess > 0 {
		t.data = append(t.data[:0], t.data[excess:]...)
	}
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
