package render

import (
	"fmt"
	"io"
	"strings"

	"touchstone/loadgen/compare"
)

// ComparisonMarkdown writes what a comparison tells in GitHub's Markdown, for
// a comment on a pull request.
func ComparisonMarkdown(w io.Writer, r *compare.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Load comparison\n\n**%s**\n\n%s.\n", escaped(comparisonVerdict(r)), escaped(runsText(r)))
	if len(r.Budgets) > 0 {
		var rows [][]string
		for _, o := range r.Budgets {
			rows = append(rows, []string{stateMark(o.State) + " " + string(o.State), o.Load, o.Budget, outcomeText(o)})
		}
		table(&b, []string{"budget", "load", "at most", "found"}, rows)
	}
	for _, l := range r.Loads {
		fmt.Fprintf(&b, "\n### %s\n", escaped(l.Name))
		var rows [][]string
		for _, c := range l.Changes {
			row := changeRow(c)
			row[len(row)-1] = strings.TrimSpace(verdictMark(c.Verdict) + " " + row[len(row)-1])
			rows = append(rows, row)
		}
		table(&b, changeColumns, rows)
	}
	if len(r.Environment) > 0 {
		var rows [][]string
		for _, d := range r.Environment {
			rows = append(rows, []string{d.What, strings.Join(d.Old, ", "), strings.Join(d.New, ", ")})
		}
		b.WriteString("\nThe runs differ in:\n")
		table(&b, []string{"what", "old", "new"}, rows)
	}
	for _, c := range append(explained(r), r.Cautions...) {
		fmt.Fprintf(&b, "\n> %s\n", escaped(c))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdictMark shows a verdict at a glance; what it means stands beside it.
func verdictMark(v compare.Verdict) string {
	switch v {
	case compare.Worse:
		return "🔴"
	case compare.Better:
		return "🟢"
	}
	return ""
}

func stateMark(s compare.State) string {
	switch s {
	case compare.Broken:
		return "🔴"
	case compare.Kept:
		return "🟢"
	}
	return "🟡"
}
