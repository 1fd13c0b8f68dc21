package replay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/proto/hello"
)

// LotsOfReplies answers twice.
func (c *clock) LotsOfReplies(in *hello.HelloRequest, stream hello.HelloService_LotsOfRepliesServer) error {
	for range 2 {
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
	return nil
}

// Recordings of calls with one message that lack the half-close, as other tools
// write them: the server waits for it, so the replay has to make it, and at
// once.
func TestHalfCloseThatIsNotRecorded(t *testing.T) {
	const unary, stream = "HelloService/SayHello", "HelloService/LotsOfReplies"
	for _, row := range []struct {
		name      string
		events    []fixture.Event
		different int
	}{
		{"unary", []fixture.Event{start(0, unary), send(0, "a"), recv(ms, "a"), ended(ms)}, 0},
		{"server stream", []fixture.Event{start(0, stream), send(0, "a"), recv(ms, "a"), recv(ms, "a"), ended(ms)}, 0},
		{"headers before the message", []fixture.Event{start(0, unary), {Kind: fixture.Headers}, send(0, "a"), recv(ms, "a"), ended(ms)}, 0},
		{"half-closed after the answer", []fixture.Event{start(0, unary), send(0, "a"), recv(ms, "a"), halfClose(ms), ended(ms)}, 0},
		{"the recording breaks off", []fixture.Event{start(0, unary), send(0, "a"), recv(ms, "a")}, 0},
		{"ended before any message", []fixture.Event{start(0, unary), {Kind: fixture.End, Status: "UNAUTHENTICATED"}}, 1},
		{"cancelled", []fixture.Event{start(0, unary), send(0, "a"), {Kind: fixture.Cancel}, {Kind: fixture.End, Status: "CANCELLED"}}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTape(t)
				r.add(1, row.events...)
				var c clock
				begun := time.Now()
				outcome, err := c.replayOn(t, r.close(), replay.Config{})
				if took := time.Since(begun); err != nil || took > time.Second || outcome.Load.Aborted != "" {
					t.Errorf("took %v (%v, %q), want no wait", took, err, outcome.Load.Aborted)
				}
				if outcome.Diff.Different != row.different {
					t.Errorf("differences %q in %d calls, want them in %d", groups(outcome), outcome.Diff.Different, row.different)
				}
			})
		})
	}
}
