package engine

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadWaiter puts its thread to sleep until a little before the moment, and
// looks at the clock for the rest. How little follows from how late the sleeps
// end: on an idle machine that is a few microseconds, so that next to no CPU
// is spent on looking.
type threadWaiter struct {
	timer *timerWaiter // for waits that are long
	now   time.Time    // when the time was last read
	early time.Duration
	spins bool
}

// Bounds of a threadWaiter.
const (
	// longWait is what a timer of Go is late by at most, and more: longer waits
	// use one for all but the last of it, since it ends with the context.
	longWait = 4 * time.Millisecond
	maxEarly = 60 * time.Microsecond
	learn    = 200 * time.Nanosecond
)

// newThreadWaiter returns a waiter for a goroutine that is locked to its
// thread; nil when the time is not that of the machine.
func newThreadWaiter() waiter {
	if !realTime() {
		return nil
	}
	// By default the kernel may be 50 µs late, to save wake-ups.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return &threadWaiter{
		timer: newTimerWaiter(), early: maxEarly / 3,
		// Looking at the clock on the only CPU keeps the calls from being made.
		spins: min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1,
	}
}

// wait implements waiter. While it is behind it does not even read the time.
func (w *threadWaiter) wait(ctx context.Context, t time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	if !t.After(w.now) {
		return true
	}
	for w.now = time.Now(); t.After(w.now); w.now = time.Now() {
		switch left := t.Sub(w.now); {
		case left > longWait:
			if !w.timer.wait(ctx, t.Add(-longWait/2)) {
				return false
			}
		case !w.spins:
			w.sleep(left)
		case left > w.early:
			w.sleep(left - w.early)
		}
	}
	return true
}

// sleep puts the thread to sleep, and learns how late it wakes up.
func (w *threadWaiter) sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a signal ends it early; wait looks again
	// early follows the third quartile of how late sleeps end: a sleep that was
	// later weighs as much as three that were not. A higher quantile would make
	// the last calls a little more punctual, and spend most of a CPU on looking
	// at the clock at 10,000 calls a second.
	if late := time.Since(w.now) - d; late > w.early {
		w.early += 3 * learn
	} else {
		w.early -= learn
	}
	w.early = min(max(w.early, 0), maxEarly)
}

func (w *threadWaiter) close() {
	w.timer.close()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // back to the default
}
