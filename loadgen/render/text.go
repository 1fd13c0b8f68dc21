package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"touchstone/loadgen/report"
)

// TextOptions says how Text writes. The zero value suits a file.
type TextOptions struct {
	Color bool // ANSI colours
	Width int  // columns of the terminal; 0 is 120
	// Paths are the files where the report was written, named at the end.
	Paths []string
	// Quiet leaves out scenarios that passed.
	Quiet bool
}

// textWriter collects the text of one report.
type textWriter struct {
	strings.Builder
	TextOptions
	screen bool // there is a width to keep to
}

// Text writes r for a terminal: a table of scenarios, each failure with the
// place and line that states the expectation, a table of loads, thresholds,
// the verdict, and where the report is.
func Text(w io.Writer, r *report.Report, options TextOptions) error {
	screen := options.Width > 0
	if !screen {
		options.Width = 120
	}
	t := &textWriter{TextOptions: options, screen: screen}
	t.scenarios(r.Scenarios)
	t.failures(r.Scenarios)
	t.capacity(r.Capacity)
	t.loads(r.Loads)
	t.differences(r)
	t.thresholds(r.Thresholds)
	t.retry(r.Retry)
	t.end(r)
	_, err := io.WriteString(w, t.String())
	return err
}

// The ANSI colours in use.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// paint returns text in a colour, when colours are asked for.
func (t *textWriter) paint(color, text string) string {
	if !t.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// statusColor returns the colour of an outcome.
func statusColor(status string) string {
	switch status {
	case "passed", "pass":
		return green
	case "failed", "error", "fail":
		return red
	}
	return yellow
}

// line writes one line.
func (t *textWriter) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// Widths of the columns of the scenario table.
const (
	statusWidth = 13 // "known_failing"
	stepsWidth  = 9
	tookWidth   = 10
)

func (t *textWriter) scenarios(scenarios []report.Scenario) {
	rest := max(t.Width-statusWidth-stepsWidth-tookWidth-4, 20)
	unrun := 0
	for _, s := range scenarios {
		if s.Status == report.Skipped && s.Reason == report.Interrupted {
			unrun++
			continue
		}
		if t.Quiet && s.Status == report.Passed {
			continue
		}
		label := s.Name
		if s.File != "" {
			label += "  " + s.File
		}
		t.line("%s %s %*s %*s",
			t.paint(statusColor(string(s.Status)), fit(string(s.Status), statusWidth)), fit(visible(label), rest),
			stepsWidth, plural(len(s.Steps), "step"), tookWidth, latency(&s.DurationMS))
		if s.Reason != "" {
			t.line("%s %s", strings.Repeat(" ", statusWidth), t.paint(faint, cut(visible(s.Reason), t.Width-statusWidth-1)))
		}
	}
	if unrun > 0 { // what nobody has waited for takes one line
		t.line("%s %s", t.paint(statusColor(string(report.Skipped)), fit(string(report.Skipped), statusWidth)),
			plural(unrun, "scenario")+", since the run was interrupted")
	}
}

// loads writes a table whose columns are as wide as their contents; the name
// gives way when the terminal is narrow.
func (t *textWriter) loads(loads []report.Load) {
	if len(loads) == 0 {
		return
	}
	rows := [][]string{loadColumns}
	for _, l := range loads {
		rows = append(rows, loadRow(l))
	}
	var without []string
	if t.screen {
		rows, without = t.narrowed(rows)
	}
	t.line("")
	t.grid(rows, func(column int) bool { return column > 0 && rows[0][column] != "kind" })
	if len(without) > 0 {
		t.line("%s", t.paint(faint, "(too narrow for "+strings.Join(without, ", ")+": see the report)"))
	}
	for _, l := range loads {
		for _, remark := range remarks(l) {
			t.line("%s", t.paint(yellow, visible("note: "+remark)))
		}
	}
}

// expendable are the columns of the load table that go first where there is no
// room for all.
var expendable = []string{"kind", "p90", "lag p99", "offered/s"}

// narrowed leaves columns out until the table fits the width, and returns which.
func (t *textWriter) narrowed(rows [][]string) (left [][]string, without []string) {
	for _, name := range expendable {
		if t.fits(rows) {
			break
		}
		k := slices.Index(rows[0], name)
		for i, row := range rows {
			rows[i] = slices.Delete(slices.Clone(row), k, k+1)
		}
		without = append(without, name)
	}
	return rows, without
}

// fits reports whether rows are no wider than the terminal.
func (t *textWriter) fits(rows [][]string) bool {
	total := 0
	for _, w := range t.widths(rows) {
		total += w + 2
	}
	return total-2 <= t.Width
}

// grid writes rows, the first one a heading, in columns as wide as their
// contents; right says which of them hold figures.
func (t *textWriter) grid(rows [][]string, right func(column int) bool) {
	widths := t.widths(rows)
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = aligned(visible(cell), widths[j], right(j))
		}
		text := strings.TrimRight(strings.Join(cells, "  "), " ")
		if i == 0 {
			text = t.paint(faint, text)
		}
		t.line("%s", text)
	}
}

// minName is how narrow the name of a load may become.
const minName = 20

// widths returns the width of each column, the first cut to what is left.
func (t *textWriter) widths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for j, cell := range row {
			widths[j] = max(widths[j], columns(visible(cell)))
		}
	}
	rest := t.Width
	for _, w := range widths[1:] {
		rest -= w + 2
	}
	widths[0] = min(widths[0], max(rest, minName))
	return widths
}

// aligned returns text in n columns, at the right for figures.
func aligned(text string, n int, right bool) string {
	if right {
		return strings.Repeat(" ", max(n-columns(text), 0)) + text
	}
	return fit(text, n)
}

func (t *textWriter) thresholds(thresholds []report.Threshold) {
	if len(thresholds) > 0 {
		t.line("")
	}
	for _, one := range thresholds {
		status := passedWord(one.Passed)
		t.line("%s %s: %s: %s", t.paint(statusColor(status), fit(status, statusWidth)),
			visible(one.Load), visible(one.Expression), visible(judged(one)))
	}
}

func (t *textWriter) retry(checks []report.Retry) {
	if len(checks) > 0 {
		t.line("")
	}
	for _, c := range checks {
		t.line("%s %s: want %s, got %s", t.paint(statusColor(c.Verdict), fit(visible(c.Verdict), statusWidth)),
			visible(c.ID), visible(c.Expected), visible(c.Observed))
	}
}

// end writes the verdict and where the report is.
func (t *textWriter) end(r *report.Report) {
	if t.Len() > 0 {
		t.line("")
	}
	for _, reason := range r.Validity.Reasons {
		t.line("%s", t.paint(yellow, visible("not valid: "+reason)))
	}
	color := green
	if !r.Passed {
		color = red
	}
	t.line("%s", t.paint(color, visible(verdict(r))))
	for i, path := range t.Paths {
		label := "reports: "
		if i > 0 {
			label = "         "
		}
		t.line("%s%s", label, visible(path))
	}
}
