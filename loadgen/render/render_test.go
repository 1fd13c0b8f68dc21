package render_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// NB: if a golden test fails, run `go test ./loadgen/render -update` and read
// the diff. Only commit the changes if you understand what caused them and if
// they are desired.
var update = flag.Bool("update", false, "write the golden files anew")

func Example() {
	r := &report.Report{Name: "smoke", Scenarios: []report.Scenario{{
		Name: "greet", File: "greet.yaml", Status: report.Failed, DurationMS: 1.5,
		Steps: []report.Step{{ID: "hello", Failures: []report.Failure{{
			File: "greet.yaml", Line: 7, Column: 21, Source: "    expect: {status: OK}",
			Field: "status", Want: "OK", Got: "NOT_FOUND",
		}}}},
	}}}
	r.Finish()
	if err := render.Text(os.Stdout, r, render.TextOptions{Width: 80}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// failed        greet  greet.yaml                               1 step    1.50 ms
	//
	// greet.yaml:7:21: status: want OK, got NOT_FOUND  (scenario greet, step hello)
	//     7 |     expect: {status: OK}
	//       |                     ^
	//         field   status
	//         want    OK
	//         got     NOT_FOUND
	//
	// FAILED (exit 1): 1 scenario (1 failed) in 0s
}

// evil is text that tries to act on whatever displays it.
const evil = "\x1b[31mred\x00 <b>bold</b> & | `code` \u202Eright to left\r\n# head"

// spread is the distribution of 1 to n times 10 µs.
func spread(n int) report.Latency {
	h := hist.New()
	for i := range n {
		h.Record(time.Duration(i+1) * 10 * time.Microsecond)
	}
	return report.Latencies(h)
}

// full is a report with everything in it.
func full() *report.Report {
	r := &report.Report{
		Name: "nightly", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationMS: 12_345.6, Seed: 7,
		Target: report.Target{Address: "127.0.0.1:8011", Embedded: true},
		Scenarios: []report.Scenario{
			{Name: "greet everybody", File: "scenarios/greet.yaml", Status: report.Passed, DurationMS: 12.3, Steps: []report.Step{
				{ID: "hello", Line: 5, Status: "OK", DurationMS: 2.5}, {ID: "again", Line: 9, Status: "OK", DurationMS: 3.5}}},
			{Name: "审核一段很长的中文文本并且检查标签", File: "scenarios/text/chinese.yaml", Status: report.Failed, DurationMS: 2345, Steps: []report.Step{
				{ID: "判断", Line: 12, Status: "OK", DurationMS: 3, Failures: []report.Failure{
					{File: "scenarios/text/chinese.yaml", Line: 14, Column: 22, Source: `    expect: {json: {"标签": "广告"}}`, Field: "data.标签", Want: "广告", Got: "正常", Message: ""},
					{File: "scenarios/text/chinese.yaml", Line: 15, Column: 5, Field: "data.score", Message: "is missing"},
				}},
				{ID: "never run", Line: 20},
			}},
			{Name: "hostile " + evil, File: "scenarios/evil.yaml", Status: report.Failed, DurationMS: 0.5, Steps: []report.Step{
				{ID: "step " + evil, Line: 3, Status: "UNKNOWN", Failures: []report.Failure{
					{File: "scenarios/evil.yaml", Line: 3, Column: 2, Source: "\t" + strings.ReplaceAll(evil, "\n", ""), Field: "status", Want: "OK", Got: evil, Message: evil}}}}},
			{Name: "no such server", File: "scenarios/gone.yaml", Status: report.Error, Reason: "dial 127.0.0.1:1: connection refused"},
			{Name: "later", File: "scenarios/later.yaml", Status: report.Skipped, Reason: "needs the proxy", Steps: []report.Step{{ID: "a", Line: 2}}},
			{Name: "known", File: "scenarios/known.yaml", Status: report.KnownFailing, Reason: "issue 17", DurationMS: 1, Steps: []report.Step{
				{ID: "a", Line: 2, Status: "OK", Failures: []report.Failure{{File: "scenarios/known.yaml", Line: 2, Column: 1, Field: "status", Want: "OK", Got: "UNKNOWN"}}}}},
		},
		Loads: []report.Load{
			{Name: "HelloService/SayHello", Kind: "unary", OfferedRPS: 500, AchievedRPS: 499.87, Scheduled: 10_000, Sent: 10_000, Completed: 10_000,
				Statuses: map[string]int64{"OK": 9_990, "UNAVAILABLE": 10}, Response: spread(10_000), Lag: spread(10)},
			{Name: "closed", Kind: "bidi_stream", AchievedRPS: 123456, Sent: 5, Completed: 5, Statuses: map[string]int64{"OK": 5}, Response: spread(5)},
			{Name: "down", Kind: "unary", OfferedRPS: 10, AchievedRPS: 10, Scheduled: 15, Sent: 10, Dropped: 5, Completed: 10, Statuses: map[string]int64{"INTERNAL": 10}, Response: spread(10)},
		},
		Thresholds: []report.Threshold{
			{Expression: "response.p99 < 120ms", Value: 99.1, Limit: 120, Passed: true, Load: "HelloService/SayHello"},
			{Expression: "error_rate < 0.05%", Value: 0.1, Limit: 0.05, Load: "HelloService/SayHello"},
			{Expression: "response.p99 < 1s", Load: "closed", Message: "p99 needs 368 samples, there are 5"},
		},
		Retry: []report.Retry{
			{ID: "ATT-1", Verdict: "pass", Expected: "5 attempts", Observed: "5 attempts"},
			{ID: "BO-1", Verdict: "fail", Expected: "80 to 120 ms", Observed: "300 ms"},
			{ID: "PB-1", Verdict: "inconclusive", Expected: "300 ms", Observed: "the fault was never hit"},
		},
	}
	r.Finish()
	return r
}

// empty is a report of a run in which nothing happened.
func empty() *report.Report {
	r := &report.Report{Name: "empty", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r.Finish()
	return r
}

// views are what the golden files hold.
var views = map[string]func(io.Writer, *report.Report) error{
	"junit.xml":  render.JUnit,
	"summary.md": render.Markdown,
	"wide.txt": func(w io.Writer, r *report.Report) error {
		return render.Text(w, r, render.TextOptions{Width: 140, Paths: render.Paths("reports/out/x")})
	},
	"narrow.txt": func(w io.Writer, r *report.Report) error {
		return render.Text(w, r, render.TextOptions{Width: 70, Quiet: true})
	},
	"color.txt": func(w io.Writer, r *report.Report) error { return render.Text(w, r, render.TextOptions{Color: true}) },
}

func TestGolden(t *testing.T) {
	for name, write := range views {
		for kind, r := range map[string]*report.Report{"full": full(), "empty": empty()} {
			path := filepath.Join("testdata", kind+"-"+name)
			var b bytes.Buffer
			if err := write(&b, r); err != nil {
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
}

// TestNothingActs makes sure that no view passes on a character that does
// something to a terminal or turns text around.
func TestNothingActs(t *testing.T) {
	colors := regexp.MustCompile("\x1b\\[[0-9]+m")
	for name, write := range views {
		var b bytes.Buffer
		for _, r := range []*report.Report{full(), exchanged()} {
			if err := write(&b, r); err != nil {
				t.Fatal(err)
			}
		}
		text := b.String()
		if name == "color.txt" {
			text = colors.ReplaceAllString(text, "") // ours; those of evil are escaped
		}
		for i, r := range text {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%s holds %U: %q", name, r, text[max(i-20, 0):i+10])
			}
		}
	}
}

// TestLinesFit makes sure that tables keep to the width, counted by hand: a
// Chinese character takes two columns.
func TestLinesFit(t *testing.T) {
	r := full()
	for i := range r.Scenarios { // failures are shown in full, whatever the width
		for j := range r.Scenarios[i].Steps {
			r.Scenarios[i].Steps[j].Failures = nil
		}
	}
	r.Loads, r.Retry, r.Thresholds, r.Validity.Reasons = nil, nil, nil, nil
	for _, width := range []int{60, 80, 133} {
		var b bytes.Buffer
		if err := render.Text(&b, r, render.TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			columns := 0
			for _, c := range strings.TrimRight(line, "\n") {
				columns++
				if unicode.Is(unicode.Han, c) {
					columns++
				}
			}
			if columns > width && !strings.HasPrefix(line, "FAILED") {
				t.Errorf("%d columns of %d: %q", columns, width, line)
			}
		}
	}
}

// suites is what a CI system reads of JUnit.
type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name      string    `xml:"name,attr"`
			ClassName string    `xml:"classname,attr"`
			File      string    `xml:"file,attr"`
			Line      int       `xml:"line,attr"`
			Failure   *struct{} `xml:"failure"`
			Error     *struct{} `xml:"error"`
			Skipped   *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnitParsesAndAddsUp(t *testing.T) {
	var b bytes.Buffer
	if err := render.JUnit(&b, full()); err != nil {
		t.Fatal(err)
	}
	var got suites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var sum suites
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			sum.Tests++
			for n, element := range map[*int]*struct{}{&sum.Failures: c.Failure, &sum.Errors: c.Error, &sum.Skipped: c.Skipped} {
				if element != nil {
					*n++
				}
			}
		}
	}
	if sum.Tests != got.Tests || sum.Failures != got.Failures || sum.Errors != got.Errors {
		t.Errorf("the root says %d/%d/%d, the cases add up to %d/%d/%d",
			got.Tests, got.Failures, got.Errors, sum.Tests, sum.Failures, sum.Errors)
	}
	c := got.Suites[1].Cases[0]
	if c.Name != "判断" || c.File != "scenarios/text/chinese.yaml" || c.Line != 12 || c.Failure == nil {
		t.Errorf("the first case of the second scenario is %+v", c)
	}
}

func TestDirReplacesWholeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := render.Dir(dir, full()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d files, %v; want four and nothing beside them", len(entries), err)
	}
	for _, path := range render.Paths(dir) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o644 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	back, err := report.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil || back.Name != "nightly" {
		t.Errorf("read back: %v", err)
	}
	if err := render.Dir(filepath.Join(render.Paths(dir)[0], "below a file"), full()); err == nil {
		t.Error("a report below a file was written")
	}
}

// brokenWriter takes nothing.
type brokenWriter struct{}

// Write implements io.Writer.
func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorsAreReturned(t *testing.T) {
	for name, write := range views {
		if err := write(brokenWriter{}, full()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: error %v, want disk full", name, err)
		}
	}
}
