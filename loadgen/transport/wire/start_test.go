package wire_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// chain makes calls one after the other: each from the end of the one before.
type chain struct {
	via      *wire.Transport
	ctx      context.Context
	req      *transport.Request
	left     int
	res      transport.Result
	statuses map[codes.Code]int
	over     chan struct{}
}

func newChain(ctx context.Context, via *wire.Transport, req *transport.Request, calls int) *chain {
	c := &chain{via: via, ctx: ctx, req: req, left: calls, statuses: map[codes.Code]int{}, over: make(chan struct{})}
	c.start()
	return c
}

func (c *chain) start() {
	c.left--
	c.via.Start(c.ctx, c.req, &c.res, c)
}

// Ended implements transport.Ender.
func (c *chain) Ended(res *transport.Result) {
	if res != &c.res || res.Done.Before(res.Start) || res.Attempts != 1 {
		panic(fmt.Sprintf("told of %+v", res))
	}
	if c.statuses[res.Status]++; c.left > 0 {
		c.start()
		return
	}
	close(c.over)
}

// Calls of all kinds, on several connections, each started from the end of the
// one before.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{Connections: 3})
		reqs := []*transport.Request{
			{Method: service + "SayHello", Messages: encode(t, "hi"), Timeout: time.Second},
			{Method: service + "SayHello", Messages: encode(t, "late"), Timeout: time.Second},
			{Method: service + "LotsOfReplies", Kind: transport.ServerStream, Messages: encode(t, "hi")},
			{Method: service + "LotsOfGreetings", Kind: transport.ClientStream, Messages: encode(t, "a", "bc", "d")},
			{Method: service + "BidiHello", Kind: transport.BidiStream, Messages: encode(t, "a", "b", "c"), Turns: true, Interval: time.Millisecond},
		}
		want := []codes.Code{codes.OK, codes.DeadlineExceeded, codes.OK, codes.OK, codes.OK}
		var chains []*chain
		for range 10 {
			for _, req := range reqs {
				chains = append(chains, newChain(t.Context(), w, req, 20))
			}
		}
		for i, c := range chains {
			<-c.over
			if which := i % len(want); c.statuses[want[which]] != 20 {
				t.Errorf("%s: statuses %v, want 20 times %v", c.req.Method, c.statuses, want[which])
			}
		}
	})
}

// A call that ends at once must not be told of from within Start, however
// often its owner tries again.
func TestStartThatCannotWork(t *testing.T) {
	refused := func(context.Context) (net.Conn, error) { return nil, fmt.Errorf("nobody there") }
	tests := []struct {
		name string
		req  transport.Request
		ctx  func(context.Context) context.Context
		want codes.Code
	}{
		{"no connection", transport.Request{Messages: [][]byte{nil}}, nil, codes.Unavailable},
		{"not a call", transport.Request{}, nil, codes.InvalidArgument},
		{"a context that has ended", transport.Request{Messages: [][]byte{nil}}, func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}, codes.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := wire.New(wire.Config{Dial: refused})
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				ctx := t.Context()
				if test.ctx != nil {
					ctx = test.ctx(ctx)
				}
				c := newChain(ctx, w, &test.req, 10_000)
				<-c.over
				if c.statuses[test.want] != 10_000 {
					t.Errorf("statuses %v, want only %v", c.statuses, test.want)
				}
			})
		})
	}
}

// tally counts the calls told of, and whether two were told at once.
type tally struct {
	calls   sync.WaitGroup
	within  atomic.Int32
	overlap atomic.Bool
}

func (t *tally) Ended(*transport.Result) {
	if t.within.Add(1) > 1 {
		t.overlap.Store(true)
	}
	time.Sleep(time.Microsecond) // of the bubble's time: lets all others run
	t.within.Add(-1)
	t.calls.Done()
}

// Calls end by answers and by deadlines at the same moment, on goroutines of
// their own, and later by their context; those of one connection are told one after the other.
func TestEndedDoesNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{})
		if err := w.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		var told tally
		results := make([]transport.Result, 90)
		for i := range results {
			req := &transport.Request{Method: service + "SayHello", Messages: encode(t, [...]string{"slow", "late", "late"}[i%3])}
			if i%3 == 1 {
				req.Timeout = time.Second
			}
			told.calls.Add(1)
			w.Start(ctx, req, &results[i], &told)
		}
		told.calls.Wait()
		if told.overlap.Load() {
			t.Error("two calls of one connection were told of at once")
		}
		got := map[codes.Code]int{}
		for i := range results {
			got[results[i].Status]++
		}
		if want := map[codes.Code]int{codes.OK: 30, codes.DeadlineExceeded: 30, codes.Canceled: 30}; !cmp.Equal(got, want) {
			t.Errorf("statuses %v, want %v", got, want)
		}
	})
}

// The contexts that are watched are forgotten with their calls.
func TestManyContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{})
		req := &transport.Request{Method: service + "SayHello", Messages: encode(t, "late")}
		const n = 50
		results, cancels := make([]transport.Result, n), make([]context.CancelFunc, n)
		var told tally
		for i := range results {
			var ctx context.Context
			ctx, cancels[i] = context.WithCancel(t.Context())
			told.calls.Add(1)
			w.Start(ctx, req, &results[i], &told)
		}
		for i, cancel := range cancels {
			synctest.Wait()
			if i%2 == 1 && results[i].Status == codes.Canceled {
				t.Errorf("call %d ended before its context", i)
			}
			cancel()
		}
		told.calls.Wait()
	})
}
