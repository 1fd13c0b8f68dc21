package render_test

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// searched is the report of a search for the highest rate.
func searched() *report.Report {
	point := func(phase string, rate, p99 float64, verdict string, failed ...string) report.CapacityPoint {
		p := report.CapacityPoint{Phase: phase, RateRPS: rate, AchievedRPS: rate, Verdict: verdict, Failed: failed}
		p.Response = report.Latency{Count: 5000, P50: new(p99 / 4), P99: new(p99), Max: p99 * 2}
		return p
	}
	late := point("ramp", 1600, 900, "invalid", "the generator was late")
	late.Response.P99 = nil
	r := &report.Report{Name: "find max Hello/SayHello", Capacity: &report.Capacity{
		Conditions: []string{"response.p99 < 50ms", "error_rate < 1%"}, FoundRPS: 750, Confirmed: true,
		Reason: "at 800/s the conditions do not hold",
		Points: []report.CapacityPoint{
			point("ramp", 200, 2, "pass"), point("ramp", 400, 4, "pass"), point("ramp", 800, 400, "fail", "response.p99 < 50ms: 400"), late,
			point("bisect", 750, 60, "undecided", "response.p99 < 50ms: 60"), point("bisect", 750, 40, "pass"), point("confirm", 750, 41, "pass"),
		},
	}}
	r.Finish()
	return r
}

func TestCapacityGolden(t *testing.T) {
	for name, write := range views {
		path := filepath.Join("testdata", "capacity-"+name)
		var b bytes.Buffer
		if err := write(&b, searched()); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestASearchThatFoundNothingFails, in the exit code and in JUnit.
func TestASearchThatFoundNothingFails(t *testing.T) {
	r := searched()
	r.Capacity.FoundRPS, r.Capacity.Confirmed = 0, false
	r.Finish()
	if r.ExitCode != 4 {
		t.Errorf("exit code %d, want 4", r.ExitCode)
	}
	var b bytes.Buffer
	if err := render.JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var got suites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil || got.Failures != 1 {
		t.Errorf("JUnit has %d failures, %v:\n%s", got.Failures, err, b.String())
	}
	// When the last run was no good either, there is no verdict at all.
	r.Capacity.Points = r.Capacity.Points[:4]
	r.Capacity.Reason = "this generator is too slow even at 1/s"
	if r.Finish(); r.ExitCode != 6 || !strings.Contains(strings.Join(r.Validity.Reasons, ""), "too slow") {
		t.Errorf("exit code %d, %v, want 6", r.ExitCode, r.Validity.Reasons)
	}
}
