package report_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// callSample is one call of a stream of calls that shards share.
type callSample struct {
	second       int
	status       string
	method       string
	service, lag time.Duration
}

// samples draws calls over ten seconds, of two methods, with some failures.
func samples(seed uint64, n int) []callSample {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]callSample, n)
	for i := range out {
		out[i] = callSample{
			second: i * 10 / n, status: "OK", method: []string{"A/a", "B/b"}[r.IntN(2)],
			service: time.Duration(math.Exp(r.NormFloat64()) * float64(time.Millisecond)),
			lag:     time.Duration(r.IntN(50_000)),
		}
		if r.IntN(20) == 0 {
			out[i].status = "UNAVAILABLE"
		}
	}
	return out
}

// run is the report of the process that made these calls in ten seconds.
func run(calls []callSample) *report.Report {
	const seconds = 10
	n := int64(len(calls))
	l := report.Load{
		Name: "mix", Method: "A/a", Kind: "server_stream", Transport: "channel", Arrival: "poisson 500/s",
		OfferedRPS: float64(n+1) / seconds, AchievedRPS: float64(n) / seconds,
		Scheduled: n + 1, Sent: n + 1, Completed: n, Cancelled: 1, Connections: 2,
		Statuses: map[string]int64{}, AttemptsPerCall: float64(n+n/3) / float64(n),
		CPU: report.CPU{UserS: 1, SystemS: 1, USPerCall: 2e6 / float64(n)}, MaxRSSMB: 20,
		Windows: make([]report.Window, seconds), ByStatus: map[string]report.Latency{},
		Phases: []report.Phase{{Name: "steady", EndS: 10}},
		Calls:  []report.Call{{Why: "slowest", DoneMS: float64(n)}},
	}
	response, service, lag := hist.New(), hist.New(), hist.New()
	byStatus, byMethod := map[string]*hist.Histogram{}, map[string][3]*hist.Histogram{}
	windows := make([]*hist.Histogram, seconds)
	for i := range windows {
		windows[i] = hist.New()
		l.Windows[i] = report.Window{T: float64(i), InFlight: 1, Statuses: map[string]int64{}}
	}
	methods := map[string]*report.Method{}
	for _, c := range calls {
		if byStatus[c.status] == nil {
			byStatus[c.status] = hist.New()
		}
		if methods[c.method] == nil {
			methods[c.method] = &report.Method{Method: c.method, Kind: "unary", Weight: 0.5, Statuses: map[string]int64{}}
			byMethod[c.method] = [3]*hist.Histogram{hist.New(), hist.New(), hist.New()}
		}
		all := c.service + c.lag
		for h, d := range map[*hist.Histogram]time.Duration{
			response: all, service: c.service, lag: c.lag, byStatus[c.status]: all, windows[c.second]: all,
			byMethod[c.method][0]: all, byMethod[c.method][1]: c.service, byMethod[c.method][2]: c.lag,
		} {
			h.Record(d)
		}
		l.Statuses[c.status]++
		methods[c.method].Statuses[c.status]++
		methods[c.method].Sent++
		methods[c.method].Completed++
		w := &l.Windows[c.second]
		w.Sent, w.Completed, w.Due = w.Sent+1, w.Completed+1, w.Due+1
		w.Statuses[c.status]++
	}
	l.Response, l.Service, l.Lag = report.Latencies(response), report.Latencies(service), report.Latencies(lag)
	l.Stream = &report.Stream{FirstMessage: l.Service, BetweenMessages: l.Service, MessagesPerS: float64(3*n) / seconds, Headers: &l.Service}
	for code, h := range byStatus {
		l.ByStatus[code] = report.Latencies(h)
	}
	for name, m := range methods {
		h := byMethod[name]
		m.Response, m.Service, m.Lag = report.Latencies(h[0]), report.Latencies(h[1]), report.Latencies(h[2])
		l.Methods = append(l.Methods, *m)
	}
	for i, h := range windows {
		w, all := &l.Windows[i], report.Latencies(h)
		w.P50, w.P99, w.Max, w.HDR = all.P50, all.P99, all.Max, all.HDR
	}
	condition, err := report.ParseThreshold("response.p99 < 1s")
	if err != nil {
		panic(err)
	}
	r := &report.Report{
		Schema: report.Schema, Name: "load", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationMS: 11_000, Seed: 7,
		Loads: []report.Load{l}, Thresholds: []report.Threshold{condition.Evaluate(&l)},
	}
	r.Finish()
	return r
}

// shards deals the calls out, unevenly, and the runs start up to 0.4 s apart.
func shards(seed uint64, calls []callSample, n int) []*report.Report {
	r := rand.New(rand.NewPCG(seed, 1))
	hands := make([][]callSample, n)
	for _, c := range calls {
		at := min(r.IntN(n), r.IntN(n))
		hands[at] = append(hands[at], c)
	}
	var out []*report.Report
	for i, hand := range hands {
		one := run(hand)
		one.Started = one.Started.Add(time.Duration(i) * 400 / time.Duration(n) * time.Millisecond)
		out = append(out, one)
	}
	return out
}

// TestMergedShardsEqualTheSingleRun: whatever a report tells of the calls is
// the same, bit for bit in the histograms, whether one process made them or N.
func TestMergedShardsEqualTheSingleRun(t *testing.T) {
	for seed := range uint64(2) {
		for _, n := range []int{2, 5} {
			calls := samples(seed, 6000)
			want := run(calls)
			got, err := report.Merge(shards(seed, calls, n))
			if err != nil {
				t.Fatal(err)
			}
			// What belongs to the processes adds up over them.
			l, one := &got.Loads[0], &want.Loads[0]
			one.Scheduled, one.Sent, one.Cancelled = one.Scheduled+int64(n-1), one.Sent+int64(n-1), int64(n)
			one.OfferedRPS = float64(one.Scheduled) / 10
			one.Connections = 2 * n
			one.CPU = report.CPU{UserS: float64(n), SystemS: float64(n), USPerCall: 2e6 * float64(n) / 6000}
			for i := range one.Windows {
				one.Windows[i].InFlight = int64(n)
			}
			options := cmp.Options{
				cmpopts.IgnoreFields(report.Report{}, "Warnings", "DurationMS"),
				cmpopts.IgnoreFields(report.Load{}, "Arrival", "Calls", "AttemptsPerCall"),
				cmpopts.SortSlices(func(a, b report.Method) bool { return a.Method < b.Method }),
				cmp.FilterPath(func(p cmp.Path) bool {
					name := p.Last().String()
					return name == ".Mean" || name == ".OfferedRPS" || name == ".AchievedRPS" || name == ".MessagesPerS" || name == ".USPerCall"
				}, cmpopts.EquateApprox(1e-9, 2e-6)),
			}
			if diff := cmp.Diff(want, got, options); diff != "" {
				t.Errorf("seed %d, %d shards (-single +merged):\n%s", seed, n, diff)
			}
			if l.Response.HDR != one.Response.HDR || l.Windows[3].HDR != one.Windows[3].HDR {
				t.Errorf("seed %d, %d shards: the histograms differ", seed, n)
			}
			if len(l.Calls) != 1 {
				t.Errorf("%d calls kept, want 1 as each shard", len(l.Calls))
			}
		}
	}
}

// TestMergeSeesALostCall: the comparison above would see one call less.
func TestMergeSeesALostCall(t *testing.T) {
	calls := samples(1, 1000)
	got, err := report.Merge(shards(1, calls[1:], 3))
	if err != nil {
		t.Fatal(err)
	}
	if want := run(calls); got.Loads[0].Response.HDR == want.Loads[0].Response.HDR {
		t.Error("999 calls have the histogram of 1000")
	}
}

func TestMergeAlignsWindowsByTheClock(t *testing.T) {
	parts := shards(1, samples(1, 2000), 2)
	parts[1].Started = parts[0].Started.Add(2900 * time.Millisecond)
	got, err := report.Merge(parts)
	if err != nil {
		t.Fatal(err)
	}
	windows := got.Loads[0].Windows
	if len(windows) != 13 || windows[12].T != 12 {
		t.Fatalf("%d windows, want 13", len(windows))
	}
	for i, want := range map[int]int64{
		0: parts[0].Loads[0].Windows[0].Sent, 5: parts[0].Loads[0].Windows[5].Sent + parts[1].Loads[0].Windows[2].Sent,
		12: parts[1].Loads[0].Windows[9].Sent,
	} {
		if windows[i].Sent != want {
			t.Errorf("second %d has %d calls sent, want %d", i, windows[i].Sent, want)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	for want, spoil := range map[string]func(a, b *report.Report){
		"after \"load\" had ended":                      func(_, b *report.Report) { b.Started = b.Started.Add(time.Minute) },
		"methods A/a and C/c":                           func(_, b *report.Report) { b.Loads[0].Method = "C/c" },
		"transports channel and wire":                   func(_, b *report.Report) { b.Loads[0].Transport = "wire" },
		"an open loop, poisson 500/s, and a closed one": func(_, b *report.Report) { b.Loads[0].OfferedRPS = 0 },
		"response: a distribution has no histogram":     func(a, _ *report.Report) { a.Loads[0].Response.HDR = "" },
		"samples, its report says 3":                    func(a, _ *report.Report) { a.Loads[0].Service.Count = 3 },
		"two loads of the name \"mix\"":                 func(a, _ *report.Report) { a.Loads = append(a.Loads, a.Loads[0]) },
	} {
		two := shards(1, samples(1, 100), 2)
		spoil(two[0], two[1])
		if _, err := report.Merge(two); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := report.Merge(nil); err == nil {
		t.Error("nothing was merged without an error")
	}
}

// TestMergeSaysWhatItCannot: nothing is lost without a word.
func TestMergeSaysWhatItCannot(t *testing.T) {
	two := shards(1, samples(1, 100), 2)
	for i, r := range two {
		r.Seed += uint64(i)
		r.Scenarios = []report.Scenario{{Name: "greet", Status: report.Passed}}
		r.Loads[0].Windows[0].HDR = ""
		r.Loads[0].Windows[1].LagP99 = new(1.)
		r.Capacity, r.Diff = &report.Capacity{}, &report.Diff{}
	}
	two[1].ExitCode, two[1].Passed = 130, false
	got, err := report.Merge(two)
	if err != nil {
		t.Fatal(err)
	}
	if got.ExitCode != 130 || got.Passed || len(got.Scenarios) != 2 {
		t.Errorf("exit code %d, passed %v, %d scenarios", got.ExitCode, got.Passed, len(got.Scenarios))
	}
	for _, want := range []string{
		"merged from 2 reports", "different seeds", "scenarios are not merged", "the windows have no histograms",
		"the lag of single seconds", "capacity searches", "differences of replays", "exit code 130",
	} {
		if !slices.ContainsFunc(got.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("no warning says %q: %q", want, got.Warnings)
		}
	}
}
