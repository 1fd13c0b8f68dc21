package render_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// compared is a comparison with a verdict of every kind: of two loads the
// second has too few runs; names are foreign text.
func compared(t *testing.T, name string) *compare.Result {
	t.Helper()
	side := func(factor float64, cpu string, errors int64) []*report.Report {
		var out []*report.Report
		for i := range 8 {
			v := factor * (10 + float64(i)/10)
			p99 := 100 * factor
			l := report.Load{Name: name, Method: "A/b", Sent: 10_000, Completed: 10_000, AchievedRPS: 500 / factor, Statuses: map[string]int64{"OK": 10_000 - errors}}
			l.Response.P50, l.Response.P90, l.Response.P99, l.CPU.USPerCall = &v, new(20+float64(i)), &p99, 25/factor+float64(i)/10
			r := &report.Report{Started: time.Unix(int64(i), 0), Tool: report.Tool{CPUModel: cpu, CPUs: 2}, Loads: []report.Load{l}}
			if i < 2 {
				l.Name = "second"
				r.Loads = append(r.Loads, l)
			}
			r.Validity.Valid = true
			out = append(out, r)
		}
		out[7].Validity = report.Validity{Reasons: []string{name}}
		return out
	}
	var cfg compare.Config
	for _, text := range []string{"p50 +5%", "p90 +50%", "p99 +20%"} {
		b, err := compare.ParseBudget(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Budgets = append(cfg.Budgets, b)
	}
	r, err := compare.Compare(side(1, name, 0), side(1.2, "another", 30), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// comparisonViews are what the golden files of comparisons hold.
var comparisonViews = []struct {
	name  string
	write func(io.Writer, *compare.Result) error
}{
	{"comparison.txt", func(w io.Writer, r *compare.Result) error {
		return render.ComparisonText(w, r, render.TextOptions{})
	}},
	{"comparison-color.txt", func(w io.Writer, r *compare.Result) error {
		return render.ComparisonText(w, r, render.TextOptions{Color: true})
	}},
	{"comparison.md", render.ComparisonMarkdown},
}

func TestComparisonGolden(t *testing.T) {
	for _, v := range comparisonViews {
		var b bytes.Buffer
		if err := v.write(&b, compared(t, "mix")); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", v.name)
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

func TestNothingActsInComparisons(t *testing.T) {
	for _, v := range comparisonViews {
		var b bytes.Buffer
		if err := v.write(&b, compared(t, evil)); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if r != '\n' && (unicode.IsControl(r) && v.name != "comparison-color.txt" || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%s contains %U", v.name, r)
			}
		}
		if strings.Contains(b.String(), "\x1b[31mred") || v.name == "comparison.md" && strings.Contains(strings.ReplaceAll(b.String(), `\<`, ""), "<b>") {
			t.Errorf("%s lets foreign text act", v.name)
		}
	}
}

func TestComparisonJSON(t *testing.T) {
	var b bytes.Buffer
	want := compared(t, evil)
	if err := render.ComparisonJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	var got compare.Result
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}
