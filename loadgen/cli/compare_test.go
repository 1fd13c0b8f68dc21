package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/cli"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// writeRuns writes the reports of n runs of 2,000 calls, around a base.
func writeRuns(t *testing.T, dir string, n int, base time.Duration, cpu string) {
	t.Helper()
	for i := range n {
		random, h := rand.New(rand.NewPCG(uint64(i), uint64(base))), hist.New()
		for range 2000 {
			h.Record(base + time.Duration(i)*base/200 + time.Duration(random.ExpFloat64()*float64(base)))
		}
		r := &report.Report{
			Name: "load", Started: time.Date(2026, 1, 2, 3, i, 0, 0, time.UTC), DurationMS: 10_000, Tool: report.Tool{CPUModel: cpu},
			Loads: []report.Load{{
				Name: "hello", Method: "HelloService/SayHello", OfferedRPS: 200, AchievedRPS: 200, Scheduled: 2000, Sent: 2000, Completed: 2000,
				Statuses: map[string]int64{"OK": 2000}, Response: report.Latencies(h), Service: report.Latencies(h), CPU: report.CPU{USPerCall: 20},
			}},
		}
		r.Finish()
		var b bytes.Buffer
		if err := report.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("%02d", i), "report.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// loadgen runs the program in this process.
func loadgen(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeRuns(t, "old", 8, time.Millisecond, "A")
	writeRuns(t, "new", 8, 1200*time.Microsecond, "A")
	writeRuns(t, "same", 8, time.Millisecond, "A")
	writeRuns(t, "few", 2, 2*time.Millisecond, "B")
	if err := os.WriteFile("noise.json", []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // patterns
	}{
		{"old new", 0, `(?m)^p50 .* worse$(?s:.*)\nWORSE: p50 of hello, p90 of hello, p99 of hello\n$`, `^$`},
		{"new old", 0, `\nBETTER: p50 of hello`, `^$`},
		{"old same", 0, `\nNO SIGNIFICANT CHANGE\n$`, `^$`},
		{"old/00 old/01/report.json old/02 old/03 old/04 old/05 -- new", 0, `^6 old runs against 8 new; 6 figures`, `^$`},
		{"old/*/report.json new", 0, `^8 old runs against 8 new`, `^$`},
		{"old few", 0, `differs: CPU model: old A; new B\n(?s:.*)NO VERDICT: 6 figures need 6 runs a side`, `^$`},
		{"old few --same-env", 1, `NO VERDICT`, `the runs differ in more than the target`},
		{"old same --same-env", 0, `NO SIGNIFICANT`, `^$`},
		{"old new --budget p99", 2, `^$`, `want a change with its sign`},
		{"old new --budget", 2, ``, `flag needs an argument`},
		{"old new old", 2, `^$`, `hint: give two reports or folders, or OLD... -- NEW...`},
		{"old -- old", 2, `^$`, `report.json is on both sides`},
		{"old missing", 2, `^$`, `missing: no such file(?s:.*)hint: give report.json files`},
		{"old missing/*.json", 2, `^$`, `no file matches`},
		{"old noise.json", 3, `^$`, `noise.json: read report: schema ""`},
		{"old new --format bogus", 2, `^$`, `formats are text, markdown, html, json`},
		{"old new --output bogus=x", 2, `^$`, `kinds are text`},
		{"old new --prove", 2, `^$`, `--prove needs a budget`},
		{"old new --min-effect 0", 2, `^$`, `not within`},
		{"old new --format markdown", 0, `^## Load comparison\n\n\*\*WORSE`, `^$`},
		{"old new --format json", 0, `^\{\n  "schema": "touchstone.compare/v1"`, `^$`},
		{"old new --format html", 0, `^<!doctype html>`, `^$`},
	} {
		code, stdout, stderr := loadgen(t, append([]string{"compare"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !regexp.MustCompile(tt.stdout).MatchString(stdout) || !regexp.MustCompile(tt.stderr).MatchString(stderr) {
			t.Errorf("compare %s: exit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", tt.args, code, tt.code, stdout, tt.stdout, stderr, tt.stderr)
		}
	}
}

// TestCompareBudgets: the exit code is that of the budgets.
func TestCompareBudgets(t *testing.T) {
	dir := t.TempDir()
	old, now := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	writeRuns(t, old, 8, time.Millisecond, "A")
	writeRuns(t, now, 8, 1200*time.Microsecond, "A")
	summary := filepath.Join(dir, "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	for _, tt := range []struct {
		flags []string
		code  int
		want  string
	}{
		{[]string{"--budget", "p50 +5%"}, 1, "broken "},
		{[]string{"--budget", "p50 +50%"}, 0, "kept "},
		{[]string{"--budget", "p50 +20%"}, 0, "not proven "},
		{[]string{"--budget", "p50 +20%", "--prove"}, 1, "not proven "},
		{[]string{"--budget", "p50 +50%", "--budget", "errors +0.1%", "--prove"}, 0, "kept "},
	} {
		markdown := filepath.Join(dir, "deep", "comparison.md")
		code, stdout, stderr := loadgen(t, append([]string{"compare", old, now, "--output", "markdown=" + markdown}, tt.flags...)...)
		if code != tt.code || !strings.Contains(stdout, "\n"+tt.want) {
			t.Errorf("%q: exit %d, want %d with %q\n%s%s", tt.flags, code, tt.code, tt.want, stdout, stderr)
		}
		if text, err := os.ReadFile(markdown); err != nil || !bytes.Contains(text, []byte(strings.TrimSpace(tt.want))) {
			t.Errorf("%q: the file reads %q, %v", tt.flags, text, err)
		}
	}
	if text, err := os.ReadFile(summary); err != nil || strings.Count(string(text), "## Load comparison") != 5 {
		t.Errorf("the summary of the step reads %q, %v", text, err)
	}
}
