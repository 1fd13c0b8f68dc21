package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// fakeTarget answers each call after a time of its own.
type fakeTarget struct {
	start  time.Time
	answer func(at time.Duration) (time.Duration, codes.Code) // at: since start
	calls  atomic.Int64
}

func newFakeTarget(answer func(at time.Duration) (time.Duration, codes.Code)) *fakeTarget {
	return &fakeTarget{start: time.Now(), answer: answer}
}

// Do implements transport.Transport.
func (f *fakeTarget) Do(ctx context.Context, _ *transport.Request, res *transport.Result) {
	f.calls.Add(1)
	*res = transport.Result{Gap: res.Gap, Start: time.Now(), Sent: 1, Attempts: 1}
	takes, code := f.answer(time.Since(f.start))
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		res.Status, res.Received = code, 1
	case <-ctx.Done():
		res.Status = codes.Canceled
	}
	res.Done = time.Now()
}

// Close implements transport.Transport.
func (f *fakeTarget) Close() error { return nil }

// starter is a target that tells the ends of calls, as wire does.
type starter struct{ *fakeTarget }

// Start implements transport.Starter.
func (s starter) Start(ctx context.Context, req *transport.Request, res *transport.Result, end transport.Ender) {
	go func() {
		s.Do(ctx, req, res)
		end.Ended(res)
	}()
}

// bothWays runs a test with calls that have goroutines, and with calls that
// are started.
func bothWays(t *testing.T, test func(t *testing.T, via func(*fakeTarget) transport.Transport)) {
	for name, via := range map[string]func(*fakeTarget) transport.Transport{
		"calls that are waited for": func(f *fakeTarget) transport.Transport { return f },
		"calls that are started":    func(f *fakeTarget) transport.Transport { return starter{f} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, via) })
		})
	}
}

// after answers OK after d.
func after(d time.Duration) func(time.Duration) (time.Duration, codes.Code) {
	return func(time.Duration) (time.Duration, codes.Code) { return d, codes.OK }
}

// frozen answers after d, but not between from and to, when it is stopped.
func frozen(d, from, to time.Duration) func(time.Duration) (time.Duration, codes.Code) {
	return func(at time.Duration) (time.Duration, codes.Code) {
		if at >= from && at < to {
			return to - at + d, codes.OK
		}
		return d, codes.OK
	}
}

// sayHello is the call that all tests make.
func sayHello(int) *transport.Request {
	return &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{nil}}
}

// run runs a load in fake time and checks that its accounting closes.
func run(t *testing.T, cfg engine.Config) report.Load {
	t.Helper()
	cfg.Name, cfg.Next = t.Name(), sayHello
	l, err := engine.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, l)
	return l
}

// checkAccounts checks that the books close: of the load, of its windows, and
// of its methods.
func checkAccounts(t *testing.T, l report.Load) {
	t.Helper()
	sum := func(statuses map[string]int64) (n int64) {
		for _, one := range statuses {
			n += one
		}
		return n
	}
	equal := func(what string, got, want int64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	equal("scheduled = sent + dropped", l.Sent+l.Dropped, l.Scheduled)
	equal("sent = completed + cancelled", l.Completed+l.Cancelled, l.Sent)
	equal("statuses add up to completed", sum(l.Statuses), l.Completed)
	equal("response holds what completed", l.Response.Count, l.Completed)
	equal("service holds what completed", l.Service.Count, l.Completed)
	equal("lag holds what was sent", l.Lag.Count, l.Sent)
	if l.ByStatus != nil {
		for name, n := range l.Statuses {
			equal("response times of "+name, l.ByStatus[name].Count, n)
		}
	}
	var all report.Window
	for _, w := range l.Windows {
		all.Due, all.Sent, all.Dropped, all.Completed = all.Due+w.Due, all.Sent+w.Sent, all.Dropped+w.Dropped, all.Completed+w.Completed
		equal(fmt.Sprintf("window %v: due = sent + dropped", w.T), w.Sent+w.Dropped, w.Due)
		equal(fmt.Sprintf("window %v: statuses add up to completed", w.T), sum(w.Statuses), w.Completed)
	}
	equal("windows add up to scheduled", all.Due, l.Scheduled)
	equal("windows add up to sent", all.Sent, l.Sent)
	equal("windows add up to completed", all.Completed, l.Completed)
	var methods report.Method
	for _, m := range l.Methods {
		methods.Sent, methods.Dropped = methods.Sent+m.Sent, methods.Dropped+m.Dropped
		equal(m.Method+": sent = completed + cancelled", m.Completed+m.Cancelled, m.Sent)
		equal(m.Method+": statuses add up to completed", sum(m.Statuses), m.Completed)
		equal(m.Method+": response holds what completed", m.Response.Count, m.Completed)
		equal(m.Method+": lag holds what was sent", m.Lag.Count, m.Sent)
	}
	if len(l.Methods) > 0 {
		equal("methods add up to sent", methods.Sent, l.Sent)
		equal("methods add up to dropped", methods.Dropped, l.Dropped)
	}
}

// within checks a figure in milliseconds to 0.1 %, what the histogram keeps.
func within(t *testing.T, what string, got *float64, want time.Duration) {
	t.Helper()
	if got == nil {
		t.Fatalf("%s is missing, want %v", what, want)
	}
	if ms := report.Milliseconds(want); math.Abs(*got-ms) > ms*0.001 {
		t.Errorf("%s = %v ms, want %v ms", what, *got, ms)
	}
}

// TestFreeze stops the target for 5 s in a run of 20 s at 500 calls a second.
// A quarter of the calls are due meanwhile, and wait for what is left of the
// stop. The 100 that wait longest, one percent of all, are due first, 2 ms apart:
// p99 is what the next one waits, 5 s less 200 ms, and 1 ms for the answer.
func TestFreeze(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		target := newFakeTarget(frozen(time.Millisecond, 5*time.Second, 10*time.Second))
		l := run(t, engine.Config{Transport: via(target), Schedule: pace.Constant(500), Duration: 20 * time.Second})
		within(t, "response p99", l.Response.P99, 4801*time.Millisecond)
		within(t, "response max", &l.Response.Max, 5*time.Second+time.Millisecond)
		if l.Completed != 10_000 || l.Dropped != 0 || l.Lag.Max != 0 {
			t.Errorf("completed %d, dropped %d, lag max %v ms; want 10000, 0, 0", l.Completed, l.Dropped, l.Lag.Max)
		}
		// One more when the call due at that very moment leaves first.
		if got := l.Windows[7].InFlight; got != 1500 && got != 1501 {
			t.Errorf("%d calls in flight 3 s into the stop, want 1500", got)
		}
	})
}

// TestFreezeSlowTwin compares the figures with those of a list of the same
// values, sorted.
func TestFreezeSlowTwin(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		answer := frozen(3*time.Millisecond, time.Second, 2500*time.Millisecond)
		l := run(t, engine.Config{
			Transport: via(newFakeTarget(answer)), Schedule: pace.Poisson(300, 7), Duration: 4 * time.Second,
		})
		var want []time.Duration
		for offset := range pace.For(pace.Poisson(300, 7), 4*time.Second) {
			takes, _ := answer(offset)
			want = append(want, takes)
		}
		slices.Sort(want)
		if int(l.Completed) != len(want) {
			t.Fatalf("completed %d, want %d", l.Completed, len(want))
		}
		for q, got := range map[float64]*float64{0.5: l.Response.P50, 0.9: l.Response.P90, 0.99: l.Response.P99} {
			within(t, fmt.Sprint("quantile ", q), got, want[int(math.Ceil(q*float64(len(want))))-1])
		}
	})
}

// TestFreezeBehindFewConnections is the mutant that the freeze test must
// catch: a generator that sends late. All but ten calls wait inside of the
// client, as they do where calls queue for a worker. The time from the actual
// send knows nothing of the stop; the time from the intended send does.
func TestFreezeBehindFewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newFakeTarget(frozen(time.Millisecond, 5*time.Second, 10*time.Second))
		l := run(t, engine.Config{
			Transport: &queued{fakeTarget: target, slots: make(chan struct{}, 10)},
			Schedule:  pace.Constant(500), Duration: 20 * time.Second,
		})
		// 2,490 calls wait for one of ten slots, and the queue empties at
		// 10 calls a millisecond; p99 loses less than 1 % to that.
		if p99 := *l.Response.P99; p99 < 4801*0.99 || p99 > 4801*1.01 {
			t.Errorf("response p99 = %v ms, want 4801 ms within 1 %%", p99)
		}
		within(t, "service p99", l.Service.P99, time.Millisecond)
	})
}

// queued makes calls wait for a slot before they start.
type queued struct {
	*fakeTarget
	slots chan struct{}
}

// Do implements transport.Transport.
func (q *queued) Do(ctx context.Context, req *transport.Request, res *transport.Result) {
	q.slots <- struct{}{}
	q.fakeTarget.Do(ctx, req, res)
	<-q.slots
}

func TestCapDropsAndCounts(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		// A call every 10 ms, each taking 95 ms, four at a time: those due at
		// 0, 10, 20, 30 leave, those at 40 to 90 are dropped, and so on.
		l := run(t, engine.Config{
			Transport: via(newFakeTarget(after(95 * time.Millisecond))), Schedule: pace.Constant(100),
			Duration: 2 * time.Second, MaxInFlight: 4,
		})
		if l.Scheduled != 200 || l.Sent != 80 || l.Dropped != 120 {
			t.Errorf("scheduled %d, sent %d, dropped %d; want 200, 80, 120", l.Scheduled, l.Sent, l.Dropped)
		}
	})
}

func TestBounds(t *testing.T) {
	tests := []struct {
		name string
		cfg  engine.Config
		// calls is how many reach the target, counted how many are in the
		// figures.
		calls, counted int64
		offered        float64
	}{
		{"time bounds an open loop", engine.Config{Schedule: pace.Constant(100), Duration: 2 * time.Second}, 200, 200, 100},
		{"a number bounds an open loop", engine.Config{Schedule: pace.Constant(100), Requests: 50}, 50, 50, 100},
		{"the number comes before the time", engine.Config{Schedule: pace.Constant(100), Requests: 50, Duration: time.Hour}, 50, 50, 100},
		{"the time comes before the number", engine.Config{Schedule: pace.Constant(100), Requests: 5000, Duration: time.Second}, 100, 100, 100},
		{"the schedule ends by itself", engine.Config{Schedule: pace.Take(pace.Constant(100), 30), Duration: time.Hour}, 30, 30, 100},
		{"a warm-up is not counted", engine.Config{Schedule: pace.Constant(100), Warmup: time.Second, Requests: 50}, 150, 50, 100},
		{"a warm-up does not shorten the run", engine.Config{Schedule: pace.Constant(100), Warmup: time.Second, Duration: time.Second}, 200, 100, 100},
		{"an empty schedule", engine.Config{Schedule: pace.Constant(0), Duration: time.Second}, 0, 0, 0},
		// 10 callers, each with a call of 10 ms: 1,000 a second.
		{"time bounds a closed loop", engine.Config{Closed: 10, Duration: time.Second}, 1000, 1000, 0},
		{"a number bounds a closed loop", engine.Config{Closed: 10, Requests: 77}, 77, 77, 0},
		{"a warm-up of a closed loop", engine.Config{Closed: 10, Warmup: time.Second, Requests: 77}, 1077, 77, 0},
		{"more callers than calls", engine.Config{Closed: 10, Requests: 3}, 3, 3, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
				target := newFakeTarget(after(10 * time.Millisecond))
				tt.cfg.Transport = via(target)
				l := run(t, tt.cfg)
				if got := target.calls.Load(); got != tt.calls || l.Completed != tt.counted {
					t.Errorf("%d calls, %d counted; want %d, %d", got, l.Completed, tt.calls, tt.counted)
				}
				if math.Abs(l.OfferedRPS-tt.offered) > 0.001 {
					t.Errorf("offered %v/s, want %v/s", l.OfferedRPS, tt.offered)
				}
			})
		})
	}
}

func TestClosedLoopDoesNotSeeAStop(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		target := newFakeTarget(frozen(time.Millisecond, 5*time.Second, 10*time.Second))
		l := run(t, engine.Config{Transport: via(target), Closed: 10, Duration: 20 * time.Second})
		within(t, "response p99", l.Response.P99, time.Millisecond)
		if l.Lag.Max != 0 || l.OfferedRPS != 0 {
			t.Errorf("lag max %v, offered %v; a closed loop has neither", l.Lag.Max, l.OfferedRPS)
		}
	})
}

func TestDrain(t *testing.T) {
	tests := []struct {
		name                 string
		takes, drain         time.Duration
		completed, cancelled int64
	}{
		{"answers that come are waited for", 4 * time.Second, 5 * time.Second, 10, 0},
		{"answers that never come are cut", time.Hour, 5 * time.Second, 0, 10},
		{"the default waits half a minute", 29 * time.Second, 0, 10, 0},
	}
	for _, tt := range tests {
		for _, cfg := range []engine.Config{{Schedule: pace.Constant(10)}, {Closed: 10}} {
			t.Run(fmt.Sprintf("%s, %d callers", tt.name, cfg.Closed), func(t *testing.T) {
				bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
					cfg.Transport, cfg.Drain, cfg.Duration = via(newFakeTarget(after(tt.takes))), tt.drain, time.Second
					l := run(t, cfg)
					if l.Completed != tt.completed || l.Cancelled != tt.cancelled {
						t.Errorf("completed %d, cancelled %d; want %d, %d", l.Completed, l.Cancelled, tt.completed, tt.cancelled)
					}
				})
			})
		}
	}
}

// With Cut, the end of ctx and the end of the calls under way are two things.
func TestStopAndCut(t *testing.T) {
	for _, test := range []struct {
		name                 string
		cut                  time.Duration
		ends                 time.Duration
		completed, cancelled int64
	}{
		{"calls under way end", time.Hour, 5 * time.Second, 20, 0},
		{"calls under way are cut", 3 * time.Second, 3 * time.Second, 0, 20},
	} {
		for _, cfg := range []engine.Config{{Schedule: pace.Constant(10)}, {Closed: 20}} {
			t.Run(fmt.Sprintf("%s, %d callers", test.name, cfg.Closed), func(t *testing.T) {
				bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
					ctx, stop := context.WithCancel(t.Context())
					time.AfterFunc(1999*time.Millisecond, stop) // 20 calls are under way
					cut := make(chan struct{})
					timer := time.AfterFunc(test.cut, func() { close(cut) })
					defer timer.Stop()
					cfg.Transport, cfg.Next, cfg.Duration, cfg.Cut = via(newFakeTarget(after(5*time.Second))), sayHello, time.Hour, cut
					start := time.Now()
					l, err := engine.Run(ctx, cfg)
					if !errors.Is(err, context.Canceled) {
						t.Errorf("error %v, want that of the context", err)
					}
					checkAccounts(t, l)
					if l.Completed != test.completed || l.Cancelled != test.cancelled {
						t.Errorf("completed %d, cancelled %d; want %d, %d", l.Completed, l.Cancelled, test.completed, test.cancelled)
					}
					if took := time.Since(start); took < test.ends || took > test.ends+2*time.Second {
						t.Errorf("it took %v, want %v and what the last call takes", took, test.ends)
					}
				})
			})
		}
	}
}

func TestCancelReturnsWhatThereIs(t *testing.T) {
	stop := errors.New("the user has seen enough")
	for _, cfg := range []engine.Config{{Schedule: pace.Constant(100)}, {Closed: 1}} {
		bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(2505*time.Millisecond, func() { cancel(stop) })
			cfg.Name, cfg.Transport, cfg.Next, cfg.Duration = "stopped", via(newFakeTarget(after(10*time.Millisecond))), sayHello, time.Hour
			l, err := engine.Run(ctx, cfg)
			if !errors.Is(err, stop) {
				t.Errorf("error %v, want %v", err, stop)
			}
			checkAccounts(t, l)
			// The last call is due at 2500 ms and has 5 ms of its 10.
			if l.Scheduled != 251 || l.Completed != 250 || l.Cancelled != 1 {
				t.Errorf("scheduled %d, completed %d, cancelled %d; want 251, 250, 1", l.Scheduled, l.Completed, l.Cancelled)
			}
			if l.Closed() != (cfg.Closed > 0) || len(l.Windows) != 3 {
				t.Errorf("closed %v, %d windows; want %v, 3", l.Closed(), len(l.Windows), cfg.Closed > 0)
			}
		})
	}
}

func TestStatusesAndWindows(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		target := newFakeTarget(func(at time.Duration) (time.Duration, codes.Code) {
			if at >= time.Second && at < 2*time.Second {
				return time.Millisecond, codes.Unavailable
			}
			return time.Millisecond, codes.OK
		})
		var live []report.Window
		l := run(t, engine.Config{
			Transport: via(target), Schedule: pace.Constant(100), Duration: 3500 * time.Millisecond,
			Progress: func(w report.Window) { live = append(live, w) },
		})
		if l.Statuses["OK"] != 250 || l.Statuses["UNAVAILABLE"] != 100 {
			t.Errorf("statuses %v, want 250 OK, 100 UNAVAILABLE", l.Statuses)
		}
		if len(l.Windows) != 4 || len(live) != 3 {
			t.Fatalf("%d windows, %d live; want 4, the last one short and not live", len(l.Windows), len(live))
		}
		w := l.Windows[1]
		// The call due at 1 s is sent as the window begins; the order of the
		// two is open.
		if w.T != 1 || w.Completed != 100 || w.Statuses["UNAVAILABLE"] < 99 || w.P50 == nil || w.P99 != nil {
			t.Errorf("window 1 = %+v, want 100 calls UNAVAILABLE, p50, no p99 of so few", w)
		}
	})
}

func TestMistakesRunNothing(t *testing.T) {
	target := &fakeTarget{}
	open := engine.Config{Transport: target, Next: sayHello, Schedule: pace.Constant(1), Duration: time.Second}
	tests := []struct {
		name  string
		spoil func(*engine.Config)
		want  string
	}{
		{"no transport", func(c *engine.Config) { c.Transport = nil }, "needs a transport"},
		{"no calls", func(c *engine.Config) { c.Next = nil }, "calls to make"},
		{"neither loop", func(c *engine.Config) { c.Schedule = nil }, "either a schedule or"},
		{"both loops", func(c *engine.Config) { c.Closed = 1 }, "either a schedule or"},
		{"no bound", func(c *engine.Config) { c.Duration = 0 }, "needs a duration"},
		{"less than no warm-up", func(c *engine.Config) { c.Warmup = -1 }, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := open
			tt.spoil(&cfg)
			_, err := engine.Run(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) || target.calls.Load() != 0 {
				t.Errorf("error %v after %d calls, want %q and none", err, target.calls.Load(), tt.want)
			}
		})
	}
}

// TestHistogramsMerge makes sure that a report's histogram holds its quantiles.
func TestHistogramsMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, engine.Config{
			Transport: newFakeTarget(func(at time.Duration) (time.Duration, codes.Code) { return at, codes.OK }),
			Schedule:  pace.Constant(500), Duration: 2 * time.Second,
		})
		h, err := hist.Decode(l.Response.HDR)
		if err != nil {
			t.Fatal(err)
		}
		within(t, "p99", l.Response.P99, h.Quantile(0.99))
	})
}
