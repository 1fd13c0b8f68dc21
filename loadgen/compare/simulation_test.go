package compare_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/report"
)

// machine simulates runs. A run has a speed of its own, which all its calls
// share, and calls have a tail; slower shifts the body of the distribution and
// longer its tail.
type machine struct {
	random         *rand.Rand
	noise          float64 // between runs, as a share
	calls          int
	slower, longer float64
}

// run returns the report of one run with so many loads.
func (m machine) run(loads int) *report.Report {
	r := &report.Report{Started: time.Unix(int64(m.random.IntN(1000)), 0)}
	speed := math.Exp(m.noise * m.random.NormFloat64())
	tail := math.Exp(2 * m.noise * m.random.NormFloat64())
	for i := range loads {
		times := make([]float64, m.calls)
		failed := int64(0)
		for i := range times {
			times[i] = speed * m.slower * math.Exp(0.3*m.random.NormFloat64())
			if m.random.IntN(20) == 0 {
				times[i] *= 3 * tail * m.longer
			}
			if m.random.IntN(500) == 0 {
				failed++
			}
		}
		slices.Sort(times)
		at := func(q float64) *float64 { return &times[int(math.Ceil(q*float64(m.calls)))-1] }
		n := int64(m.calls)
		r.Loads = append(r.Loads, report.Load{
			Name: string(rune('a' + i)), Sent: n, Completed: n, Statuses: map[string]int64{"OK": n - failed, "UNAVAILABLE": failed},
			AchievedRPS: 100 * math.Exp(m.noise*m.random.NormFloat64()),
			CPU:         report.CPU{USPerCall: 20 * math.Exp(m.noise*m.random.NormFloat64())},
			Response:    report.Latency{Count: n, P50: at(0.5), P90: at(0.9), P99: at(0.99)},
		})
	}
	r.Validity.Valid = true
	return r
}

// runs returns the reports of so many runs.
func (m machine) runs(n, loads int) []*report.Report {
	out := make([]*report.Report, n)
	for i := range out {
		out[i] = m.run(loads)
	}
	return out
}

// compared compares two simulated machines.
func compared(t *testing.T, old, now machine, runs, loads int) *compare.Result {
	t.Helper()
	got, err := compare.Compare(old.runs(runs, loads), now.runs(runs, loads), compare.Config{MinEffect: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestFalseAlarms compares simulated runs of one machine with each other,
// many times. At most one verdict of twenty may see a change, in whatever
// figure of whatever load, with however small an effect. The same comparisons
// without the correction for their number see one more often: the test can fail.
func TestFalseAlarms(t *testing.T) {
	const rounds = 300
	for _, size := range []struct{ runs, loads int }{{6, 1}, {8, 2}, {10, 1}} {
		alarms, uncorrected := 0, 0
		same := machine{rand.New(rand.NewPCG(11, uint64(size.runs))), 0.03, 500, 1, 1}
		for range rounds {
			got := compared(t, same, same, size.runs, size.loads)
			if got.Verdict != compare.Unchanged {
				alarms++
			}
			if slices.ContainsFunc(got.Loads, func(l compare.Load) bool {
				return slices.ContainsFunc(l.Changes, func(c compare.Change) bool { return c.P < 0.05 })
			}) {
				uncorrected++
			}
		}
		t.Logf("%d runs a side, %d loads: %d false alarms in %d comparisons, %d without correction", size.runs, size.loads, alarms, rounds, uncorrected)
		if alarms > rounds/20 {
			t.Errorf("%d runs a side, %d loads: %d false alarms in %d comparisons, want at most 5 %%", size.runs, size.loads, alarms, rounds)
		}
		if uncorrected <= rounds/20 {
			t.Errorf("%d runs a side, %d loads: no more than 5 %% of uncorrected comparisons see a change: the simulation shows nothing", size.runs, size.loads)
		}
	}
}

// TestDetection compares simulated machines of which one is slower: a median
// 5 % slower and a p99 20 % slower are seen nine times of ten, and never taken
// for the opposite.
func TestDetection(t *testing.T) {
	const rounds = 100
	for _, tt := range []struct {
		name           string
		metric         compare.Metric
		slower, longer float64
		noise          float64
		runs           int
	}{
		{"p50 5 % slower", compare.P50, 1.05, 1, 0.01, 6},
		{"p99 20 % slower", compare.P99, 1, 1.2, 0.01, 6},
		{"p50 5 % slower, more noise", compare.P50, 1.05, 1, 0.02, 12},
	} {
		random := rand.New(rand.NewPCG(12, 1))
		old := machine{random, tt.noise, 3000, 1, 1}
		now := machine{random, tt.noise, 3000, tt.slower, tt.longer}
		seen, wrong := 0, 0
		for range rounds {
			for _, c := range compared(t, old, now, tt.runs, 1).Loads[0].Changes {
				if c.Metric == tt.metric {
					seen += map[compare.Verdict]int{compare.Worse: 1}[c.Verdict]
					wrong += map[compare.Verdict]int{compare.Better: 1}[c.Verdict]
				}
			}
		}
		t.Logf("%s, %d runs a side: seen %d times in %d", tt.name, tt.runs, seen, rounds)
		if seen < rounds*9/10 || wrong > 0 {
			t.Errorf("%s, %d runs a side: seen %d times in %d, and %d times as its opposite", tt.name, tt.runs, seen, rounds, wrong)
		}
	}
}

// TestIntervalsHold: the true effect lies in the interval as often as its level
// says, all figures together.
func TestIntervalsHold(t *testing.T) {
	const rounds = 300
	random := rand.New(rand.NewPCG(13, 1))
	old, now := machine{random, 0.03, 500, 1, 1}, machine{random, 0.03, 500, 1.1, 1}
	missed := 0
	for range rounds {
		for _, c := range compared(t, old, now, 7, 1).Loads[0].Changes {
			if c.Metric == compare.P50 && (c.Effect.Low > 0.1 || c.Effect.High < 0.1) {
				missed++
			}
		}
	}
	// One of six figures has a sixth of 5 %; three of the binomial's standard
	// deviations more are left to chance.
	if most := rounds*5/100/6 + 6; missed > most {
		t.Errorf("the interval of p50 missed 10 %% %d times of %d, want at most %d", missed, rounds, most)
	}
}
