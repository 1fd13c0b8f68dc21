//go:build !race

// The race detector makes a sync.Pool forget at random.

package wire_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/transport"
)

// TestNoAllocations makes the calls that a load makes over and over, with a
// deadline and a context that may end. One allocation in 50 calls is let
// through: the garbage collector empties pools, and a chain has a few of its
// own.
func TestNoAllocations(t *testing.T) {
	w := dialled(t, startServer(t), 1)
	req := &transport.Request{Method: service + "SayHello", Messages: encode(t, strings.Repeat("m", 48)), Timeout: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const calls = 1000
	var res transport.Result
	for name, run := range map[string]func(){
		"Do": func() {
			for range calls {
				w.Do(ctx, req, &res)
			}
		},
		"Start": func() { <-newChain(ctx, w, req, calls).over },
	} {
		run()
		if got := testing.AllocsPerRun(5, run); got > calls/50 {
			t.Errorf("%d calls of %s made %v allocations, want hardly any", calls, name, got)
		}
	}
}
