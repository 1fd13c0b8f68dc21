package render_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// TestFormatsAreWritten writes every format of every report, and lets no
// foreign text act.
func TestFormatsAreWritten(t *testing.T) {
	for _, name := range render.Formats() {
		for _, r := range []*report.Report{empty(), judgedReport()} {
			var b bytes.Buffer
			if err := render.Format(&b, name, r, render.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(b.String(), "\x1b\x00\u202e") {
				t.Errorf("%s lets foreign text act", name)
			}
		}
	}
	if err := render.Format(io.Discard, "bogus", empty(), render.TextOptions{}); err == nil {
		t.Error("a format that does not exist was written")
	}
}

// TestPrometheusParses reads the exposition with Prometheus' own parser.
func TestPrometheusParses(t *testing.T) {
	r := judgedReport()
	r.Loads[0].Name = evil + `\`
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(formatted(t, r, "prometheus")))
	if err != nil {
		t.Fatal(err)
	}
	response := families["touchstone_load_response_seconds"]
	if response == nil || len(response.Metric) != len(r.Loads) {
		t.Fatalf("the response times are missing among %d families", len(families))
	}
	for i, m := range response.Metric {
		want, h := r.Loads[i].Response, m.GetHistogram()
		if h.GetSampleCount() != uint64(want.Count) || math.Abs(h.GetSampleSum()-want.Mean*float64(want.Count)/1000) > 1e-9 {
			t.Errorf("load %d: %d samples, sum %v", i, h.GetSampleCount(), h.GetSampleSum())
		}
		below := uint64(0)
		for _, b := range h.Bucket {
			if b.GetCumulativeCount() < below {
				t.Errorf("load %d: the buckets do not add up", i)
			}
			// The sample of spread is 1 to n times 10 µs.
			if n := uint64(math.Floor(b.GetUpperBound() / 10e-6 * 1.0011)); !math.IsInf(b.GetUpperBound(), 1) && b.GetCumulativeCount() > min(n, uint64(want.Count)) {
				t.Errorf("load %d: %d up to %v s, want at most %d", i, b.GetCumulativeCount(), b.GetUpperBound(), n)
			}
			if n := uint64(math.Floor(b.GetUpperBound() / 10e-6 * 0.9989)); !math.IsInf(b.GetUpperBound(), 1) && b.GetCumulativeCount() < min(n, uint64(want.Count)) {
				t.Errorf("load %d: %d up to %v s, want at least %d", i, b.GetCumulativeCount(), b.GetUpperBound(), n)
			}
			below = b.GetCumulativeCount()
		}
	}
	for _, label := range response.Metric[0].Label {
		if label.GetName() == "load" && !strings.Contains(label.GetValue(), `\x1b[31mred\x00 <b>bold</b>`) {
			t.Errorf("the name of the load reads %q", label.GetValue())
		}
	}
	for _, name := range []string{"touchstone_run_passed", "touchstone_load_completed_total", "touchstone_threshold_passed", "touchstone_scenarios", "touchstone_retry_checks"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

// TestOpenMetrics checks what differs from the text format: how counters are
// named, units, and the end.
func TestOpenMetrics(t *testing.T) {
	text := string(formatted(t, full(), "openmetrics"))
	for _, want := range []string{"# TYPE touchstone_load_completed counter\n", "\ntouchstone_load_completed_total{", "# UNIT touchstone_load_response_seconds seconds\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if !strings.HasSuffix(text, "\n# EOF\n") || strings.Count(text, "# EOF") != 1 {
		t.Error("it does not end with # EOF")
	}
	if strings.Contains(string(formatted(t, full(), "prometheus")), "# EOF") {
		t.Error("the text format has OpenMetrics' end")
	}
}

func TestCSV(t *testing.T) {
	r := full()
	r.Name = `=HYPERLINK("http://evil.invalid","click, here")`
	r.Loads[0].Methods = []report.Method{{Method: "A/b", Sent: 3}}
	r.Loads[0].Windows = []report.Window{{T: 0, Sent: 5, P50: new(1.25)}, {T: 1, Sent: 6}}
	for name, want := range map[string]int{"csv": 1 + len(r.Loads) + 1, "csv-windows": 1 + 2} {
		for i := range r.Loads[1:] {
			r.Loads[1+i].Windows = nil
		}
		rows, err := csv.NewReader(bytes.NewReader(formatted(t, r, name))).ReadAll() // all rows are of one length
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != want {
			t.Errorf("%s has %d rows, want %d", name, len(rows), want)
		}
		if got := rows[1][0]; got != "'"+r.Name {
			t.Errorf("%s: a spreadsheet takes the name for a formula: %q", name, got)
		}
	}
	if text := string(formatted(t, r, "csv-windows")); !strings.Contains(text, ",0,0,5,0,0,0,0,1.25,,0,\n") {
		t.Errorf("the first second is not in\n%s", text)
	}
}

func formatted(t *testing.T, r *report.Report, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render.Format(&b, name, r, render.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
