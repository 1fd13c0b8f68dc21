package html_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nethtml "golang.org/x/net/html"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// compared is a comparison of six runs a side, with foreign text as names.
func compared(t *testing.T, name string) *compare.Result {
	t.Helper()
	group := func(base time.Duration, cpu string) []*report.Report {
		var out []*report.Report
		for i := range 6 {
			l := run{name: name, seconds: 1, rate: 400, base: time.Millisecond}.load()
			l.Windows, l.CPU = nil, report.CPU{}
			l.Response = spread(4000, base+time.Duration(i)*10*time.Microsecond)
			r := finished(&report.Report{Loads: []report.Load{l}})
			r.Tool.CPUModel = cpu
			out = append(out, r)
		}
		return out
	}
	budget, err := compare.ParseBudget("p99 +5%")
	if err != nil {
		t.Fatal(err)
	}
	r, err := compare.Compare(group(time.Millisecond, name), group(1100*time.Microsecond, name+"2"), compare.Config{Budgets: []compare.Budget{budget}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func comparisonPage(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	err := html.WriteComparison(&b, html.Comparison{
		Result: compared(t, name), Verdict: "WORSE: p50 of " + name, Runs: "6 old runs against 6 new runs", Columns: []string{"figure", "verdict"},
		Row:     func(c compare.Change) []string { return []string{string(c.Metric), string(c.Verdict)} },
		Outcome: func(o compare.Outcome) string { return o.Message + name },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestComparisonPage(t *testing.T) {
	page := comparisonPage(t, evil)
	for _, forbidden := range []string{"<script>alert", "<img", "\x1b", "\x00", "\u202e", "unsafe-inline"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	doc, err := nethtml.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	dots, scripts := 0, 0
	for n := range doc.Descendants() {
		for _, key := range []string{"src", "href", "style", "onerror"} {
			if v := attr(n, key); v != "" {
				t.Errorf("<%s> has %s=%q", n.Data, key, v)
			}
		}
		switch {
		case n.Data == "ellipse":
			dots++
		case n.Type == nethtml.ElementNode && n.Data == "script":
			scripts++
		}
	}
	// Six figures but CPU, which these runs have not, of twelve runs.
	if dots != 5*12 || scripts != 5 {
		t.Errorf("%d dots, want %d; %d scripts, want 5", dots, 5*12, scripts)
	}
	if !strings.Contains(page, ">broken</td>") || !strings.Contains(page, "The runs differ in") {
		t.Error("the budget or the environment is missing")
	}
}

// TestComparisonInBrowser opens a comparison in Chromium, as TestBrowser does
// reports.
func TestComparisonInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser is tried by make test")
	}
	b := startBrowser(t)
	for name, text := range map[string]string{"comparison": "HelloService/SayHello", "comparison-hostile": evil} {
		path := filepath.Join(t.TempDir(), "comparison.html")
		if err := os.WriteFile(path, []byte(comparisonPage(t, text)), 0o644); err != nil {
			t.Fatal(err)
		}
		b.open(t, path)
		for _, look := range []look{{1600, "light"}, {360, "dark"}} {
			b.look(t, look.width, look.scheme)
			for _, text := range b.check(t) {
				t.Errorf("%s at %d pixels, %s: %s", name, look.width, look.scheme, text)
			}
			if dir := os.Getenv("TOUCHSTONE_SCREENSHOTS"); dir != "" {
				b.save(t, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, look.width, look.scheme)), "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})
			}
		}
	}
}
