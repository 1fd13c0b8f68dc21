package safety

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/transport"
)

// fakeTransport makes calls that take their time, and counts those under way.
type fakeTransport struct {
	took time.Duration

	mu       sync.Mutex
	inFlight int
	most     int
	left     []time.Time
	unsent   int // of a context that had ended
}

// enter notes a call, unless its context has ended.
func (f *fakeTransport) enter(ctx context.Context) (sent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		f.unsent++
		return false
	}
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	f.left = append(f.left, time.Now())
	return true
}

func (f *fakeTransport) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

// fakeDoer is a Transport and no more, fakeStarter a Starter, fakeOpener an
// Opener, fakeAll both.
type (
	fakeDoer    struct{ *fakeTransport }
	fakeStarter struct{ fakeDoer }
	fakeOpener  struct{ *fakeTransport }
	fakeAll     struct {
		fakeStarter
		fakeOpener
	}
)

func (f fakeDoer) Do(ctx context.Context, _ *transport.Request, res *transport.Result) {
	res.Status = codes.Canceled
	if f.enter(ctx) {
		time.Sleep(f.took)
		f.leave()
		res.Status = codes.OK
	}
}

func (f fakeDoer) Close() error { return nil }

func (f fakeStarter) Start(ctx context.Context, _ *transport.Request, res *transport.Result, end transport.Ender) {
	if !f.enter(ctx) {
		res.Status = codes.Canceled
		time.AfterFunc(0, func() { end.Ended(res) })
		return
	}
	time.AfterFunc(f.took, func() { f.leave(); end.Ended(res) })
}

func (f fakeOpener) Open(ctx context.Context, _ *transport.Request) transport.Stream {
	s := &fakeStream{of: f.fakeTransport}
	if s.open = f.enter(ctx); !s.open {
		s.status = status.New(codes.Canceled, "")
	}
	return s
}

// fakeStream ends when it has been received from for as long as a call takes.
type fakeStream struct {
	transport.Stream
	of     *fakeTransport
	open   bool
	status *status.Status
}

func (s *fakeStream) Recv() ([]byte, error) {
	if s.open {
		time.Sleep(s.of.took)
		s.Cancel()
		s.status = status.New(codes.OK, "")
	}
	return nil, io.EOF
}

func (s *fakeStream) Cancel() {
	if s.open {
		s.of.leave()
	}
	s.open = false
}

func (s *fakeStream) Status() *status.Status { return s.status }
func (s *fakeStream) Header() metadata.MD    { return nil }

// chain is a caller that starts its next call when one has ended.
type chain struct {
	via   transport.Starter
	ctx   context.Context
	calls *int // to go; of one goroutine at a time, by mu
	mu    *sync.Mutex
	done  *sync.WaitGroup
	res   transport.Result
}

func (c *chain) toGo() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.calls
}

// Ended implements transport.Ender.
func (c *chain) Ended(*transport.Result) {
	c.mu.Lock()
	*c.calls--
	more := *c.calls > 0
	c.mu.Unlock()
	if !more {
		c.done.Done()
		return
	}
	c.via.Start(c.ctx, nil, &c.res, c)
}

// What a transport can do is kept, and what it cannot is not made up: a load
// that finds a Starter takes no goroutines.
func TestTransportKeepsWhatItWraps(t *testing.T) {
	f := &fakeTransport{}
	for _, row := range []struct {
		inner         transport.Transport
		starts, opens bool
	}{
		{fakeDoer{f}, false, false},
		{fakeStarter{fakeDoer{f}}, true, false},
		{struct {
			fakeDoer
			fakeOpener
		}{fakeDoer{f}, fakeOpener{f}}, false, true},
		{fakeAll{fakeStarter{fakeDoer{f}}, fakeOpener{f}}, true, true},
	} {
		via := NewGuard(1, 1).Transport(row.inner)
		_, starts := via.(transport.Starter)
		_, opens := via.(transport.Opener)
		if starts != row.starts || opens != row.opens {
			t.Errorf("%T: Starter %v, Opener %v, want %v, %v", row.inner, starts, opens, row.starts, row.opens)
		}
	}
}

// Whatever makes the calls, no more are under way than the cap allows, and no
// more leave within a second.
func TestTransportHoldsCaps(t *testing.T) {
	const calls, callers = 60, 10
	each := func(call func()) func() {
		return func() {
			var running sync.WaitGroup
			for range callers {
				running.Go(func() {
					for range calls / callers {
						call()
					}
				})
			}
			running.Wait()
		}
	}
	for _, row := range []struct {
		name     string
		rate     float64
		inFlight int
		most     int
	}{
		{"calls at a time", 0, 3, 3},
		{"calls a second", 20, 0, 10},
		{"both", 20, 3, 3},
		{"none", 0, 0, 10},
	} {
		for _, how := range []string{"Do", "Start", "Open and Recv", "Open and Cancel"} {
			t.Run(row.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fakeTransport{took: time.Second}
					g := NewGuard(row.rate, row.inFlight)
					via := g.Transport(fakeAll{fakeStarter{fakeDoer{f}}, fakeOpener{f}})
					open := func() transport.Stream { return via.(transport.Opener).Open(t.Context(), nil) }
					map[string]func(){
						"Do":            each(func() { via.Do(t.Context(), nil, &transport.Result{}) }),
						"Open and Recv": each(func() { _, _ = open().Recv() }),
						"Open and Cancel": each(func() {
							s := open()
							time.Sleep(time.Second)
							s.Cancel()
							s.Cancel()
						}),
						"Start": func() {
							var mu sync.Mutex
							var done sync.WaitGroup
							left := [callers]int{}
							for i := range callers {
								left[i] = calls / callers
								done.Add(1)
								c := &chain{via: via.(transport.Starter), ctx: t.Context(), calls: &left[i], mu: &mu, done: &done}
								c.via.Start(c.ctx, nil, &c.res, c)
							}
							done.Wait()
						},
					}[how]()
					if len(f.left) != calls || f.inFlight != 0 || len(g.slots) != 0 {
						t.Errorf("%d calls, %d still under way, %d slots taken, want %d, 0, 0", len(f.left), f.inFlight, len(g.slots), calls)
					}
					if f.most != row.most {
						t.Errorf("%d calls at a time, want %d", f.most, row.most)
					}
					for i := 20; row.rate > 0 && i < len(f.left); i++ {
						if d := f.left[i].Sub(f.left[i-20]); d < time.Second {
							t.Fatalf("21 calls within %v, the cap is 20 a second", d)
						}
					}
				})
			})
		}
	}
}

// A call whose turn is now has been started when Start returns: nothing else
// has run meanwhile. One whose context ends before its turn is told as ended,
// and not sent.
func TestTransportStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTransport{took: time.Hour}
		via := NewGuard(0, 1).Transport(fakeStarter{fakeDoer{f}}).(transport.Starter)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var done sync.WaitGroup
		start := func(ctx context.Context) *chain {
			one := 1
			done.Add(1)
			c := &chain{via: via, ctx: ctx, calls: &one, mu: &sync.Mutex{}, done: &done}
			via.Start(ctx, nil, &c.res, c)
			return c
		}
		start(t.Context())
		if f.inFlight != 1 {
			t.Error("the first call has not been started")
		}
		waited, begun := start(ctx), time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		if took := time.Since(begun); waited.toGo() > 0 || waited.res.Status != codes.Canceled || f.unsent != 1 {
			t.Errorf("the second call ended after %v with %v, %d unsent; want a minute, Canceled, 1", took, waited.res.Status, f.unsent)
		}
		late := start(ctx)
		done.Wait()
		if late.res.Status != codes.Canceled || len(f.left) != 1 {
			t.Errorf("a call of an ended context: %v, %d calls sent, want Canceled, 1", late.res.Status, len(f.left))
		}
	})
}
