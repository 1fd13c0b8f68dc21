package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// TestAccounts makes runs at random, of whatever a configuration can be, with
// targets that fail, stall and are cut, and checks that the books close.
func TestAccounts(t *testing.T) {
	for seed := range uint64(25) {
		bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
			random := rand.New(rand.NewPCG(seed, 0))
			target := newFakeTarget(func(at time.Duration) (time.Duration, codes.Code) {
				draw := scrambled(seed, at)
				return time.Duration(draw%400) * time.Millisecond, []codes.Code{codes.OK, codes.OK, codes.Unavailable, codes.Internal, 99}[draw/400%5]
			})
			cfg := engine.Config{
				Name: "books", Transport: via(target), Seed: seed, Warmup: pick(random, 0, 700*time.Millisecond), Cooldown: pick(random, 0, 500*time.Millisecond),
				MaxInFlight: pick(random, 0, 5, 40), Drain: pick(random, 0, 100*time.Millisecond),
				Duration: pick(random, 0, 2500*time.Millisecond), Requests: pick(random, 300, 77),
			}
			for i := range 1 + random.IntN(3) {
				cfg.Mix = append(cfg.Mix, engine.Part{Weight: 1 + float64(i), Next: func(int) *transport.Request {
					return &transport.Request{Method: fmt.Sprint("/s/m", i), Messages: [][]byte{nil}}
				}})
			}
			if random.IntN(2) == 0 {
				cfg.Closed, cfg.Think = 1+random.IntN(20), pick(random, 0, 30*time.Millisecond)
			} else {
				cfg.Schedule = pace.Poisson(pick(random, 20., 200.), seed)
			}
			ctx, cancel := context.WithTimeout(t.Context(), pick(random, time.Hour, 1234*time.Millisecond))
			defer cancel()
			l, err := engine.Run(ctx, cfg)
			if err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
			checkAccounts(t, l)
			if t.Failed() {
				t.Logf("seed %d: %+v", seed, cfg)
			}
		})
	}
}

// scrambled draws a number for a moment.
func scrambled(seed uint64, at time.Duration) uint64 {
	return rand.NewPCG(seed, uint64(at)).Uint64() >> 1
}

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func TestMix(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		seen := map[string]int{}
		part := func(name string, weight float64) engine.Part {
			return engine.Part{Weight: weight, Next: func(k int) *transport.Request {
				if k > 0 && k != seen[name] {
					t.Errorf("%s: call %d follows call %d", name, k, seen[name]-1)
				}
				seen[name] = k + 1
				return &transport.Request{Method: name}
			}}
		}
		l := runMix(t, via(newFakeTarget(after(time.Millisecond))), part("/s/often", 3), part("/s/seldom", 1))
		if len(l.Methods) != 2 || l.Methods[0].Weight != 0.75 || l.Methods[0].Method != "s/often" {
			t.Fatalf("methods %+v", l.Methods)
		}
		// 2,000 calls: 1,500 of the first within four standard deviations.
		if n := l.Methods[0].Sent; n < 1500-78 || n > 1500+78 {
			t.Errorf("%d of 2000 calls, want about 1500", n)
		}
		within(t, "response p99 of the second", l.Methods[1].Response.P99, time.Millisecond)
	})
}

func runMix(t *testing.T, via transport.Transport, parts ...engine.Part) report.Load {
	t.Helper()
	l, err := engine.Run(t.Context(), engine.Config{
		Name: "mix", Transport: via, Mix: parts, Seed: 5, Schedule: pace.Constant(1000), Requests: 2000,
	})
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, l)
	return l
}

// TestAbort: a target fails from the 5th second on; what ends the run, and when.
func TestAbort(t *testing.T) {
	tests := []struct {
		name, on string
		seconds  int // 0: the run goes on to its end
	}{
		{"a condition that holds for a while", "error_rate > 5% for 3s", 8},
		{"at once", "error_rate > 5%", 6},
		{"a condition on one status", "status.UNAVAILABLE > 50% for 2s", 7},
		{"a condition on a quantile", "response.p50 > 20ms for 2s", 7},
		{"a condition on one method", "error_rate{HelloService/SayHello} > 5% for 3s", 8},
		{"a condition on the time of one status", "response.max{UNAVAILABLE} > 20ms for 3s", 8},
		{"a condition that never holds", "error_rate > 100%", 0},
		{"a quantile that a second is too small for", "response.p99 > 1ms", 0},
		{"a second that is fine in between", "error_rate < 5% for 6s", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
				target := newFakeTarget(func(at time.Duration) (time.Duration, codes.Code) {
					if at >= 5*time.Second {
						return 30 * time.Millisecond, codes.Unavailable
					}
					return 10 * time.Millisecond, codes.OK
				})
				on, err := report.ParseAbort(tt.on)
				if err != nil {
					t.Fatal(err)
				}
				l := run(t, engine.Config{Transport: via(target), Schedule: pace.Constant(100), Duration: 10 * time.Second, AbortOn: []report.Abort{on}})
				if tt.seconds == 0 {
					if l.Aborted != "" || l.Scheduled != 1000 {
						t.Errorf("aborted %q after %d calls, want none and 1000", l.Aborted, l.Scheduled)
					}
					return
				}
				want := fmt.Sprintf("after %d s: %s", tt.seconds, on)
				if !strings.HasPrefix(l.Aborted, want) || l.Scheduled > int64(100*tt.seconds)+1 {
					t.Errorf("aborted %q, %d calls; want %q, %d calls", l.Aborted, l.Scheduled, want, 100*tt.seconds)
				}
			})
		})
	}
}

// TestAbortDoesNotWait: calls that never end do not hold up an abort.
func TestAbortDoesNotWait(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		on, err := report.ParseAbort("dropped > 0 for 2s")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		l := run(t, engine.Config{
			Transport: via(newFakeTarget(after(time.Hour))), Schedule: pace.Constant(100), Duration: time.Minute, MaxInFlight: 50, AbortOn: []report.Abort{on},
		})
		if took := time.Since(start); took != 3*time.Second || l.Cancelled != 50 {
			t.Errorf("took %v, %d cancelled; want 2 s and one more for the calls under way, and 50", took, l.Cancelled)
		}
	})
}

func TestPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, engine.Config{
			Transport: newFakeTarget(after(300 * time.Millisecond)), Schedule: pace.Constant(10), Warmup: time.Second, Duration: 2 * time.Second,
			Cooldown: time.Second, Stages: []report.Phase{{Name: "low", EndS: 1}, {Name: "high", StartS: 1, EndS: 5}},
		})
		got := fmt.Sprint(l.Phases)
		if want := "[{warm-up -1 0} {measured 0 2} {low 0 1} {high 1 2} {cool-down 2 3} {drain 3 3.2}]"; got != want {
			t.Errorf("phases %s, want %s", got, want)
		}
		if want := "[{1 stage high}]"; fmt.Sprint(l.Marks) != want {
			t.Errorf("marks %v, want %s", l.Marks, want)
		}
		if l.Scheduled != 20 {
			t.Errorf("%d calls counted, want 20", l.Scheduled)
		}
	})
}

func TestExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newFakeTarget(func(at time.Duration) (time.Duration, codes.Code) {
			k := int(at / (10 * time.Millisecond))
			switch {
			case k%50 == 7:
				return 400*time.Millisecond + at/1000, codes.OK
			case k == 11 || k == 150:
				return time.Millisecond, codes.Internal
			case k > 100 && k < 140:
				return time.Millisecond, codes.Unavailable
			}
			return 2 * time.Millisecond, codes.OK
		})
		l := run(t, engine.Config{Transport: target, Schedule: pace.Constant(100), Duration: 5 * time.Second})
		var slowest []int64
		failed := map[string]int{}
		for _, c := range l.Calls {
			if c.Why == "slowest" {
				slowest = append(slowest, c.N)
			} else {
				failed[c.Status]++
			}
			if c.DueMS != float64(c.N)*10 || c.SentMS != 0 || c.DoneMS <= 0 {
				t.Errorf("call %+v, want it due at %d ms", c, c.N*10)
			}
		}
		if fmt.Sprint(slowest) != "[457 407 357 307 257]" {
			t.Errorf("slowest %v", slowest)
		}
		if failed["INTERNAL"] == 0 || failed["UNAVAILABLE"] == 0 {
			t.Errorf("failed %v, want some of each status", failed)
		}
	})
}

// TestStarvedGenerator: what takes the generator longer than the gap between
// calls makes the run not valid; the same target with a generator that has the
// time is fine. The pacer makes the calls of a starter itself, so there a slow
// Next stands for a machine without time for it.
func TestStarvedGenerator(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration
		valid bool
	}{{"in time", time.Millisecond / 2, true}, {"starved", 12 * time.Millisecond, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := engine.Run(t.Context(), engine.Config{
					Name: "hello", Transport: starter{newFakeTarget(after(2 * time.Millisecond))}, Schedule: pace.Constant(100), Requests: 500,
					Next: func(k int) *transport.Request { time.Sleep(tt.takes); return sayHello(k) },
				})
				if err != nil {
					t.Fatal(err)
				}
				checkAccounts(t, l)
				r := report.Report{Loads: []report.Load{l}}
				r.Finish()
				if r.Validity.Valid != tt.valid || (r.ExitCode == 6) == tt.valid {
					t.Errorf("valid %v, exit %d, reasons %q", r.Validity.Valid, r.ExitCode, r.Validity.Reasons)
				}
				// The target has nothing to do with it.
				within(t, "service p99", l.Service.P99, 2*time.Millisecond)
			})
		})
	}
}

func TestThink(t *testing.T) {
	bothWays(t, func(t *testing.T, via func(*fakeTarget) transport.Transport) {
		// A call of 10 ms and a pause of 90: each caller makes ten a second.
		l := run(t, engine.Config{Transport: via(newFakeTarget(after(10 * time.Millisecond))), Closed: 5, Think: 90 * time.Millisecond, Duration: 2 * time.Second})
		if l.Sent != 100 {
			t.Errorf("%d calls, want 100", l.Sent)
		}
	})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, engine.Config{
			Transport: newFakeTarget(after(time.Millisecond)), Schedule: pace.Constant(1000), Requests: 2000,
			Check: &engine.Check{Share: 0.1, Judge: func(_, k int, _ [][]byte, _ *transport.Result) string {
				if k%2 == 0 {
					return ""
				}
				return fmt.Sprint("odd ", k)
			}},
		})
		c := l.Checks
		// 200 calls, and 100 of them, within four standard deviations.
		if c.Judged < 146 || c.Judged > 254 || c.Failed < c.Judged/2-28 || c.Failed > c.Judged/2+28 || len(c.Examples) != 5 {
			t.Errorf("checks %+v, want about 200 judged, half of them failed, 5 examples", c)
		}
	})
}
