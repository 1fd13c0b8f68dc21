package html

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"touchstone/loadgen/report"
	"touchstone/server/source"
)

// Limits of the scenario tree.
const (
	maxScenarios = 2000
	maxExchange  = 50 // messages of one step
	context      = 3  // equal lines around the differing ones
)

// folder is the scenarios of one directory.
type folder struct {
	Name              string
	Open              bool
	Total, Good, Rest int // Rest is neither passed nor failed
	Scenarios         []scenario
}

// scenario is a scenario with its failures' source.
type scenario struct {
	*report.Scenario
	ID    int
	Open  bool
	Steps []step
}

type step struct {
	*report.Step
	Bad         bool
	Failures    []failure
	Exchange    []report.Message
	CutMessages int
}

type failure struct {
	report.Failure
	Place     string
	Excerpt   string
	Want, Got []part
}

// part is a piece of a value; Differs marks what the other value does not have.
type part struct {
	Text    string
	Differs bool
}

// folders groups scenarios by directory, in the order in which they stand.
func folders(all []report.Scenario) []folder {
	var out []folder
	index := map[string]int{}
	for i := range all {
		name := path.Dir(strings.ReplaceAll(all[i].File, `\`, "/"))
		at, ok := index[name]
		if !ok {
			at = len(out)
			index[name] = at
			out = append(out, folder{Name: name})
		}
		out[at].add(newScenario(i, &all[i]))
	}
	return out
}

func (f *folder) add(s scenario) {
	f.Total++
	switch {
	case s.Status == report.Passed:
		f.Good++
	case s.Open:
		f.Open = true
	default:
		f.Rest++
	}
	f.Scenarios = append(f.Scenarios, s)
}

// Bad is how many failed, or could not be run.
func (f folder) Bad() int { return f.Total - f.Good - f.Rest }

func newScenario(id int, s *report.Scenario) scenario {
	out := scenario{Scenario: s, ID: id, Open: s.Status == report.Failed || s.Status == report.Error}
	for i := range s.Steps {
		one := step{Step: &s.Steps[i], Bad: len(s.Steps[i].Failures) > 0}
		one.Exchange = one.Step.Exchange[:min(len(one.Step.Exchange), maxExchange)]
		one.CutMessages = len(one.Step.Exchange) - len(one.Exchange)
		for _, f := range one.Step.Failures {
			shown := failure{Failure: f, Place: visible(place(f)), Excerpt: excerpt(f)}
			shown.Want, shown.Got = fieldDiff(f.Want, f.Got)
			one.Failures = append(one.Failures, shown)
		}
		out.Steps = append(out.Steps, one)
	}
	return out
}

// place is as much of file:line:col as is known.
func place(f report.Failure) string {
	out := f.File
	for _, n := range []int{f.Line, f.Column} {
		if n == 0 {
			break
		}
		out += ":" + strconv.Itoa(n)
	}
	return out
}

// excerpt returns the failing line with a caret under its column, "" when the
// report has no source.
func excerpt(f report.Failure) string {
	if f.Source == "" || f.Line == 0 {
		return ""
	}
	// Rune for rune, so that the caret stays where it is.
	line := []rune(f.Source)
	for i, r := range line {
		if v := visible(string(r)); v != string(r) && r != '\t' {
			line[i] = '\uFFFD'
		}
	}
	return source.Excerpt(string(line[:min(len(line), maxText)]), source.Pos{Line: f.Line, Col: f.Column})
}

// fieldDiff marks where two values differ: what lies between their common start
// and end, by lines when either has several, else by characters.
func fieldDiff(want, got string) (left, right []part) {
	if want == "" || got == "" {
		return whole(want), whole(got)
	}
	if strings.Contains(want, "\n") || strings.Contains(got, "\n") {
		a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
		start, end := common(a, b)
		return lines(a, start, end), lines(b, start, end)
	}
	a, b := []rune(want), []rune(got)
	start, end := common(a, b)
	if start+end == 0 || len(a)+len(b) > 2*maxText {
		return whole(want), whole(got) // nothing in common: marking all of it says nothing
	}
	return characters(a, start, end), characters(b, start, end)
}

// whole is a value without marks.
func whole(s string) []part {
	if s == "" {
		return nil
	}
	return []part{{visible(s), false}}
}

// common returns how many elements a and b share at their start and end.
func common[T comparable](a, b []T) (start, end int) {
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return start, end
}

func characters(all []rune, start, end int) []part {
	return parts(visible(string(all[:start])), visible(string(all[start:len(all)-end])), visible(string(all[len(all)-end:])))
}

// lines shows the lines that differ with a few equal ones around them.
func lines(all []string, start, end int) []part {
	from, to := max(start-context, 0), min(len(all)-end+context, len(all))
	before, after := shownLines(all[from:start]), shownLines(all[len(all)-end:to])
	if from > 0 {
		before = "…\n" + before
	}
	if to < len(all) {
		after += "…"
	}
	return parts(before, shownLines(all[start:len(all)-end]), after)
}

func shownLines(all []string) string {
	var b strings.Builder
	for _, line := range all {
		text, ended := strings.CutSuffix(line, "\n")
		b.WriteString(visible(text))
		if ended {
			b.WriteByte('\n')
		}
	}
	return cutText(b.String())
}

func parts(before, differs, after string) []part {
	all := []part{{before, false}, {differs, true}, {after, false}}
	return slices.DeleteFunc(all, func(p part) bool { return p.Text == "" })
}
