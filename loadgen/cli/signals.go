package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signalled is the cause of a context that a signal ended.
type signalled struct{ signal syscall.Signal }

// Error names the signal.
func (s signalled) Error() string { return "stopped by signal: " + s.signal.String() }

// code is the exit code of shells: 128 and the signal's number.
func (s signalled) code() int { return 128 + int(s.signal) }

// secondSignal is what a second signal does to work that drains after the
// first.
type secondSignal struct {
	awaited atomic.Bool   // something drains
	came    chan struct{} // closed by the signal
}

// secondKey is where a context has its secondSignal.
type secondKey struct{}

// cutOff returns a channel that the second signal closes, for work that the
// first one lets drain. From now on the second does not end the process; a
// third one does. It is nil where no signals are caught.
func cutOff(ctx context.Context) <-chan struct{} {
	second, ok := ctx.Value(secondKey{}).(*secondSignal)
	if !ok {
		return nil
	}
	second.awaited.Store(true)
	return second.came
}

// withSignals returns a context that the first SIGINT or SIGTERM ends, and says
// so where work drains. The next signal that nobody awaits finds no handler and
// ends the process.
func withSignals(ctx context.Context, stderr io.Writer) (context.Context, func()) {
	second := &secondSignal{came: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, secondKey{}, second))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(signals)
		select {
		case caught := <-signals:
			if second.awaited.Load() {
				fmt.Fprintf(stderr, "%v: no more calls are made, those under way may end; again cuts them off\n", caught)
			}
			cancel(signalled{caught.(syscall.Signal)})
		case <-over:
			return
		}
		if !second.awaited.Load() {
			return
		}
		select {
		case <-signals:
			fmt.Fprintln(stderr, "calls under way are cut off")
			close(second.came)
		case <-over:
		}
	}()
	return ctx, func() {
		close(over)
		<-done
		cancel(nil)
	}
}
