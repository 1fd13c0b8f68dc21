package engine_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/transport"
)

// streamTarget sends three messages a call, 5 ms apart.
type streamTarget struct{ *fakeTarget }

// Do implements transport.Transport.
func (s streamTarget) Do(_ context.Context, _ *transport.Request, res *transport.Result) {
	*res = transport.Result{Gap: res.Gap, Start: time.Now(), Attempts: 2}
	for range 3 {
		time.Sleep(5 * time.Millisecond)
		if res.Received++; res.Received == 1 {
			res.FirstMessage = time.Now()
		} else if res.Gap != nil {
			res.Gap(5 * time.Millisecond)
		}
	}
	res.Done = time.Now()
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := engine.Run(t.Context(), engine.Config{
			Transport: streamTarget{}, Schedule: pace.Constant(100), Warmup: time.Second, Duration: 10 * time.Second,
			Next: func(int) *transport.Request { return &transport.Request{Kind: transport.ServerStream} },
		})
		if err != nil {
			t.Fatal(err)
		}
		checkAccounts(t, l)
		s := l.Stream
		if s.FirstMessage.Count != 1000 || s.BetweenMessages.Count != 2000 || l.AttemptsPerCall != 2 {
			t.Errorf("%d first messages, %d gaps, %v attempts a call; want 1000, 2000, 2",
				s.FirstMessage.Count, s.BetweenMessages.Count, l.AttemptsPerCall)
		}
		within(t, "first message p99", s.FirstMessage.P99, 5*time.Millisecond)
		within(t, "gap p99", s.BetweenMessages.P99, 5*time.Millisecond)
		if math.Abs(s.MessagesPerS-300) > 1 {
			t.Errorf("%v messages a second, want 300", s.MessagesPerS)
		}
	})
}

// TestRoundTrips: a server answers each message after 20 ms, and says three
// things of its own in between.
func TestRoundTrips(t *testing.T) {
	server := func() *grpc.Server { return grpc.NewServer() }
	for name, tt := range map[string]struct {
		pair  func([]byte, int, bool) string
		count int64
		first time.Duration
	}{
		"in order, of a server that says more": {engine.InOrder, 300, 0},
		"by what the two have in common": {func(message []byte, _ int, _ bool) string {
			return string(message[2:]) // the greeting, or the reply
		}, 300, 20 * time.Millisecond},
		"of messages that have no answer": {func(message []byte, _ int, sent bool) string {
			return fmt.Sprint(sent, message)
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bothTransports(t, server, func(t *testing.T, via transport.Transport) {
				l, err := engine.Run(t.Context(), engine.Config{
					Name: "talk", Transport: via, Schedule: pace.Constant(50), Requests: 100,
					Mix: []engine.Part{{Weight: 1, Pair: tt.pair, Next: func(int) *transport.Request {
						return &transport.Request{
							Method: "/HelloService/BidiHello", Kind: transport.BidiStream, Interval: 5 * time.Millisecond,
							Messages: [][]byte{[]byte("\x0a\x02m1"), []byte("\x0a\x02m2"), []byte("\x0a\x02m3")},
						}
					}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				checkAccounts(t, l)
				trip := l.Stream.RoundTrip
				switch {
				case l.Statuses["OK"] != 100 || l.Stream.FirstMessage.Count != 100 || l.Stream.BetweenMessages.Count != 500:
					t.Errorf("%v, %d first messages, %d gaps; want 100 OK, 100, 500", l.Statuses, l.Stream.FirstMessage.Count, l.Stream.BetweenMessages.Count)
				case tt.count == 0 && trip != nil, tt.count > 0 && (trip == nil || trip.Count != tt.count):
					t.Fatalf("round trips %+v, want %d", trip, tt.count)
				case tt.count > 0 && tt.first > 0:
					within(t, "shortest round trip", &trip.Min, tt.first)
					within(t, "longest round trip", &trip.Max, tt.first)
				}
			})
		})
	}
}
