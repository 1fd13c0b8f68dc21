package report_test

import (
	"fmt"
	"strings"
	"testing"

	"touchstone/loadgen/report"
)

// TestValidity holds the rule to what it says: each figure just short of its
// limit is fine, and beyond it the run is not valid, for that reason alone.
func TestValidity(t *testing.T) {
	ms := func(v float64) *float64 { return &v }
	tests := []struct {
		name  string
		spoil func(*report.Load)
		want  string // of the reason; "" is valid
		doubt string // of the warning; "" is none
	}{
		{"a fine run", func(*report.Load) {}, "", ""},
		{"late, and much of a quick target's time", func(l *report.Load) { l.Lag.P99, l.Service.P99 = ms(5.1), ms(2) }, "left up to 5.1 ms (p99)", ""},
		// Lag is in the response time: a rule that compared the two would find
		// half of it here, and let it pass.
		{"as late as the target takes", func(l *report.Load) { l.Lag.P99, l.Service.P99, l.Response.P99 = ms(20), ms(20), ms(40) }, "left up to 20.0 ms", ""},
		{"late, next to a slow target", func(l *report.Load) { l.Lag.P99, l.Service.P99 = ms(40), ms(81) }, "", ""},
		{"not late enough to matter", func(l *report.Load) { l.Lag.P99, l.Service.P99 = ms(4.9), ms(2) }, "", "the service time is nearer"},
		{"as late as timers are", func(l *report.Load) { l.Lag.P99, l.Service.P99 = ms(0.9), ms(0.2) }, "", ""},
		{"late half of the time", func(l *report.Load) { l.Lag.P50, l.Service.P50, l.Service.P99 = ms(1.1), ms(1), ms(900) }, "late all the time", ""},
		{"half of the time late, next to a slow target", func(l *report.Load) { l.Lag.P50, l.Service.P50 = ms(1.1), ms(5) }, "", ""},
		{"too few calls for a p99", func(l *report.Load) { l.Lag.P99, l.Lag.Max = nil, 500 }, "", ""},
		{"so few calls that all of them met a bad moment", func(l *report.Load) { l.Lag.P99, l.Lag.P50, l.Service.P50 = nil, ms(10), ms(0.5) }, "", ""},
		{"one of a thousand dropped", func(l *report.Load) { l.Dropped = 10 }, "", ""},
		{"two of a thousand dropped", func(l *report.Load) { l.Dropped = 20 }, "20 of 10000 calls were dropped", ""},
		{"busy", func(l *report.Load) { l.CPU.Share = ms(0.96) }, "used 96 % of the CPU time", ""},
		{"not busy", func(l *report.Load) { l.CPU.Share = ms(0.94) }, "", ""},
		{"busy callers", func(l *report.Load) { l.CPU.Share, l.OfferedRPS = ms(0.96), 0 }, "", "the generator's limit"},
		{"a busy machine", func(l *report.Load) { l.CPU.MachineBusy = ms(0.99) }, "", "the machine was busy"},
		{"a machine with room", func(l *report.Load) { l.CPU.MachineBusy = ms(0.9) }, "", ""},
		{"collects garbage", func(l *report.Load) { l.GC = &report.GC{CPUShare: 0.26} }, "garbage collector used 26 %", ""},
		{"collects a little garbage", func(l *report.Load) { l.GC = &report.GC{CPUShare: 0.24, PauseMaxMS: 90} }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := report.Load{
				Name: "hello", OfferedRPS: 500, Scheduled: 10_000, Sent: 10_000, Completed: 10_000, Statuses: map[string]int64{"OK": 10_000},
				Lag:     report.Latency{Count: 10_000, P50: ms(0.01), P99: ms(0.09)},
				Service: report.Latency{Count: 10_000, P50: ms(0.5), P99: ms(2)},
				CPU:     report.CPU{Share: ms(0.3), MachineBusy: ms(0.5)}, GC: &report.GC{CPUShare: 0.01, PauseMaxMS: 0.1},
			}
			tt.spoil(&l)
			r := report.Report{Loads: []report.Load{l}}
			r.Finish()
			checkOne(t, "reasons", r.Validity.Reasons, tt.want)
			checkOne(t, "warnings", r.Warnings, tt.doubt)
			if code := r.ExitCode; (code == 6) != (tt.want != "") {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// checkOne checks that a list has the one text, or is empty for "".
func checkOne(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if want == "" && len(got) == 0 {
		return
	}
	if want == "" || len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("%s %q, want one with %q", what, got, want)
	}
}

func TestParseAbort(t *testing.T) {
	tests := []struct{ text, want string }{
		{"error_rate > 5% for 10s", "error_rate > 5% for 10s"},
		{"response.p99>1s", "response.p99 > 1s for 1s"},
		{" dropped > 0  for  2m ", "dropped > 0 for 2m0s"},
		{"error_rate > 5% for 10", `abort:1:21: want a number of seconds, got "10"`},
		{"error_rate > 5% for 0s", `abort:1:21: want a number of seconds, got "0s"`},
		{"error_rate > 5% for 1.5s", `abort:1:21: want a number of seconds, got "1.5s"`},
		{"for 10s", `unknown metric "for"`},
		{"eror_rate > 5% for 10s", `did you mean "error_rate"?`},
		{"error_rate > 5% during 10s", `want the end, got "during 10s"`},
	}
	for _, tt := range tests {
		a, err := report.ParseAbort(tt.text)
		if got := fmt.Sprint(a, err); !strings.Contains(got, tt.want) {
			t.Errorf("ParseAbort(%q) = %s, want %s", tt.text, got, tt.want)
		}
		if err == nil {
			if again, err := report.ParseAbort(a.String()); err != nil || again != a {
				t.Errorf("%q prints as %q, which reads as %v, %v", tt.text, a, again, err)
			}
		}
	}
}
