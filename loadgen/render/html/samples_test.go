package html_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// evil is text that tries to act on whatever displays it.
const evil = "\x1b[31m\x00</script><script>alert(1)</script>\"'`<img src=x onerror=alert(2)>{{.}}\u202Eright to left\r\n&amp;"

// run is a load that never happened: calls at a steady rate against a server
// with one queue, which stands still for a while.
type run struct {
	name          string
	seconds, rate int
	base          time.Duration // of a call that meets nobody
	freeze        time.Duration // from the middle of the run on
	code          string        // of what fails
	failEvery     int           // seconds between bursts of failures; 0: none
}

// load plays the run: each call has its response time in its second's
// histogram, and a service time that begins when one of 64 places is free.
func (s run) load() report.Load {
	random := rand.New(rand.NewPCG(uint64(s.rate), uint64(s.seconds)))
	all, service, lag, failed := hist.New(), hist.New(), hist.New(), hist.New()
	l := report.Load{
		Name: s.name, Method: "Detect/detect", Kind: "unary", Transport: "channel", Arrival: fmt.Sprintf("constant %d/s", s.rate), Connections: 4,
		OfferedRPS: float64(s.rate), Statuses: map[string]int64{}, CPU: report.CPU{UserS: 0.9 * float64(s.seconds) / 60, SystemS: 0.4 * float64(s.seconds) / 60, USPerCall: 43.2, MachineBusy: new(0.31)},
		MaxRSSMB: 41.5, GC: &report.GC{Cycles: int64(s.seconds) / 3, PauseMaxMS: 0.212, PauseTotalMS: 2.9, CPUShare: 0.004},
	}
	middle := time.Duration(s.seconds) * time.Second / 2
	for second := range s.seconds {
		w, h := report.Window{T: float64(second), Due: int64(s.rate), Sent: int64(s.rate), Completed: int64(s.rate), Statuses: map[string]int64{}, InFlight: int64(1 + random.IntN(4))}, hist.New()
		for i := range s.rate {
			due := time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(s.rate)
			took := time.Duration(float64(s.base) * math.Exp(0.35*random.NormFloat64()))
			if random.IntN(150) == 0 {
				took += time.Duration(random.ExpFloat64() * 6 * float64(s.base))
			}
			wait := time.Duration(0)
			if until := middle + s.freeze; due >= middle && due < until {
				wait = until - due
				w.InFlight = int64(wait.Seconds() * float64(s.rate) / 4)
			}
			h.Record(took + wait)
			all.Record(took + wait)
			if wait == 0 || i%50 == 0 {
				service.Record(took + wait/8)
			} else {
				service.Record(took)
			}
			lag.Record(time.Duration(random.ExpFloat64() * 30_000))
			code := "OK"
			if s.failEvery > 0 && second%s.failEvery == 3 && i%25 == 0 {
				code = s.code
				failed.Record(took)
			}
			w.Statuses[code]++
			l.Statuses[code]++
		}
		sum := report.Latencies(h)
		w.P50, w.P99, w.Max, w.HDR, w.LagP99 = sum.P50, sum.P99, sum.Max, sum.HDR, new(0.12)
		l.Windows = append(l.Windows, w)
	}
	l.Scheduled = int64(s.seconds * s.rate)
	l.Sent, l.Completed, l.AchievedRPS = l.Scheduled, l.Scheduled, float64(s.rate)-0.4
	l.Response, l.Service, l.Lag = report.Latencies(all), report.Latencies(service), report.Latencies(lag)
	if failed.Count() > 0 {
		l.ByStatus = map[string]report.Latency{"OK": l.Response, s.code: report.Latencies(failed)}
	}
	return l
}

// spread is a seeded distribution of n latencies with a tail.
func spread(n int, base time.Duration) report.Latency {
	h, random := hist.New(), rand.New(rand.NewPCG(1, 2))
	for range n {
		h.Record(base + time.Duration(random.ExpFloat64()*float64(base)))
	}
	return report.Latencies(h)
}

// attempts are those of one call under the policy of 0.1 s, times 2, with a
// jitter of 20 %, but for what off adds to each gap.
func attempts(off float64, statuses ...string) []report.Attempt {
	var out []report.Attempt
	end, backoff := 0.0, 100.0
	for i, status := range statuses {
		a := report.Attempt{Number: i + 1, Status: status}
		if i > 0 {
			a.GapMS = backoff*0.93 + off
			a.LegalMinMS, a.LegalMaxMS = new(backoff*0.8), new(backoff*1.2)
			backoff = min(2*backoff, 1000)
		}
		a.StartMS = end + a.GapMS
		a.EndMS = a.StartMS + 4 + float64(i)
		end = a.EndMS
		out = append(out, a)
	}
	return out
}

func finished(r *report.Report) *report.Report {
	r.Started, r.DurationMS, r.Seed = time.Date(2026, 11, 25, 9, 30, 5, 0, time.UTC), 61_204, 8_412_667
	r.Tool = report.Tool{Version: "v0.4.0", Go: "go1.26.0", GRPC: "v1.85.0", OS: "linux/amd64", CPUs: 2, Revision: "3f2a9c1", CPUModel: "AMD EPYC", Kernel: "6.1.0", MaxProcs: 2, MemoryMB: 8192}
	if r.Target.Address == "" {
		r.Target = report.Target{Address: "127.0.0.1:40113", Embedded: true}
	}
	if r.Command == nil {
		r.Command = []string{"loadgen", "run", "scenarios", "--known-failing", "scenarios/known-failing.txt"}
	}
	r.Finish()
	return r
}

// passing is a run with a load that meets a freeze, a mix, and streams.
func passing() *report.Report {
	l := run{name: "detect", seconds: 60, rate: 500, base: 2 * time.Millisecond, freeze: 1200 * time.Millisecond, code: "UNAVAILABLE", failEvery: 20}.load()
	l.AttemptsPerCall = 1.004
	l.Phases = []report.Phase{{Name: "steady", StartS: 0, EndS: 40}, {Name: "step to 500/s", StartS: 40, EndS: 60}}
	l.Marks = []report.Mark{{T: 12.2, Kind: "goaway", Text: "GOAWAY NO_ERROR, last stream 6101"}, {T: 12.3, Kind: "connect", Text: "connection 5 to 127.0.0.1:40113"}, {T: 40, Kind: "stage", Text: "step to 500/s"}}
	l.Methods = []report.Method{
		{Method: "Detect/detect", Kind: "unary", Weight: 0.8, Sent: 24_000, Completed: 24_000, Statuses: map[string]int64{"OK": 23_950}, Response: l.Response, Service: l.Service, Lag: l.Lag},
		{Method: "HelloService/SayHello", Kind: "unary", Weight: 0.2, Sent: 6_000, Completed: 6_000, Statuses: map[string]int64{"OK": 5_990}, Response: spread(6_000, time.Millisecond), Service: spread(6_000, time.Millisecond), Lag: l.Lag},
	}
	l.Calls = []report.Call{
		{N: 15_003, Why: "slowest", Method: "Detect/detect", DueMS: 30_006, SentMS: 910.4, DoneMS: 1203.1, Status: "OK"},
		{N: 9_120, Why: "slowest", Method: "Detect/detect", DueMS: 18_240, SentMS: 0.04, DoneMS: 312.9, Status: "OK", Attempts: attempts(0, "UNAVAILABLE", "UNAVAILABLE", "OK")},
		{N: 1_503, Why: "failed", Method: "Detect/detect", DueMS: 3_006, SentMS: 0.03, DoneMS: 1420, Status: "UNAVAILABLE", StatusText: "planned outage", Attempts: attempts(0, "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE")},
	}
	s := run{name: "crawl", seconds: 60, rate: 20, base: 18 * time.Millisecond, code: "INTERNAL"}.load()
	s.Method, s.Kind, s.Arrival = "Detect/detectEach", "server_stream", "poisson 20/s"
	s.Stream = &report.Stream{FirstMessage: spread(1_200, 4*time.Millisecond), BetweenMessages: spread(12_000, time.Millisecond), MessagesPerS: 198.4, Headers: new(spread(1_200, time.Millisecond))}
	s.Lag = spread(300, 20*time.Microsecond)
	l.Checks = &report.Checks{Judged: 30_000}
	return finished(&report.Report{
		Name: "run scenarios", Loads: []report.Load{l, s},
		Warnings: []string{"crawl: 20 calls a second are too few for a p99 of each second"},
		Thresholds: []report.Threshold{
			{Expression: "service.p99 < 50ms", Value: *l.Service.P99, Limit: 50, Passed: true, Load: "detect"},
			{Expression: "error_rate < 1%", Value: 0.2, Limit: 1, Passed: true, Load: "detect"},
			{Expression: "achieved > 99%", Value: 99.92, Limit: 99, Passed: true, Load: "detect"}},
		Scenarios: []report.Scenario{greet("scenarios/unary/greet.yaml"), greet("scenarios/unary/judge.yaml"), greet("scenarios/streams/each.yaml")},
		Retry:     []report.Retry{{ID: "AT-1", Name: "four attempts and no more", Verdict: "pass", Expected: "4 attempts", Observed: "4 attempts"}},
	})
}

func greet(file string) report.Scenario {
	return report.Scenario{Name: "greet", File: file, Tags: []string{"conformance"}, Status: report.Passed, DurationMS: 1.5,
		Steps: []report.Step{{ID: "hello", Line: 4, Call: "HelloService/SayHello", Kind: "unary", Status: "OK", DurationMS: 1.5, Sent: 1, Received: 1}}}
}

// failing is a report with every kind of failure, its foreign text being text.
func failing(text string) *report.Report {
	l := run{name: text, seconds: 12, rate: 40, base: 3 * time.Millisecond, code: text, failEvery: 4}.load()
	l.Marks, l.Phases, l.Aborted = []report.Mark{{T: 3, Kind: text, Text: text}, {T: 8, Kind: "abort", Text: text}}, []report.Phase{{Name: text, EndS: 12}}, text
	l.Calls = []report.Call{{N: 3, Why: text, Method: text, DoneMS: 40, Status: text, StatusText: text, Attempts: attempts(0, text, text)}}
	l.Checks = &report.Checks{Judged: 480, Failed: 6, Examples: []string{text}}
	return finished(&report.Report{
		Name: "run " + text, Command: []string{"loadgen", "run", text}, Target: report.Target{Address: text}, Loads: []report.Load{l}, Warnings: []string{text},
		Thresholds: []report.Threshold{{Expression: "error_rate < 0.1%", Value: 2, Limit: 0.1, Load: text}, {Expression: "service.p99.9 < 5ms", Limit: 5, Message: text}},
		Scenarios:  []report.Scenario{broken(text), greet("scenarios/unary/greet.yaml")},
		Retry:      []report.Retry{{ID: text, Verdict: "fail", Name: text, Expected: text, Observed: text, Attempts: attempts(-60, text, text)}},
		Diff:       &report.Diff{Calls: 2, Different: 1, Groups: []report.DiffGroup{{Method: text, Path: text, Kind: text, Count: 1, Example: report.DiffExample{Want: text, Got: text}, Ignore: text}}},
		Capacity: &report.Capacity{Conditions: []string{text}, Reason: text, Points: []report.CapacityPoint{
			{Phase: text, RateRPS: 10, AchievedRPS: 10, Verdict: text, Failed: []string{text}, Response: spread(400, time.Millisecond)}, {Phase: text, RateRPS: 20, AchievedRPS: 15, Verdict: text, Response: spread(800, time.Millisecond)}}},
	})
}

// broken is a scenario whose second step fails.
func broken(text string) report.Scenario {
	return report.Scenario{Name: text, File: "scenarios/retry/outage.yaml", Status: report.Failed, Reason: text, DurationMS: 340, Steps: []report.Step{
		greet("").Steps[0],
		{
			ID: text, Line: 7, Call: text, Kind: "unary", Status: "UNAVAILABLE", StatusMessage: text, DurationMS: 340, Sent: 1,
			Failures: []report.Failure{
				{File: "scenarios/retry/outage.yaml", Line: 7, Column: 13, Source: "    expect: {status: OK} # " + text, Field: "status", Want: "OK", Got: "UNAVAILABLE", Message: text},
				{File: text, Line: 9, Column: 5, Field: text, Want: "Hello, " + text + "!", Got: "Hello, " + text + "?"},
				{File: "scenarios/retry/outage.yaml", Line: 12, Column: 5, Field: "message.items", Want: "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", Got: "{\n  \"a\": 1,\n  \"b\": \"" + strings.ReplaceAll(text, "\n", "") + "\",\n  \"c\": 3\n}"},
			},
			Attempts:  attempts(0, "UNAVAILABLE", text, "UNAVAILABLE"),
			Exchange:  []report.Message{{Direction: "send", TMS: 0.1, JSON: `{"greeting":"` + text + `"}`}, {Direction: "recv", TMS: 3.4, JSON: `{"reply":"` + text + `"}`}},
			Reproduce: "loadgen call --target 127.0.0.1:8011 --plaintext HelloService/SayHello -d '" + text + "'",
			Grpcurl:   "grpcurl -plaintext -d '" + text + "' 127.0.0.1:8011 HelloService/SayHello",
		},
	}}
}

// invalid is a run whose generator was late and dropped calls.
func invalid() *report.Report {
	l := run{name: "hurried", seconds: 30, rate: 200, base: 2 * time.Millisecond}.load()
	l.Dropped, l.Scheduled, l.AchievedRPS = 900, l.Scheduled+900, 141.2
	for i := range l.Windows {
		l.Windows[i].Dropped = int64(i % 7 * 10)
	}
	l.Lag = spread(6000, 15*time.Millisecond)
	return finished(&report.Report{Name: "load Detect/detect", Loads: []report.Load{l}, Command: []string{"loadgen", "load", "Detect/detect", "--rate", "230"}})
}

func capacity() *report.Report {
	c := &report.Capacity{Conditions: []string{"response.p99 < 20ms", "error_rate < 0.1%"}, FoundRPS: 5250, Confirmed: true, Reason: "at 5380/s the conditions do not hold"}
	for i, p := range []struct {
		phase, verdict string
		rate           float64
	}{{"ramp", "pass", 1000}, {"ramp", "pass", 2000}, {"ramp", "pass", 4000}, {"ramp", "fail", 8000}, {"bisect", "fail", 6000}, {"bisect", "pass", 5000}, {"bisect", "undecided", 5500}, {"bisect", "invalid", 5500}, {"bisect", "fail", 5380}, {"bisect", "pass", 5250}, {"confirm", "pass", 5250}} {
		point := report.CapacityPoint{Phase: p.phase, Verdict: p.verdict, RateRPS: p.rate, AchievedRPS: min(p.rate, 5600), Response: spread(4000+i, time.Duration(float64(time.Millisecond)*(1+math.Pow(p.rate/5200, 12))))}
		if p.verdict == "fail" {
			point.Failed, point.ErrorRate = []string{fmt.Sprintf("response.p99 < 20ms: got %.1fms", *point.Response.P99)}, 0.002
		}
		c.Points = append(c.Points, point)
	}
	return finished(&report.Report{Name: "capacity of Detect/detect", Capacity: c, Command: []string{"loadgen", "load", "Detect/detect", "--find-capacity"}})
}

func retrying() *report.Report {
	return finished(&report.Report{Name: "retry check", Command: []string{"loadgen", "retry", "check", "--", "python3", "client.py"}, Retry: []report.Retry{
		{ID: "AT-1", Name: "maxAttempts counts the first attempt", Verdict: "pass", Expected: "4 attempts", Observed: "4 attempts in each of 32 calls"},
		{ID: "BO-5", Name: "initialBackoff above maxBackoff: the first is not cut, the next are", Verdict: "fail", Expected: "gaps 80ms-120ms, 160ms-240ms, 320ms-480ms", Observed: "8 too short and 0 too long of 32, first: gap 1 is 33ms", Attempts: attempts(-60, "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "OK")},
		{ID: "BO-2", Name: "the backoff grows", Verdict: "inconclusive", Expected: "gaps that grow", Observed: "the fault was never met"},
		{ID: "PB-3", Name: "pushback of zero", Verdict: "deviation", Expected: "an attempt at once", Observed: "after 96ms; known: grpc/grpc#1234", Attempts: attempts(40, "UNAVAILABLE", "OK")},
		{ID: "HD-1", Name: "hedging", Verdict: "skipped", Expected: "", Observed: "the client cannot hedge"},
	}})
}

func diffing() *report.Report {
	r := finished(&report.Report{Name: "replay detect.fixture", Command: []string{"loadgen", "replay", "fixtures/detect", "--target", "staging:443"}, Target: report.Target{Address: "staging:443"},
		Diff: &report.Diff{Calls: 1200, Different: 57, Noise: 12, Ignored: 1200, Groups: []report.DiffGroup{
			{Method: "Detect/detect", Path: "message.data.items[].score", Kind: "changed", Count: 41, Example: report.DiffExample{Call: 17, Want: "0.82", Got: "0.79"}, Ignore: "Detect/detect message.data.items[].score within 0.05"},
			{Method: "Detect/detect", Path: "message.data.items[].hits[].rule", Kind: "missing", Count: 12, Example: report.DiffExample{Call: 203, Want: `"phone"`}, Ignore: "Detect/detect message.data.items[].hits[].rule"},
			{Method: "Detect/detectEach", Path: "trailer.x-count", Kind: "extra", Count: 4, Example: report.DiffExample{Call: 911, Got: `"12"`}, Ignore: "Detect/detectEach trailer.x-count"},
		}}})
	r.Passed, r.ExitCode = false, 1
	return r
}

// windows returns n windows without histograms, as other tools leave them.
func windows(n int) []report.Window {
	random := rand.New(rand.NewPCG(3, 4))
	var out []report.Window
	for i := range n {
		p50 := 1 + random.Float64()
		w := report.Window{T: float64(i), Sent: 500, Completed: 498 + random.Int64N(4), P50: &p50, P99: new(4 * p50), Max: 9 * p50, InFlight: random.Int64N(9)}
		w.Statuses = map[string]int64{"OK": w.Completed}
		if i%7 == 3 {
			w.Statuses["UNAVAILABLE"] = 2
		}
		out = append(out, w)
	}
	return out
}

func huge() *report.Report {
	l := run{name: "day", seconds: 2, rate: 500, base: time.Millisecond}.load()
	l.Windows = windows(100_000)
	return finished(&report.Report{Name: "a day", Loads: []report.Load{l}})
}

// hour is four loads of an hour, with a histogram for each second.
func hour(tb testing.TB) *report.Report {
	tb.Helper()
	r := &report.Report{Name: "an hour"}
	for i := range 4 {
		l := run{name: fmt.Sprintf("load %d", i+1), seconds: 60, rate: 400, base: time.Duration(i+1) * time.Millisecond, code: "UNAVAILABLE", failEvery: 20}.load()
		minute := l.Windows
		l.Windows = nil
		for second := range 3600 {
			w := minute[second%60]
			w.T = float64(second)
			l.Windows = append(l.Windows, w)
		}
		r.Loads = append(r.Loads, l)
	}
	return finished(r)
}

// sparse has a p99 in single seconds only, and a second with no call at all.
func sparse() *report.Report {
	l := run{name: "sparse", seconds: 30, rate: 30, base: 5 * time.Millisecond}.load()
	l.Windows[7].P99, l.Windows[19].P99 = new(31.), new(29.)
	l.Windows[12] = report.Window{T: 12}
	return finished(&report.Report{Name: "load now and then", Loads: []report.Load{l}})
}
