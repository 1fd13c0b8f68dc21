package render

import (
	"fmt"
	"strings"

	"touchstone/loadgen/report"
)

// maxShownGroups bounds the differences that are written out; the report has
// all of them.
const maxShownGroups = 50

// differences counts what a comparison of answers found.
func differences(d *report.Diff) string {
	if d.Different == 0 {
		return fmt.Sprintf("no differences in %s", plural(d.Calls, "call"))
	}
	return fmt.Sprintf("%s in %d of %s", plural(len(d.Groups), "distinct difference"), d.Different, plural(d.Calls, "call"))
}

// differences writes each distinct difference with an example, and the rule
// that would ignore it.
func (t *textWriter) differences(r *report.Report) {
	for _, warning := range r.Warnings {
		t.line("%s", t.paint(yellow, visible("note: "+warning)))
	}
	d := r.Diff
	if d == nil {
		return
	}
	color := green
	if d.Different > 0 {
		color = red
	}
	t.line("\n%s%s", t.paint(color, differences(d)), takenAway(d))
	if d.Recorded != nil && len(r.Loads) == 1 {
		t.line("took%s; in the recording%s", quantiles(r.Loads[0].Service), quantiles(*d.Recorded))
	}
	for i, g := range d.Groups {
		if i == maxShownGroups {
			t.line("\n    and %d more, see the report", len(d.Groups)-i)
			return
		}
		t.line("\n%s  %s  %s", t.paint(bold, visible(g.Path)), t.paint(red, visible(g.Kind)),
			t.paint(faint, visible(fmt.Sprintf("%s, in %s, such as call %d", g.Method, plural(g.Count, "call"), g.Example.Call))))
		t.line("    want    %s", visible(orNothing(g.Example.Want)))
		t.line("    got     %s", visible(orNothing(g.Example.Got)))
		t.line("    %s", t.paint(faint, visible("ignore  --ignore "+shellQuoted(g.Ignore))))
	}
}

// quantiles writes those that the sample supports, and the longest.
func quantiles(l report.Latency) string {
	text := ""
	for _, q := range []struct {
		name  string
		value *float64
	}{{"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"at most", &l.Max}} {
		if q.value != nil {
			text += " " + q.name + " " + latency(q.value)
		}
	}
	return text
}

// takenAway says what does not count.
func takenAway(d *report.Diff) string {
	var parts []string
	if d.Noise > 0 {
		parts = append(parts, fmt.Sprintf("%d taken away as noise of the baseline", d.Noise))
	}
	if d.Ignored > 0 {
		parts = append(parts, fmt.Sprintf("%d ignored by rules", d.Ignored))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}

// shellQuoted returns a text as one word of a shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// markdownDifferences writes the differences as a table.
func markdownDifferences(b *strings.Builder, d *report.Diff) {
	if d == nil {
		return
	}
	fmt.Fprintf(b, "\n## Differences\n\n%s%s.\n", escaped(differences(d)), escaped(takenAway(d)))
	if len(d.Groups) == 0 {
		return
	}
	var rows [][]string
	for i, g := range d.Groups {
		if i == maxShownGroups {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(d.Groups)-i), "", "", "", "", ""})
			break
		}
		rows = append(rows, []string{fmt.Sprint(g.Count), g.Method, g.Path, g.Kind, orNothing(g.Example.Want), orNothing(g.Example.Got)})
	}
	table(b, []string{"calls", "method", "path", "kind", "want", "got"}, rows)
}

// diffCases returns a case for each distinct difference, or one that passed.
func diffCases(d *report.Diff) []junitCase {
	if d == nil {
		return nil
	}
	if len(d.Groups) == 0 {
		return []junitCase{{Name: visible(differences(d)), ClassName: "difference", Time: "0"}}
	}
	var cases []junitCase
	for _, g := range d.Groups {
		text := fmt.Sprintf("%s %s in %s", g.Path, g.Kind, plural(g.Count, "call"))
		c := junitCase{Name: visible(g.Path + " " + g.Kind), ClassName: visible("difference." + g.Method), Time: "0"}
		c.Failure = &junitMessage{Message: visible(text), Type: "difference",
			Text: fmt.Sprintf("call %d\nwant %s\ngot  %s\nignore it with: %s", g.Example.Call,
				visible(orNothing(g.Example.Want)), visible(orNothing(g.Example.Got)), visible(g.Ignore))}
		cases = append(cases, c)
	}
	return cases
}
