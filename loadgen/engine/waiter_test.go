package engine

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaiters: whatever waits is never early, and ends with its context. How
// late it is, BenchmarkLag tells: that depends on the machine.
func TestWaiters(t *testing.T) {
	makers := map[string]func() waiter{"as the system has it": newWaiter, "by timer": func() waiter { return newTimerWaiter() }}
	for name, newWaiter := range makers {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			w := newWaiter()
			defer w.close()
			start := time.Now()
			for _, offset := range []time.Duration{
				-time.Hour, 0, 10 * time.Microsecond, 50 * time.Microsecond, 50 * time.Microsecond, time.Millisecond, 10 * time.Millisecond,
			} {
				if due := start.Add(offset); !w.wait(t.Context(), due) || time.Now().Before(due) {
					t.Errorf("the wait for %v ended before it", offset)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if w.wait(ctx, start.Add(time.Hour)) || w.wait(ctx, start) {
				t.Error("a wait whose context has ended says that its moment has come")
			}
		})
	}
}

// TestFakeTime: a thread that sleeps would hold up a bubble for good.
func TestFakeTime(t *testing.T) {
	if !realTime() {
		t.Error("the machine's time is taken for a fake one")
	}
	if runtime.GOOS != "linux" {
		return // where there is only one kind of waiter
	}
	synctest.Test(t, func(t *testing.T) {
		if realTime() {
			t.Error("fake time is taken for the machine's")
		}
		if _, ok := newWaiter().(*timerWaiter); !ok {
			t.Error("in a bubble, want the waiter by timer")
		}
	})
}
