package engine

import (
	"context"
	"time"
)

// waiter waits for moments that lie in order.
type waiter interface {
	// wait returns true at t, or at once when t is past, and false when ctx has
	// ended.
	wait(ctx context.Context, t time.Time) bool
	close()
}

// newWaiter returns the most exact waiter that there is.
func newWaiter() waiter {
	if w := newThreadWaiter(); w != nil {
		return w
	}
	return newTimerWaiter()
}

// timerWaiter waits with a timer of Go, which wakes up to a millisecond late:
// an idle thread waits in whole milliseconds. In a bubble of testing/synctest
// it is exact.
type timerWaiter struct {
	now   time.Time // when the time was last read
	timer *time.Timer
}

func newTimerWaiter() *timerWaiter {
	timer := time.NewTimer(0)
	<-timer.C
	return &timerWaiter{timer: timer}
}

// wait implements waiter. While it is behind it does not even read the time.
func (w *timerWaiter) wait(ctx context.Context, t time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	if !t.After(w.now) {
		return true
	}
	if w.now = time.Now(); !t.After(w.now) {
		return true
	}
	w.timer.Reset(t.Sub(w.now))
	select {
	case <-w.timer.C:
		w.now = time.Now()
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *timerWaiter) close() { w.timer.Stop() }
