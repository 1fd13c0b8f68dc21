package render_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// failures is a report with n failures of one scenario, in foreign words.
func failures(n int, words string) *report.Report {
	s := report.Scenario{Name: "greet", File: "scenarios/greet.yaml", Status: report.Failed}
	for i := range n {
		s.Steps = append(s.Steps, report.Step{ID: fmt.Sprint("step", i), Failures: []report.Failure{{
			File: "scenarios/greet.yaml", Line: i + 1, Column: 3, Field: "message.reply", Want: words, Got: words,
		}}})
	}
	return &report.Report{Name: "run", Scenarios: []report.Scenario{s}}
}

func annotated(t *testing.T, r *report.Report, root, dir string) []string {
	t.Helper()
	var b bytes.Buffer
	if err := render.Annotations(&b, r, root, dir); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestAnnotations(t *testing.T) {
	got := annotated(t, failures(1, "100%: a, b"), "/home/runner/work", "/home/runner/work/sub")
	want := "::error file=sub/scenarios/greet.yaml,line=1,col=3,title=greet%2C step step0::message.reply: want 100%25: a, b, got 100%25: a, b"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := annotated(t, failures(1, "x"), "/elsewhere", "/home")[0]; !strings.Contains(got, "file=scenarios/greet.yaml,") {
		t.Errorf("outside of the root: %q", got)
	}
}

func TestAnnotationsKeepToTheLimit(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 10: 10, 11: 10, 500: 10} {
		lines := annotated(t, failures(n, "x"), "", "")
		if len(lines) != want {
			t.Errorf("%d failures have %d annotations, want %d", n, len(lines), want)
		}
		last := lines[len(lines)-1]
		if said := strings.Contains(last, fmt.Sprintf("and %d more failures", n-9)); said != (n > 10) {
			t.Errorf("%d failures: the last annotation is %q", n, last)
		}
	}
}

// TestAnnotationsAreOneLineEach: whatever foreign text holds, a workflow
// command begins and ends with its line, and none begins within another.
func TestAnnotationsAreOneLineEach(t *testing.T) {
	command := regexp.MustCompile(`^::error (file=[^,:]*,line=[0-9]+,col=[0-9]+,|file=[^,:]*,line=[0-9]+,)?title=[^,:]*::[^\r\n]*$`)
	r := judgedReport()
	r.Scenarios = append(r.Scenarios, failures(1, evil+"\n::error::forged\r::stop-commands::x").Scenarios...)
	r.Scenarios = append(r.Scenarios, report.Scenario{Name: evil, File: evil, Status: report.Error, Reason: evil})
	for i := range r.Scenarios { // each on its own, so that the limit hides none
		one := &report.Report{Scenarios: r.Scenarios[i : i+1], Thresholds: r.Thresholds, Retry: r.Retry}
		for _, line := range annotated(t, one, "", "") {
			if !command.MatchString(line) {
				t.Errorf("%q", line)
			}
		}
	}
}

func TestStepSummaryKeepsToTheLimit(t *testing.T) {
	r := failures(3000, strings.Repeat("long ", 100)+"```")
	for _, room := range []int{render.MaxStepSummary, 5000, 700, 0, -1} {
		var b bytes.Buffer
		if err := render.StepSummary(&b, r, room); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if len(text) > max(room, 0) {
			t.Errorf("%d bytes in a room of %d", len(text), room)
		}
		if room > 1000 && (len(text) < room-3000 || !strings.HasSuffix(text, "The report has all of it.\n")) {
			t.Errorf("a room of %d: %d bytes, ending in %q", room, len(text), text[max(len(text)-100, 0):])
		}
		if fences := regexp.MustCompile("(?m)^````").FindAllString(text, -1); len(fences)%2 != 0 {
			t.Errorf("a room of %d: %d fences, so one is open", room, len(fences))
		}
	}
	var whole, short bytes.Buffer
	if err := render.Markdown(&whole, full()); err != nil {
		t.Fatal(err)
	}
	if err := render.StepSummary(&short, full(), render.MaxStepSummary); err != nil {
		t.Fatal(err)
	}
	if whole.String() != short.String() {
		t.Error("a short summary is not the summary")
	}
}
