package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// ComparisonJSON writes what a comparison tells as indented JSON.
func ComparisonJSON(w io.Writer, r *compare.Result) error {
	text, err := report.JSON(r, "  ")
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

// ComparisonText writes what a comparison tells for a terminal: what the runs
// differ in, a table of each load, the budgets and the verdict.
func ComparisonText(w io.Writer, r *compare.Result, options TextOptions) error {
	if options.Width <= 0 {
		options.Width = 120
	}
	t := &textWriter{TextOptions: options}
	t.line("%s", visible(runsText(r)))
	t.comparedEnvironment(r)
	for _, l := range r.Loads {
		t.line("\n%s", t.paint(bold, visible(l.Name)))
		t.changes(l)
	}
	if notes := explained(r); len(notes) > 0 {
		t.line("\n%s", t.paint(faint, strings.Join(notes, "\n")))
	}
	if len(r.Budgets) > 0 {
		t.line("")
	}
	for _, o := range r.Budgets {
		t.line("%s %s: %s: %s", t.paint(stateColor(o.State), fit(string(o.State), statusWidth)), visible(o.Load), o.Budget, visible(outcomeText(o)))
	}
	t.line("\n%s", t.paint(verdictColor(r.Verdict), visible(comparisonVerdict(r))))
	_, err := io.WriteString(w, t.String())
	return err
}

// comparedEnvironment writes what the runs differ in, and what weakens the
// comparison.
func (t *textWriter) comparedEnvironment(r *compare.Result) {
	if len(r.Environment) == 0 {
		t.line("environment: the same on both sides")
	}
	for _, d := range r.Environment {
		t.line("%s %s", t.paint(yellow, "differs:"), visible(differenceText(d)))
	}
	for _, c := range r.Cautions {
		t.line("%s", t.paint(yellow, visible("note: "+c)))
	}
}

// roomyTable is how wide a terminal is on which columns stand two blanks apart.
const roomyTable = 90

// changes writes the table of a load.
func (t *textWriter) changes(l compare.Load) {
	rows := [][]string{changeColumns}
	for _, c := range l.Changes {
		rows = append(rows, changeRow(c))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for j, cell := range row {
			widths[j] = max(widths[j], columns(cell))
		}
	}
	gap := "  "
	if t.Width < roomyTable {
		gap = " "
	}
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = aligned(cell, widths[j], j > 0 && j < len(row)-1)
		}
		last := len(cells) - 1
		color := faint
		if i > 0 {
			color = verdictColor(l.Changes[i-1].Verdict)
		}
		t.line("%s%s%s", strings.Join(cells[:last], gap), gap, t.paint(color, strings.TrimRight(cells[last], " ")))
	}
}

// runsText says how many runs are compared, and by which rule.
func runsText(r *compare.Result) string {
	return fmt.Sprintf("%s against %d new; %s, whose intervals hold together with 95 %%", plural(r.Old.Runs, "old run"), r.New.Runs, plural(r.Figures, "figure"))
}

func differenceText(d compare.Difference) string {
	side := func(values []string) string {
		if len(values) == 0 {
			return "unknown"
		}
		return strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s: old %s; new %s", d.What, side(d.Old), side(d.New))
}

// changeColumns are the heads of the table of changes.
var changeColumns = []string{"figure", "old", "new", "change", "interval", "verdict"}

// changeRow returns a change as a row under changeColumns.
func changeRow(c compare.Change) []string {
	row := []string{string(c.Metric), figure(c.Metric, c.OldMid.Median), figure(c.Metric, c.NewMid.Median), "-", "-", verdictText(c)}
	if c.Effect != nil {
		row[3] = effectText(c.Metric, c.Effect.Estimate)
		row[4] = intervalText(c.Metric, *c.Effect)
	}
	return row
}

// figure writes a value of a figure with its unit.
func figure(m compare.Metric, v float64) string {
	switch m {
	case compare.Throughput:
		return number(v) + "/s"
	case compare.Errors:
		return number(100*v) + " %"
	case compare.CPU:
		return number(v) + " µs"
	}
	return latency(&v)
}

// effectText writes an effect: in per cent, or for errors in percentage points.
func effectText(m compare.Metric, v float64) string {
	unit := "%"
	if !m.Relative() {
		unit = "pp"
	}
	if v = 100 * v; v > -0.005 && v < 0.005 {
		v = 0 // no "-0.00"
	}
	if m.Relative() {
		return fmt.Sprintf("%+.1f %s", v, unit)
	}
	return fmt.Sprintf("%+.2f %s", v, unit)
}

// intervalText writes an interval with its unit once.
func intervalText(m compare.Metric, e compare.Effect) string {
	low, _, _ := strings.Cut(effectText(m, e.Low), " ")
	return fmt.Sprintf("%s to %s", low, effectText(m, e.High))
}

// indications explain what is shown without a verdict.
var indications = map[compare.Basis]string{
	compare.OfFewRuns: "no verdict (range): too few runs, so the interval is the range of all differences between them",
	compare.OfCalls:   "no verdict (calls): of single runs, so the interval is what their calls show, without how runs differ",
}

// explained returns what has to be explained of a comparison.
func explained(r *compare.Result) []string {
	var out []string
	for _, basis := range []compare.Basis{compare.OfFewRuns, compare.OfCalls} {
		for _, l := range r.Loads {
			if slices.ContainsFunc(l.Changes, func(c compare.Change) bool { return c.Basis == basis }) {
				out = append(out, indications[basis])
				break
			}
		}
	}
	return out
}

// verdictText says what is known of a change.
func verdictText(c compare.Change) string {
	switch {
	case c.Verdict == compare.Unchanged:
		return "no significant change"
	case c.Basis == compare.OfCalls:
		return "no verdict (calls)"
	case c.Basis == compare.OfFewRuns:
		return "no verdict (range)"
	case c.Verdict == compare.Undecided:
		return "no verdict"
	}
	return string(c.Verdict)
}

// outcomeText says what became of a budget.
func outcomeText(o compare.Outcome) string {
	if o.Effect == nil {
		return o.Message
	}
	m := compare.Metric(strings.Fields(o.Budget)[0])
	return fmt.Sprintf("%s (%s): %s", effectText(m, o.Effect.Estimate), intervalText(m, *o.Effect), o.Message)
}

// comparisonVerdict is the last word on a comparison.
func comparisonVerdict(r *compare.Result) string {
	found := map[compare.Verdict][]string{}
	for _, l := range r.Loads {
		for _, c := range l.Changes {
			found[c.Verdict] = append(found[c.Verdict], strings.TrimSpace(fmt.Sprintf("%s of %s", c.Metric, l.Name)))
		}
	}
	var parts []string
	switch r.Verdict {
	case compare.Undecided:
		parts = append(parts, fmt.Sprintf("NO VERDICT: %d figures need %d runs a side", r.Figures, compare.NeededRuns(r.Figures)))
	case compare.Unchanged:
		parts = append(parts, "NO SIGNIFICANT CHANGE")
	default:
		for _, v := range []compare.Verdict{compare.Worse, compare.Better} {
			if len(found[v]) > 0 {
				parts = append(parts, strings.ToUpper(string(v))+": "+strings.Join(found[v], ", "))
			}
		}
	}
	if n := count(r.Budgets, func(o compare.Outcome) bool { return o.State == compare.Broken }); n > 0 {
		parts = append(parts, plural(n, "budget")+" broken")
	}
	if n := count(r.Budgets, func(o compare.Outcome) bool { return o.State == compare.NotProven }); n > 0 {
		parts = append(parts, plural(n, "budget")+" not proven")
	}
	return strings.Join(parts, "; ")
}

func verdictColor(v compare.Verdict) string {
	switch v {
	case compare.Worse:
		return red
	case compare.Better:
		return green
	case compare.Unchanged:
		return faint
	}
	return yellow
}

func stateColor(s compare.State) string {
	switch s {
	case compare.Broken:
		return red
	case compare.Kept:
		return green
	}
	return yellow
}

// ComparisonHTML writes what a comparison tells as one self-contained page.
func ComparisonHTML(w io.Writer, r *compare.Result) error {
	return html.WriteComparison(w, html.Comparison{
		Result: r, Verdict: comparisonVerdict(r), Runs: runsText(r), Notes: explained(r), Columns: changeColumns, Row: changeRow, Outcome: outcomeText,
	})
}
