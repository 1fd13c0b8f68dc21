package engine_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/transport"
)

// instant ends each call at once, on a goroutine of its own, as the reader of a
// connection does.
type instant struct {
	*fakeTarget
	started chan ending
}

type ending struct {
	res *transport.Result
	end transport.Ender
}

func newInstant() *instant {
	// Room for all calls under way, so that a call that Ended starts is taken.
	i := &instant{started: make(chan ending, 1000)}
	go func() {
		for e := range i.started {
			e.res.Status, e.res.Received, e.res.Done = codes.OK, 1, time.Now()
			e.end.Ended(e.res)
		}
	}()
	return i
}

// Start implements transport.Starter.
func (i *instant) Start(_ context.Context, _ *transport.Request, res *transport.Result, end transport.Ender) {
	res.Start = time.Now()
	i.started <- ending{res, end}
}

// TestCallsAllocateNothing counts the allocations of most of a run, without its
// beginning and its end, where it allocates what it needs and what it reports.
func TestCallsAllocateNothing(t *testing.T) {
	const calls = 50_000
	req := sayHello(0)
	for name, cfg := range map[string]engine.Config{
		"closed": {Closed: 20},
		"open":   {Schedule: pace.Constant(200_000), MaxInFlight: 500},
	} {
		target := newInstant()
		var first, last runtime.MemStats
		var made atomic.Int64
		cfg.Name, cfg.Transport, cfg.Requests = name, target, calls
		cfg.Next = func(int) *transport.Request {
			switch made.Add(1) {
			case calls / 10:
				runtime.ReadMemStats(&first)
			case calls / 5:
				runtime.ReadMemStats(&last)
			}
			return req
		}
		l, err := engine.Run(t.Context(), cfg)
		close(target.started)
		if err != nil {
			t.Fatal(err)
		}
		checkAccounts(t, l)
		if n := (float64(last.Mallocs) - float64(first.Mallocs)) / (calls / 10); n > 0.5 {
			t.Errorf("%s: %.2f allocations a call, want none", name, n)
		}
	}
}
