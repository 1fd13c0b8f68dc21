package cli

import (
	"testing"
	"time"

	"touchstone/loadgen/replay"
)

// How long a replay of 100 calls within 10 s takes.
func TestExpectedOfAReplay(t *testing.T) {
	for _, row := range []struct {
		name  string
		flags replayFlags
		want  time.Duration
	}{
		{"as recorded", replayFlags{loops: 1}, 10 * time.Second},
		{"in loops, twice as fast", replayFlags{loops: 3, speed: "2x"}, 15 * time.Second},
		{"at a rate", replayFlags{loops: 2, rate: 50}, 4 * time.Second},
		{"no longer than asked for", replayFlags{loops: 5, duration: 20 * time.Second}, 20 * time.Second},
		{"nobody knows", replayFlags{loops: 1, asap: true}, 0},
		{"nor how long the first calls take", replayFlags{loops: 1, calls: 5}, 0},
	} {
		if row.flags.speed == "" {
			row.flags.speed = "1x"
		}
		row.flags.transport = "channel"
		if err := row.flags.check(); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if got := row.flags.expected(&replayPlan{length: 10 * time.Second, calls: 100}); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
	// Unread, it has no length.
	f := replayFlags{pace: replay.Pace{Speed: 1}, loops: 1, duration: time.Minute}
	if got := f.expected(&replayPlan{}); got != 0 {
		t.Errorf("unread: %v, want 0", got)
	}
}
