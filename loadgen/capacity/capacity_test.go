package capacity_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/capacity"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

func conditions(t testing.TB, texts ...string) []report.Condition {
	t.Helper()
	var all []report.Condition
	for _, text := range texts {
		c, err := report.ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// server is a simulated target: a queue that serves limit calls a second.
type server struct {
	limit     float64
	spread    float64 // the limit of a run varies by this share (one sigma)
	service   time.Duration
	errors    float64 // share of calls that fail
	generator float64 // the rate above which the generator is late; 0 for never
	seconds   int     // of a run
	random    *rand.Rand
}

// run simulates a run at a rate, second by second, with at most 500 samples
// each so that a test at 100,000/s takes no longer than one at 500/s.
func (s *server) run(rate float64) *report.Load {
	limit := s.limit * (1 + s.spread*s.random.NormFloat64())
	all, lag := hist.New(), hist.New()
	l := &report.Load{OfferedRPS: rate, Statuses: map[string]int64{}}
	queue, window := 0.0, hist.New()
	for second := range s.seconds {
		window.Reset()
		n := min(int(rate)+1, 500)
		w := report.Window{T: float64(second), Sent: int64(n), Completed: int64(n), Statuses: map[string]int64{}}
		for range n {
			queue = max(0, queue+(rate-limit)/float64(n))
			took := time.Duration(queue/limit*float64(time.Second)) + s.took()
			window.Record(took)
			lag.Record(time.Microsecond)
			if s.generator > 0 && rate > s.generator {
				lag.Record(time.Second)
			}
			if s.random.Float64() >= s.errors {
				w.Statuses["OK"]++
			}
		}
		w.HDR, _ = window.Encode()
		w.InFlight = int64(queue * float64(n) / rate)
		all.Merge(window)
		l.Windows = append(l.Windows, w)
		l.Scheduled, l.Sent, l.Completed = l.Scheduled+w.Sent, l.Sent+w.Sent, l.Completed+w.Completed
		l.Statuses["OK"] += w.Statuses["OK"]
	}
	l.AchievedRPS = min(rate, limit)
	l.Response, l.Lag = report.Latencies(all), report.Latencies(lag)
	return l
}

// took is how long a call takes that does not wait.
func (s *server) took() time.Duration {
	return time.Duration(float64(s.service) * (0.5 + s.random.ExpFloat64()/2))
}

// search runs a search to its end, which has to come within bound runs.
func search(t *testing.T, s *server, cfg capacity.Config, bound int) *report.Capacity {
	t.Helper()
	search, err := capacity.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range bound {
		p, more := search.Next()
		if !more {
			return search.Outcome()
		}
		search.Record(s.run(p.Rate))
	}
	t.Fatalf("the search made more than %d runs:\n%s", bound, curve(search.Outcome()))
	return nil
}

func curve(c *report.Capacity) string {
	var b strings.Builder
	for _, p := range c.Points {
		fmt.Fprintf(&b, "%s %v %s %v\n", p.Phase, p.RateRPS, p.Verdict, p.Failed)
	}
	return b.String() + c.Reason
}

func TestFindsTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("a pure simulation, which make test runs in full")
	}
	for _, row := range []struct {
		name       string
		server     server
		conditions []string
		within     float64
	}{
		{"a sharp limit", server{service: time.Millisecond}, []string{"response.p99 < 50ms"}, 0.05},
		{"no condition on time: the target has to keep up", server{service: time.Millisecond}, []string{"error_rate < 1%"}, 0.06},
		{"two conditions", server{service: time.Millisecond, errors: 0.001}, []string{"response.p99 < 50ms", "error_rate < 1%"}, 0.05},
		{"calls that take longer than a run's second", server{service: 1500 * time.Millisecond}, []string{"error_rate < 1%"}, 0.06},
		{"a limit that varies by 1 % from run to run", server{service: time.Millisecond, spread: 0.01}, []string{"response.p99 < 50ms"}, 0.05},
	} {
		t.Run(row.name, func(t *testing.T) {
			for seed := range uint64(3) {
				s := row.server
				s.random, s.seconds = rand.New(rand.NewPCG(seed, 1)), 8
				s.limit = math.Exp(s.random.Float64()*math.Log(1000)) * 70 // 70 to 70,000
				found := search(t, &s, capacity.Config{Conditions: conditions(t, row.conditions...)}, 60)
				if off := math.Abs(found.FoundRPS/s.limit - 1); off > row.within {
					t.Errorf("seed %d: found %v of %v, off by %.1f %%\n%s", seed, found.FoundRPS, s.limit, 100*off, curve(found))
				}
				if !found.Confirmed && s.spread == 0 {
					t.Errorf("seed %d: not confirmed\n%s", seed, curve(found))
				}
			}
		})
	}
}

func TestTheGeneratorsLimitIsNobodysCapacity(t *testing.T) {
	for seed := range uint64(2) {
		s := &server{limit: 1e9, service: time.Millisecond, generator: 7000, seconds: 5, random: rand.New(rand.NewPCG(seed, 2))}
		found := search(t, s, capacity.Config{Conditions: conditions(t, "response.p99 < 50ms")}, 60)
		if off := math.Abs(found.FoundRPS/7000 - 1); off > 0.05 || !found.Confirmed {
			t.Errorf("seed %d: found %v\n%s", seed, found.FoundRPS, curve(found))
		}
		if !strings.Contains(found.Reason, "limit of this generator") {
			t.Errorf("seed %d: the reason does not name the generator: %s", seed, found.Reason)
		}
		for _, p := range found.Points {
			if (p.RateRPS > 7000) != (p.Verdict == "invalid") {
				t.Errorf("seed %d: a run at %v/s is %s", seed, p.RateRPS, p.Verdict)
			}
		}
	}
}

func TestNothingHolds(t *testing.T) {
	s := &server{limit: 1e9, service: time.Second, seconds: 5, random: rand.New(rand.NewPCG(1, 3))}
	found := search(t, s, capacity.Config{Conditions: conditions(t, "response.p99 < 50ms")}, 30)
	if found.FoundRPS != 0 || found.Confirmed || !strings.Contains(found.Reason, "even at 1/s") {
		t.Errorf("found %+v", found)
	}
}

func TestEverythingHoldsUpToTheBound(t *testing.T) {
	s := &server{limit: 1e9, service: time.Millisecond, seconds: 5, random: rand.New(rand.NewPCG(1, 4))}
	found := search(t, s, capacity.Config{Conditions: conditions(t, "response.p99 < 50ms"), Max: 3000}, 30)
	if found.FoundRPS != 3000 || !found.Confirmed || !strings.Contains(found.Reason, "no higher than 3000/s") {
		t.Errorf("found %+v", found)
	}
}

// TestABudgetEndsTheSearch: what has been found by then is confirmed.
func TestABudgetEndsTheSearch(t *testing.T) {
	s := &server{limit: 1000, service: time.Millisecond, seconds: 5, random: rand.New(rand.NewPCG(1, 5))}
	found := search(t, s, capacity.Config{Conditions: conditions(t, "response.p99 < 50ms"), Runs: 5}, 10)
	last := found.Points[len(found.Points)-1]
	if found.FoundRPS != 800 || !found.Confirmed || last.Phase != "confirm" || !strings.Contains(found.Reason, "after 5 runs") {
		t.Errorf("found %v\n%s", found.FoundRPS, curve(found))
	}
}

// TestAGeneratorThatTires: when no run to confirm is valid, nothing is confirmed,
// and no lower rate is blamed on the target.
func TestAGeneratorThatTires(t *testing.T) {
	s := &server{limit: 1000, service: time.Millisecond, seconds: 5, random: rand.New(rand.NewPCG(1, 6))}
	search, err := capacity.New(capacity.Config{Conditions: conditions(t, "response.p99 < 50ms")})
	if err != nil {
		t.Fatal(err)
	}
	held := 0.0
	for p, more := search.Next(); more; p, more = search.Next() {
		if p.Phase == "confirm" && held == 0 {
			s.generator = 1 // late at any rate
			held = p.Rate
		}
		search.Record(s.run(p.Rate))
	}
	found := search.Outcome()
	if found.Confirmed || found.FoundRPS != held || !strings.Contains(found.Reason, "too slow to confirm") {
		t.Errorf("found %v, confirmed %v: %s", found.FoundRPS, found.Confirmed, found.Reason)
	}
}

// TestASecondOfStallIsOneMisfortune: 2 % of slow calls, all in one second, are
// not proof that one call in a hundred is slow.
func TestASecondOfStallIsOneMisfortune(t *testing.T) {
	load := func(slow func(second, call int) bool) *report.Load {
		l := &report.Load{OfferedRPS: 100, Sent: 1000, Completed: 1000, Statuses: map[string]int64{"OK": 1000}}
		all := hist.New()
		for second := range 10 {
			window := hist.New()
			for call := range 100 {
				took := time.Millisecond
				if slow(second, call) {
					took = time.Second
				}
				window.Record(took)
			}
			hdr, _ := window.Encode()
			all.Merge(window)
			l.Windows = append(l.Windows, report.Window{T: float64(second), Sent: 100, Completed: 100, HDR: hdr})
		}
		l.Response = report.Latencies(all)
		return l
	}
	for _, row := range []struct {
		name string
		slow func(second, call int) bool
		want string
	}{
		{"4 % of every second", func(_, call int) bool { return call < 4 }, "fail"},
		{"4 % of all, in one second", func(second, call int) bool { return second == 3 && call < 40 }, "undecided"},
		{"none", func(int, int) bool { return false }, "pass"},
	} {
		search, err := capacity.New(capacity.Config{Conditions: conditions(t, "response.p99 < 50ms"), Start: 100})
		if err != nil {
			t.Fatal(err)
		}
		if got := search.Record(load(row.slow)).Verdict; got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestMistakesInAConfig(t *testing.T) {
	ok := conditions(t, "response.p99 < 50ms")
	for _, cfg := range []capacity.Config{
		{}, {Conditions: ok, Min: 10, Max: 5}, {Conditions: ok, Min: -1}, {Conditions: ok, Max: math.Inf(1)},
		{Conditions: ok, Precision: 2}, {Conditions: ok, Repeats: -1}, {Conditions: ok, Runs: -1},
	} {
		if _, err := capacity.New(cfg); err == nil {
			t.Errorf("New(%+v) has no error", cfg)
		}
	}
}

func Example() {
	limit, _ := report.ParseThreshold("error_rate < 1%")
	search, _ := capacity.New(capacity.Config{Conditions: []report.Condition{limit}, Max: 200})
	for {
		point, more := search.Next()
		if !more {
			break
		}
		// In earnest: a load at this rate. This target answers every call.
		_ = point.Rate
		search.Record(&report.Load{Sent: 1000, Completed: 1000, Statuses: map[string]int64{"OK": 1000}})
	}
	found := search.Outcome()
	fmt.Printf("%v/s after %d runs, confirmed: %v\n", found.FoundRPS, len(found.Points), found.Confirmed)
	// Output: 200/s after 4 runs, confirmed: true
}

// answer is a load of 1,000 calls, some of them failed.
func answer(failed int64) *report.Load {
	return &report.Load{Scheduled: 1000, Sent: 1000, Completed: 1000, Statuses: map[string]int64{"OK": 1000 - failed}}
}

// TestWhatARunLeadsTo gives runs to a search that starts at 100/s, and looks at
// the verdicts and at the rate that comes next.
func TestWhatARunLeadsTo(t *testing.T) {
	late := answer(0)
	slow := hist.New()
	for range 1000 {
		slow.Record(time.Second)
	}
	late.Lag, late.Response = report.Latencies(slow), report.Latencies(slow)
	dropped := answer(0)
	dropped.Scheduled, dropped.Dropped = 2000, 1000
	given := answer(0)
	given.Aborted = "error_rate > 50% for 3s"
	piled, wavering, stalled := answer(0), answer(0), answer(0)
	for _, inFlight := range []int64{100, 200, 300, 400} {
		piled.Windows = append(piled.Windows, report.Window{Sent: 250, InFlight: inFlight})
		stalled.Windows = append(stalled.Windows, report.Window{Sent: 250, InFlight: inFlight / 400 * 300})
		wavering.Windows = append(wavering.Windows, report.Window{Sent: 250, InFlight: 300 + inFlight/10})
	}

	for _, row := range []struct {
		name     string
		runs     []*report.Load
		verdicts string
		next     float64
	}{
		{"a run that holds doubles the rate", []*report.Load{answer(0)}, "pass", 200},
		{"one that fails divides it by four", []*report.Load{answer(500)}, "fail", 25},
		{"one that most likely holds is enough on the way up", []*report.Load{answer(8)}, "undecided", 200},
		{"one that may fail is run again", []*report.Load{answer(12)}, "undecided", 100},
		{"twenty bad calls without windows may be one stall", []*report.Load{answer(20)}, "undecided", 100},
		{"and its runs are judged together", []*report.Load{answer(12), answer(0)}, "undecided undecided", 200},
		{"but not for ever", []*report.Load{answer(12), answer(12), answer(12)}, "undecided undecided undecided", 25},
		{"a late generator gets a second chance", []*report.Load{late}, "invalid", 100},
		{"which counts alone", []*report.Load{late, answer(0)}, "invalid pass", 200},
		{"and no third", []*report.Load{late, late}, "invalid invalid", 25},
		{"calls dropped at the cap are the target's doing", []*report.Load{dropped, dropped}, "undecided fail", 25},
		{"and so is a run that was given up", []*report.Load{given, given}, "undecided fail", 25},
		{"so is a backlog that grows", []*report.Load{piled}, "undecided", 100},
		{"and grows again", []*report.Load{piled, piled}, "undecided fail", 25},
		{"one that grows at the very end is a stall", []*report.Load{stalled}, "pass", 200},
		{"a number under way that wavers is none", []*report.Load{wavering}, "pass", 200},
	} {
		search, err := capacity.New(capacity.Config{Conditions: conditions(t, "error_rate < 1%"), Start: 100})
		if err != nil {
			t.Fatal(err)
		}
		var verdicts []string
		for _, l := range row.runs {
			verdicts = append(verdicts, search.Record(l).Verdict)
		}
		next, _ := search.Next()
		if got := strings.Join(verdicts, " "); got != row.verdicts || next.Rate != row.next {
			t.Errorf("%s: %s, then %v/s; want %s, then %v/s", row.name, got, next.Rate, row.verdicts, row.next)
		}
	}
}
