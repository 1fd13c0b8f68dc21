package transport_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// outage answers UNAVAILABLE to the first n attempts, and notes when each
// attempt came.
func outage(n int, arrivals *[]time.Time) *server {
	return &server{say: func(_ context.Context, greeting string) (string, error) {
		*arrivals = append(*arrivals, time.Now())
		if len(*arrivals) <= n {
			return "", status.Error(codes.Unavailable, "planned")
		}
		return greeting, nil
	}}
}

// call makes one call under watch.
func call(t *testing.T, conn *grpc.ClientConn, timeout time.Duration) (*transport.Attempts, error) {
	ctx, attempts := transport.RecordAttempts(t.Context())
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := hello.NewHelloServiceClient(conn).SayHello(ctx, &hello.HelloRequest{Greeting: "hi"})
	return attempts, err
}

func TestAttempts(t *testing.T) {
	tests := []struct {
		name    string
		outage  int
		timeout time.Duration
		want    []string // the status of each attempt
	}{
		{"a call that works takes one", 0, time.Minute, []string{"OK"}},
		{"two UNAVAILABLE, then OK, take three", 2, time.Minute, []string{"UNAVAILABLE", "UNAVAILABLE", "OK"}},
		{"always UNAVAILABLE takes five", 99, time.Minute, []string{"UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"}},
		// The first backoff is at least 80 ms.
		{"a deadline within the first backoff leaves one", 99, 70 * time.Millisecond, []string{"UNAVAILABLE"}},
	}
	for i := range 2 * len(tests) {
		tt, how := tests[i/2], watched()
		if i%2 == 1 {
			tt.name, how = tt.name+", by the policy", counted(policy)
		}
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var arrivals []time.Time
				attempts, _ := call(t, dial(t, outage(tt.outage, &arrivals), how), tt.timeout)
				list := attempts.List()
				if len(list) != len(tt.want) || attempts.Count() != len(tt.want) {
					t.Fatalf("%d attempts, count %d, want %d: %+v", len(list), attempts.Count(), len(tt.want), list)
				}
				for i, a := range list {
					if a.Number != i+1 || a.Status != tt.want[i] || a.Transparent {
						t.Errorf("attempt %d = %+v, want status %s, not transparent", i+1, a, tt.want[i])
					}
					if i == 0 {
						continue
					}
					// In memory an attempt takes no time, so that what the
					// server saw between two is what the client waited.
					wait := float64(arrivals[i].Sub(arrivals[i-1])) / 1e6
					if math.Abs(a.GapMS-wait) > 1e-6 {
						t.Errorf("attempt %d: gap %v ms, the client waited %v ms", i+1, a.GapMS, wait)
					}
					if base := 100 * math.Pow(2, float64(i-1)); a.GapMS < 0.8*base || a.GapMS > 1.2*base {
						t.Errorf("attempt %d: gap %v ms is not %v ms ± 20 %%", i+1, a.GapMS, base)
					}
				}
			})
		})
	}
}

// beginCounter counts what must not be counted.
type beginCounter struct {
	transport.AttemptHandler
	mu    sync.Mutex
	begun int
}

// HandleRPC implements stats.Handler.
func (c *beginCounter) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.Begin); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.begun++
	}
}

func TestAttemptsWithTheTargetDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(context.Context) (net.Conn, error) { return nil, errors.New("nobody is there") }
		var counter beginCounter
		attempts, err := call(t, connect(t, down, watched(), grpc.WithStatsHandler(&counter)), time.Minute)
		list := attempts.List()
		if len(list) != 5 || status.Code(err) != codes.Unavailable {
			t.Fatalf("%d attempts ending in %v, want 5 ending in Unavailable: %+v", len(list), err, list)
		}
		if counter.begun <= 5 {
			t.Errorf("%d Begin: grpc-go no longer begins an attempt twice, and the comment on AttemptHandler is out of date", counter.begun)
		}
		for i, a := range list[1:] {
			if base := 100 * math.Pow(2, float64(i)); a.GapMS < 0.8*base || a.GapMS > 1.2*base {
				t.Errorf("attempt %d: gap %v ms is not %v ms ± 20 %%", a.Number, a.GapMS, base)
			}
		}
	})
}

// The same by the policy, whose attempts begin once.
func TestAttemptsByPolicyWithTheTargetDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(context.Context) (net.Conn, error) { return nil, errors.New("nobody is there") }
		attempts, _ := call(t, connect(t, down, counted(policy)), time.Minute)
		list := attempts.List()
		if len(list) != 5 || attempts.Count() != 5 {
			t.Fatalf("%d attempts, want 5: %+v", len(list), list)
		}
		for i, a := range list[1:] {
			if base := 100 * math.Pow(2, float64(i)); a.Status != "UNAVAILABLE" || a.GapMS < 0.8*base || a.GapMS > 1.2*base {
				t.Errorf("attempt %d: %s after a gap of %v ms, want UNAVAILABLE after %v ms ± 20 %%", a.Number, a.Status, a.GapMS, base)
			}
		}
	})
}

func TestAttemptsOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, &server{}, watched())
		ctx, attempts := transport.RecordAttempts(t.Context())
		stream, err := hello.NewHelloServiceClient(conn).LotsOfReplies(ctx, &hello.HelloRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if list := attempts.List(); len(list) != 1 || list[0].Status != "" || list[0].EndMS != 0 {
			t.Errorf("under way: %+v, want one attempt without an end", list)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		if list := attempts.List(); len(list) != 1 || list[0].Status != "OK" || list[0].EndMS != 30 {
			t.Errorf("at the end: %+v, want one attempt, OK at 30 ms", list)
		}
	})
}

// refuse speaks as much HTTP/2 as it takes to refuse every stream before it is
// processed, which is what a client retries transparently.
func refuse(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	if framer.WriteSettings() != nil {
		return
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if _, ok := frame.(*http2.HeadersFrame); ok {
			if framer.WriteRSTStream(frame.Header().StreamID, http2.ErrCodeRefusedStream) != nil {
				return
			}
		}
	}
}

func TestTransparentAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 16)
		defer listener.Close()
		go func() {
			for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
				go refuse(conn)
			}
		}()
		dialer := func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) }
		attempts, _ := call(t, connect(t, dialer, watched()), time.Minute)
		list := attempts.List()
		// The transparent one is on top of the policy's five.
		if len(list) != 6 {
			t.Fatalf("%d attempts, want 6: %+v", len(list), list)
		}
		for i, a := range list {
			if want := i == 1; a.Transparent != want || want && a.GapMS != 0 {
				t.Errorf("attempt %d = %+v, want the second, and no other, transparent and at once", i+1, a)
			}
		}
	})
}

func TestDoCountsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var arrivals []time.Time
		channel := transport.NewChannel(dial(t, outage(2, &arrivals), watched()))
		req := &transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi")}
		var res transport.Result
		channel.Do(t.Context(), req, &res)
		if res.Attempts != 3 || res.Status != codes.OK {
			t.Errorf("%d attempts, %v; want 3, OK", res.Attempts, res.Status)
		}
		ctx, attempts := transport.RecordAttempts(t.Context())
		channel.Do(ctx, req, &res)
		if res.Attempts != 1 || attempts.Count() != 1 {
			t.Errorf("%d attempts, %d recorded; want 1 of each", res.Attempts, attempts.Count())
		}
	})
}

// TestUnwatchedCallsAllocateNothing holds the handler to its word that a call
// that nobody records costs three lookups.
func TestUnwatchedCallsAllocateNothing(t *testing.T) {
	var handler transport.AttemptHandler
	ctx := t.Context()
	events := []stats.RPCStats{&stats.Begin{}, &stats.OutHeader{}, &stats.OutPayload{}, &stats.InPayload{}, &stats.End{}}
	if n := testing.AllocsPerRun(100, func() {
		attempt := handler.TagRPC(ctx, nil)
		for _, event := range events {
			handler.HandleRPC(attempt, event)
		}
	}); n != 0 {
		t.Errorf("%v allocations a call, want 0", n)
	}
}
