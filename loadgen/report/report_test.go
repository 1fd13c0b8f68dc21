package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
	"touchstone/server/source"
)

func Example() {
	h := hist.New()
	for i := range 1000 {
		h.Record(time.Duration(i+1) * 100 * time.Microsecond)
	}
	load := report.Load{Name: "hello", Sent: 1000, Response: report.Latencies(h)}
	for _, text := range []string{"response.p95 < 50ms", "response.p99.9 < 1s"} {
		condition, err := report.ParseThreshold(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		t := condition.Evaluate(&load)
		fmt.Printf("%s: passed %v, got %.0f, %q\n", t.Expression, t.Passed, t.Value, t.Message)
	}
	// Output:
	// response.p95 < 50ms: passed false, got 95, ""
	// response.p99.9 < 1s: passed false, got 0, "p99.9 needs 3688 samples, there are 1000"
}

// spread is the distribution of 1 to n ms.
func spread(n int) report.Latency {
	h := hist.New()
	for i := range n {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	return report.Latencies(h)
}

// sample is a load with a figure of every kind.
func sample() report.Load {
	return report.Load{
		Name: "hello", Method: "HelloService/SayHello", OfferedRPS: 100, AchievedRPS: 99.5,
		Scheduled: 1000, Sent: 990, Dropped: 10, Completed: 985, Cancelled: 5,
		Statuses: map[string]int64{"OK": 975, "UNAVAILABLE": 10}, AttemptsPerCall: 1.2,
		Response: spread(985), Service: spread(985), Lag: spread(10),
		Stream: &report.Stream{FirstMessage: spread(985), BetweenMessages: spread(2), MessagesPerS: 300},
	}
}

func TestWriteAndReadAreInverse(t *testing.T) {
	want := &report.Report{
		Schema: report.Schema, Name: "all of it", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seed: math.MaxUint64,
		Command: []string{"loadgen", "<&>"}, Validity: report.Validity{Reasons: []string{"slow"}},
		Scenarios: []report.Scenario{{Name: "s", Steps: []report.Step{{ID: "a", Failures: []report.Failure{{File: "f", Line: 1}}}}}},
		Loads:     []report.Load{sample()}, Retry: []report.Retry{{ID: "ATT-1"}}, Thresholds: []report.Threshold{{Message: "m"}},
	}
	var b bytes.Buffer
	if err := report.Write(&b, want); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"<&>"`) {
		t.Error("the report is escaped for HTML, which makes it hard to read")
	}
	got, err := report.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                      "EOF",
		`{"schema": "touchstone.report`:         "unexpected EOF",
		`{"schema": "touchstone.report/v2"}`:    `schema "touchstone.report/v2", want "touchstone.report/v1"`,
		`{}`:                                    `schema ""`,
		`{"schema": "touchstone.report/v1"} {}`: "text after the report",
		`{"schema": "touchstone.report/v1", "loads": [{"sent": 1.5}]}`: "loads.sent",
	} {
		if _, err := report.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%q): error %v, want one with %q", text, err, want)
		}
	}
	if _, err := report.Read(strings.NewReader(`{"schema": "touchstone.report/v1", "added_later": 1}`)); err != nil {
		t.Errorf("a field of a later minor version: %v", err)
	}
}

func TestWriteRefusesWhatJSONCannotHold(t *testing.T) {
	bad := &report.Report{DurationMS: math.NaN()}
	if err := report.Write(&bytes.Buffer{}, bad); err == nil {
		t.Error("NaN was written")
	}
}

func TestLatenciesLeaveOutWhatTheSampleDoesNotSupport(t *testing.T) {
	tests := []struct {
		n    int
		last string // the highest percentile that is there
	}{{0, ""}, {5, ""}, {6, "p50"}, {35, "p75"}, {36, "p90"}, {367, "p95"}, {368, "p99"}, {3687, "p99"}, {3688, "p99.9"}}
	for _, tt := range tests {
		l := spread(tt.n)
		last := ""
		for _, q := range []struct {
			name  string
			value *float64
		}{{"p50", l.P50}, {"p75", l.P75}, {"p90", l.P90}, {"p95", l.P95}, {"p99", l.P99}, {"p99.9", l.P999}} {
			if q.value != nil {
				last = q.name
			}
		}
		if last != tt.last || (l.HDR == "") != (tt.n == 0) {
			t.Errorf("%d samples support %q, histogram of %d bytes; want %q", tt.n, last, len(l.HDR), tt.last)
		}
	}
}

func TestThresholds(t *testing.T) {
	tests := []struct {
		text    string
		passed  bool
		value   float64
		message string
	}{
		{"response.p99 < 1s", true, 0.975, ""},
		{"response.p99 < 976ms", false, 976, ""},
		{"response.p99<=977ms", true, 976, ""},
		{"response.p50 > 0.4s", true, 0.493, ""},
		{"service.mean == 493ms", true, 493, ""},
		{"service.min != 1000us", false, 1000, ""},
		{"response.max >= 985ms", true, 985, ""},
		{"response.p12.5 < 125ms", true, 124, ""},
		{"response.p99.9 < 1m", false, 0, "p99.9 needs 3688 samples, there are 985"},
		{"lag.p50 < 1m", true, 5. / 60000, ""},
		{"lag.p99 < 1m", false, 0, "p99 needs 368 samples, there are 10"},
		{"stream.first_message.p95 < 10ms", false, 936, ""},
		{"stream.between_messages.max < 10ms", true, 2, ""},
		{"stream.messages_per_s >= 300", true, 300, ""},
		{"error_rate < 2%", true, 100 * 15. / 990, ""},
		{"error_rate < 0.01", false, 15. / 990, ""},
		{"achieved > 99%", true, 99.5, ""},
		{"achieved > 0.999", false, 0.995, ""},
		{"dropped == 0", false, 10, ""},
		{"dropped <= 1%", true, 1, ""},
		{"cancelled < 5", false, 5, ""},
		{"rps > 99", true, 99.5, ""},
		{"sent >= 990", true, 990, ""},
		{"completed >= 990", false, 985, ""},
		{"attempts_per_call < 1.1", false, 1.2, ""},
		{"status.UNAVAILABLE < 1.1%", true, 100 * 10. / 990, ""},
		{"status.INTERNAL == 0", true, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			condition, err := report.ParseThreshold(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			l := sample()
			got := condition.Evaluate(&l)
			if got.Passed != tt.passed || math.Abs(got.Value-tt.value) > 0.002*tt.value || got.Message != tt.message || got.Load != "hello" {
				t.Errorf("%+v, want passed %v, value %v, message %q", got, tt.passed, tt.value, tt.message)
			}
		})
	}
}

// TestNothingMeasuredDoesNotPass: a threshold holds because it was measured.
func TestNothingMeasuredDoesNotPass(t *testing.T) {
	for text, want := range map[string]string{
		"response.p99 < 1h0m":         "",
		"response.max < 60m":          "response has no samples",
		"error_rate < 100%":           "no calls were sent",
		"dropped < 100%":              "no calls were scheduled",
		"status.INTERNAL < 100%":      "no calls were sent",
		"achieved > 0%":               "a closed loop has no offered rate",
		"attempts_per_call < 5":       "attempts were not counted",
		"stream.messages_per_s>=0":    "the call is unary: it has no stream figures",
		"stream.first_message.max<1s": "the call is unary: it has no stream figures",
	} {
		condition, err := report.ParseThreshold(text)
		if want == "" {
			if err == nil {
				t.Errorf("ParseThreshold(%q) succeeds", text)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.Evaluate(&report.Load{}); got.Passed || got.Message != want {
			t.Errorf("%s on an empty load: %+v, want failed, %q", text, got, want)
		}
	}
	spoilt := report.Load{Response: spread(1000)}
	spoilt.Response.HDR = "AAAA"
	condition, _ := report.ParseThreshold("response.p99 < 60s")
	if got := condition.Evaluate(&spoilt); got.Passed || !strings.Contains(got.Message, "histogram") {
		t.Errorf("a spoilt histogram: %+v, want failed with a message", got)
	}
}

func TestThresholdMistakes(t *testing.T) {
	tests := []struct {
		text      string
		col       int
		msg, hint string
	}{
		{"", 1, `unknown metric ""`, "metrics are"},
		{"respons.p99 < 50ms", 1, "unknown metric", `did you mean "response.p99"?`},
		{"response < 50ms", 1, "unknown metric", "response.p"},
		{"response.p100 < 50ms", 1, `no statistic "p100"`, "p99.9"},
		{"response.median < 50ms", 1, `no statistic "median"`, "p99.9"},
		{"  response.p99 ~ 50ms", 16, `got ""`, ""},
		{"response.p99 50ms", 14, "want one of", ""},
		{"response.p99 =< 50ms", 14, `got "=<"`, ""},
		{"response.p99 < fast", 16, `want a number, got "fast"`, "50ms"},
		{"response.p99 < 1.2.3ms", 16, "want a number", "50ms"},
		{"response.p99 < 1e999ms", 16, "want a number", "50ms"},
		{"response.p99 < 50", 18, `in ""`, "50ms"},
		{"response.p99 < 50%", 18, `in "%"`, "50ms"},
		{"error_rate < 50ms", 16, `in "ms"`, "0.1%"},
		{"dropped == 0ms", 13, `in "ms"`, "such as 0"},
		{"rps > 10%", 9, `in "%"`, "such as 0"},
		{"rps > 10 calls", 10, `in "calls"`, "such as 0"},
		{"rps > 10 % more", 11, "want the end", ""},
		{"status.UNAVAILABEL < 1%", 1, "unknown status", `did you mean "UNAVAILABLE"?`},
		{"rps > 1 and\nmore", 1, "on one line", ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, err := report.ParseThreshold(tt.text)
			mistake, ok := errors.AsType[*source.Error](err)
			if !ok {
				t.Fatalf("error %v, want a *source.Error", err)
			}
			if mistake.Pos.Col != tt.col || !strings.Contains(mistake.Msg, tt.msg) || !strings.Contains(mistake.Hint, tt.hint) {
				t.Errorf("column %d: %q, hint %q; want column %d, %q, %q", mistake.Pos.Col, mistake.Msg, mistake.Hint, tt.col, tt.msg, tt.hint)
			}
		})
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, seed := range []string{
		"response.p99 < 50ms", "error_rate<=0.1%", " dropped == 0 ", "status.UNAVAILABLE < 1%", "lag.p99.99 >= 1e-3µs",
		"rps > -4.5e7", "stream.first_message.max != .5m", "a b c", "response.p 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		condition, err := report.ParseThreshold(text)
		if err != nil {
			return
		}
		again, err := report.ParseThreshold(condition.String())
		if err != nil || again != condition {
			t.Errorf("%q prints as %q, which reads as %v, %v", text, condition, again, err)
		}
		l := sample()
		if one, two := condition.Evaluate(&l), again.Evaluate(&l); one != two {
			t.Errorf("%q: %+v, printed and read again: %+v", text, one, two)
		}
	})
}

func TestFinish(t *testing.T) {
	good := report.Load{Name: "good", OfferedRPS: 10, Scheduled: 10, Sent: 10, Completed: 10, Statuses: map[string]int64{"OK": 10}}
	down := report.Load{Name: "down", OfferedRPS: 10, Scheduled: 10, Sent: 10, Completed: 10, Statuses: map[string]int64{"UNAVAILABLE": 10}}
	drops := good
	drops.Scheduled, drops.Dropped = 20, 10
	late := good
	late.Lag.P99, late.Service.P99 = new(20.0), new(30.0)
	lateButSlow := good
	lateButSlow.Lag.P99, lateButSlow.Service.P99 = new(20.0), new(300.0)
	lateAsTimersAre := good
	lateAsTimersAre.Lag.P99, lateAsTimersAre.Service.P99 = new(1.5), new(2.0)

	aborted := good
	aborted.Aborted = "after 10 s: error_rate > 5% for 10s, it was 40%"
	wrong := good
	wrong.Checks = &report.Checks{Judged: 10, Failed: 1}

	scenario := func(s report.Status) report.Report { return report.Report{Scenarios: []report.Scenario{{Status: s}}} }
	missed := []report.Threshold{{Passed: true}, {Passed: false}}
	held := []report.Threshold{{Passed: true}}
	tests := []struct {
		name    string
		r       report.Report
		code    int
		reasons int
	}{
		{"nothing was run", report.Report{}, 0, 0},
		{"a scenario passed", scenario(report.Passed), 0, 0},
		{"a scenario failed", scenario(report.Failed), 1, 0},
		{"a scenario could not be run", scenario(report.Error), 1, 0},
		{"a scenario fails as expected", scenario(report.KnownFailing), 0, 0},
		{"a scenario was skipped", scenario(report.Skipped), 0, 0},
		{"a retry check failed", report.Report{Retry: []report.Retry{{Verdict: "deviation"}, {Verdict: "fail"}}}, 1, 0},
		{"a load went well", report.Report{Loads: []report.Load{good}, Thresholds: held}, 0, 0},
		{"a threshold failed", report.Report{Loads: []report.Load{good}, Thresholds: missed}, 4, 0},
		{"all calls failed", report.Report{Loads: []report.Load{good, down}}, 1, 0},
		{"all calls failed, as thresholds ask", report.Report{Loads: []report.Load{down}, Thresholds: held}, 1, 0},
		{"all calls failed, and a threshold", report.Report{Loads: []report.Load{down}, Thresholds: missed}, 4, 0},
		{"a load was aborted", report.Report{Loads: []report.Load{aborted}, Thresholds: held}, 4, 0},
		{"a response was not as expected", report.Report{Loads: []report.Load{wrong}, Thresholds: held}, 1, 0},
		{"calls were dropped", report.Report{Loads: []report.Load{drops}}, 6, 1},
		{"calls were dropped, and a threshold failed", report.Report{Loads: []report.Load{drops}, Thresholds: missed}, 6, 1},
		{"calls were dropped, and a scenario failed", report.Report{Loads: []report.Load{drops}, Scenarios: scenario(report.Failed).Scenarios}, 1, 1},
		{"the generator was late", report.Report{Loads: []report.Load{late}}, 6, 1},
		{"the generator was late, next to a slow target", report.Report{Loads: []report.Load{lateButSlow}}, 0, 0},
		{"the generator was as late as timers are", report.Report{Loads: []report.Load{lateAsTimersAre}}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Finish()
			tt.r.Finish() // once more changes nothing
			if tt.r.ExitCode != tt.code || tt.r.Passed != (tt.code == 0) || len(tt.r.Validity.Reasons) != tt.reasons || tt.r.Validity.Valid != (tt.reasons == 0) {
				t.Errorf("exit %d, passed %v, reasons %q; want exit %d, %d reasons", tt.r.ExitCode, tt.r.Passed, tt.r.Validity.Reasons, tt.code, tt.reasons)
			}
		})
	}
}

func TestStatusName(t *testing.T) {
	for code, want := range map[uint32]string{0: "OK", 1: "CANCELLED", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED", 17: "CODE_17", math.MaxUint32: "CODE_4294967295"} {
		if got := report.StatusName(code); got != want {
			t.Errorf("StatusName(%d) = %s, want %s", code, got, want)
		}
	}
}

func TestScopes(t *testing.T) {
	l := sample()
	l.ByStatus = map[string]report.Latency{"OK": l.Service, "UNAVAILABLE": {Count: 10, Max: 7}}
	l.Methods = []report.Method{{Method: "a.B/C", Sent: 50, Completed: 50, Statuses: map[string]int64{"OK": 40, "INTERNAL": 10}, Response: report.Latency{Count: 50, Max: 3}}}
	one := sample()
	one.Methods, one.Method = nil, "/a.B/C"
	for _, tt := range []struct {
		load    *report.Load
		text    string
		passed  bool
		value   float64
		message string
	}{
		{&l, "response.max{UNAVAILABLE} < 8ms", true, 7, ""},
		{&l, "response.max{INTERNAL} < 8ms", false, 0, "no call ended INTERNAL"},
		{&l, "error_rate{a.B/C} < 10%", false, 20, ""},
		{&l, "status.INTERNAL{a.B/C} == 20%", true, 20, ""},
		{&l, "response.max{a.B/C} < 8ms", true, 3, ""},
		{&l, "sent{a.B/C} == 50", true, 50, ""},
		{&l, "sent{a.B/D} == 50", false, 0, "the load has no calls of a.B/D"},
		{&one, "sent{a.B/C} == 990", true, 990, ""},
	} {
		condition, err := report.ParseThreshold(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got := condition.Evaluate(tt.load)
		if got.Passed != tt.passed || math.Abs(got.Value-tt.value) > 1e-9 || got.Message != tt.message || got.Expression != tt.text {
			t.Errorf("%s: %+v, want passed %v, value %v, message %q", tt.text, got, tt.passed, tt.value, tt.message)
		}
	}
	for text, want := range map[string]string{
		"service.p99{OK} < 5ms":      "only response times are known by status",
		"response.p99{ok} < 5ms":     "neither a method nor a status",
		"response.p99{ABORTE} < 5ms": `did you mean "ABORTED"?`,
		"rps{a.B/C} > 5":             "rps is not known of each method",
		"response.p99{a.B/C < 5ms":   "no statistic",
	} {
		if _, err := report.ParseThreshold(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
