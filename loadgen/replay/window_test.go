package replay_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"touchstone/loadgen/replay"
	"touchstone/loadgen/safety"
)

// One call at a time, and a stream whose next message is in the recording
// behind many calls that have to wait for its end. Within what may be read ahead
// all of it is replayed; beyond, the run ends and says what to do.
func TestReadingAheadForACallUnderWay(t *testing.T) {
	const window = 64 << 10
	for _, row := range []struct {
		name  string
		calls int // of about 33 KiB each between the stream's messages
		stuck bool
	}{
		{"within the window", 1, false},
		{"beyond the window", 10, false},
		{"beyond all that is read ahead", 40, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTape(t)
				text := strings.Repeat("x", 16<<10)
				r.add(1, start(0, "HelloService/BidiHello"), send(0, "a"), recv(0, "a"))
				for i := range row.calls {
					r.add(uint64(i+2), start(0, "HelloService/SayHello"), send(0, text), halfClose(0), recv(0, text), ended(0))
				}
				r.add(1, send(0, "b"), halfClose(0), recv(0, "b"), ended(0))
				var c clock
				outcome, err := c.replayOn(t, r.close(), replay.Config{Window: window, Guard: safety.NewGuard(0, 1)})
				switch {
				case row.stuck && (err == nil || !strings.Contains(err.Error(), "hint: raise --window or --max-in-flight")):
					t.Errorf("Run = %v, want an error with a hint", err)
				case !row.stuck && (err != nil || outcome.Diff.Calls != row.calls+1 || outcome.Diff.Different != 0):
					t.Errorf("%+v, %v, want no difference in %d calls", outcome.Diff, err, row.calls+1)
				}
			})
		})
	}
}
