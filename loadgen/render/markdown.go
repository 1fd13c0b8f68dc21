package render

import (
	"fmt"
	"io"
	"strings"

	"touchstone/loadgen/report"
)

// Markdown writes r as a summary in GitHub's Markdown.
func Markdown(w io.Writer, r *report.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n**%s**\n\n", escaped(r.Name), escaped(verdict(r)))
	fmt.Fprintf(&b, "Target %s, seed %d, started %s.\n",
		code(targetName(r.Target)), r.Seed, r.Started.UTC().Format("2006-01-02 15:04:05 MST"))
	for _, reason := range r.Validity.Reasons {
		fmt.Fprintf(&b, "\n> **Not valid:** %s\n", escaped(reason))
	}
	markdownScenarios(&b, r.Scenarios)
	markdownFailures(&b, r.Scenarios)
	markdownCapacity(&b, r.Capacity)
	markdownLoads(&b, r)
	markdownDifferences(&b, r.Diff)
	markdownThresholds(&b, r.Thresholds)
	markdownRetry(&b, r.Retry)
	_, err := io.WriteString(w, b.String())
	return err
}

// targetName says what was tested.
func targetName(t report.Target) string {
	switch {
	case t.Address == "":
		return "unknown"
	case t.Embedded:
		return t.Address + " (embedded reference server)"
	}
	return t.Address
}

func markdownScenarios(b *strings.Builder, scenarios []report.Scenario) {
	if len(scenarios) == 0 {
		return
	}
	b.WriteString("\n## Scenarios\n")
	var rows [][]string
	for _, s := range scenarios {
		rows = append(rows, []string{
			string(s.Status), s.Name, s.File, fmt.Sprint(len(s.Steps)), latency(&s.DurationMS), s.Reason,
		})
	}
	table(b, []string{"status", "scenario", "file", "steps", "took", "reason"}, rows)
}

func markdownFailures(b *strings.Builder, scenarios []report.Scenario) {
	head := "\n## Failures\n"
	for _, s := range scenarios {
		if s.Status == report.KnownFailing {
			continue
		}
		for _, step := range s.Steps {
			for _, f := range step.Failures {
				fmt.Fprintf(b, "%s\n### %s, step %s\n\n%s\n", head, escaped(s.Name), escaped(step.ID), block(details(f)))
				head = ""
			}
		}
	}
}

func markdownLoads(b *strings.Builder, r *report.Report) {
	if len(r.Loads) == 0 {
		return
	}
	b.WriteString("\n## Load\n\nResponse times, from the moment a call was due.\n")
	var rows [][]string
	for _, l := range r.Loads {
		rows = append(rows, loadRow(l))
	}
	table(b, loadColumns, rows)
	for _, l := range r.Loads {
		for _, remark := range remarks(l) {
			fmt.Fprintf(b, "\n> %s\n", escaped(remark))
		}
	}
}

func markdownThresholds(b *strings.Builder, thresholds []report.Threshold) {
	if len(thresholds) == 0 {
		return
	}
	b.WriteString("\n## Thresholds\n")
	var rows [][]string
	for _, t := range thresholds {
		rows = append(rows, []string{passedWord(t.Passed), t.Load, t.Expression, judged(t)})
	}
	table(b, []string{"status", "load", "threshold", "measured"}, rows)
}

func markdownRetry(b *strings.Builder, checks []report.Retry) {
	if len(checks) == 0 {
		return
	}
	b.WriteString("\n## Retry checks\n")
	var rows [][]string
	for _, c := range checks {
		rows = append(rows, []string{c.Verdict, c.ID, c.Expected, c.Observed})
	}
	table(b, []string{"verdict", "check", "expected", "observed"}, rows)
}

func passedWord(passed bool) string {
	if passed {
		return string(report.Passed)
	}
	return string(report.Failed)
}

// table writes a table with a blank line before it.
func table(b *strings.Builder, head []string, rows [][]string) {
	fmt.Fprintf(b, "\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = escaped(cell)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

// markup are the characters that mean something to Markdown, or to HTML within
// it, wherever they stand.
const markup = "\\`*_{}[]<>#|~&!"

// escaped returns text that Markdown shows as it is, on one line.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range visible(s) {
		if strings.ContainsRune(markup, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code returns s as inline code, fenced by more backticks than it contains.
func code(s string) string {
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + visible(s) + fence
}

// block returns text as a code block, fenced by more backticks than it
// contains.
func block(text string) string {
	fence := strings.Repeat("`", max(longestRun(text, '`')+1, 3))
	return fence + "text\n" + text + "\n" + fence
}

// longestRun returns the length of the longest run of c.
func longestRun(s string, c rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
