package render

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"touchstone/loadgen/report"
	"touchstone/server/source"
)

// What all views say in the same words.

// place returns "file:line:col", as much of it as is known.
func place(f report.Failure) string {
	switch {
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// excerpt returns the source line of a failure with a caret, "" when the
// failure has none.
func excerpt(f report.Failure) string {
	if f.Source == "" || f.Line == 0 {
		return ""
	}
	// Rune for rune, so that the caret stays where it is.
	line := strings.Map(func(r rune) rune {
		if acts(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, f.Source)
	return source.Excerpt(line, source.Pos{Line: f.Line, Col: f.Column})
}

// wantGot returns the lines that say what was expected and what came.
func wantGot(f report.Failure) []string {
	var lines []string
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, fmt.Sprintf("%-7s %s", label, visible(text)))
		}
	}
	add("field", f.Field)
	add("want", f.Want)
	add("got", f.Got)
	add("message", f.Message)
	return lines
}

// details returns a failure as plain text of several lines.
func details(f report.Failure) string {
	lines := []string{visible(place(f))}
	if text := excerpt(f); text != "" {
		lines = append(lines, text)
	}
	return strings.Join(append(lines, wantGot(f)...), "\n")
}

// summary returns a failure on one line.
func summary(f report.Failure) string {
	switch {
	case f.Message != "" && f.Field != "":
		return f.Field + ": " + f.Message
	case f.Message != "":
		return f.Message
	}
	return fmt.Sprintf("%s: want %s, got %s", f.Field, f.Want, f.Got)
}

// verdict returns the last word on a run: what passed, and why it did not.
func verdict(r *report.Report) string {
	what := strings.Join(contents(r), ", ")
	took := time.Duration(r.DurationMS * float64(time.Millisecond)).Round(time.Millisecond)
	if r.Passed {
		return fmt.Sprintf("PASSED: %s in %s", what, took)
	}
	return fmt.Sprintf("FAILED (exit %d): %s in %s", r.ExitCode, what, took)
}

// contents counts what a report holds.
func contents(r *report.Report) []string {
	var out []string
	add := func(total, failed int, one string) {
		if total == 0 {
			return
		}
		text := plural(total, one)
		if failed > 0 {
			text += fmt.Sprintf(" (%d failed)", failed)
		}
		out = append(out, text)
	}
	add(len(r.Scenarios), count(r.Scenarios, func(s report.Scenario) bool { return s.Status == report.Failed || s.Status == report.Error }), "scenario")
	add(len(r.Loads), count(r.Loads, func(l report.Load) bool { return l.AllFailed() }), "load")
	add(len(r.Thresholds), count(r.Thresholds, func(t report.Threshold) bool { return !t.Passed }), "threshold")
	add(len(r.Retry), count(r.Retry, func(c report.Retry) bool { return c.Verdict == "fail" }), "retry check")
	if r.Diff != nil {
		out = append(out, differences(r.Diff))
	}
	if r.Capacity != nil {
		out = append(out, "a search of "+plural(len(r.Capacity.Points), "run"))
	}
	if !r.Validity.Valid {
		out = append(out, "the run is not valid")
	}
	if len(out) == 0 {
		out = append(out, "nothing was run")
	}
	return out
}

func count[T any](all []T, fits func(T) bool) int {
	n := 0
	for _, one := range all {
		if fits(one) {
			n++
		}
	}
	return n
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// judged returns a threshold's value beside its limit, or why there is none.
func judged(t report.Threshold) string {
	if t.Message != "" {
		return t.Message
	}
	// The unit is what follows the number at the end of the expression.
	words := strings.Fields(t.Expression)
	unit := ""
	if len(words) > 0 {
		unit = strings.TrimLeft(words[len(words)-1], "+-.0123456789e")
	}
	return "got " + number(t.Value) + unit
}

// number writes a figure with four significant digits and no exponent for the
// sizes that occur.
func number(v float64) string {
	if v >= 1000 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// latency writes milliseconds in the unit that reads best, "-" for a quantile
// that the sample does not support.
func latency(ms *float64) string {
	switch {
	case ms == nil:
		return "-"
	case *ms >= 1000:
		return fmt.Sprintf("%.2f s", *ms/1000)
	case *ms >= 1:
		return fmt.Sprintf("%.2f ms", *ms)
	}
	return fmt.Sprintf("%.0f µs", *ms*1000)
}

// loadColumns are the heads of the load table.
var loadColumns = []string{"load", "kind", "offered/s", "achieved/s", "p50", "p90", "p99", "max", "lag p99", "errors", "dropped"}

// loadRow returns a load as a row under loadColumns.
func loadRow(l report.Load) []string {
	offered := number(l.OfferedRPS)
	if l.Closed() {
		offered = "closed"
	}
	return []string{
		l.Name, l.Kind, offered, number(l.AchievedRPS),
		latency(l.Response.P50), latency(l.Response.P90), latency(l.Response.P99), latency(&l.Response.Max),
		latency(l.Lag.P99), failedCalls(l), fmt.Sprint(l.Dropped),
	}
}

// failedCalls counts those that did not end OK. Of recorded calls they may be
// as they should: the differences say which are not.
func failedCalls(l report.Load) string {
	if l.Replayed {
		return "-"
	}
	return fmt.Sprint(l.Sent - l.Statuses["OK"])
}

// remarks returns what a reader of a load's figures should know.
func remarks(l report.Load) []string {
	var out []string
	if l.Closed() {
		out = append(out, l.Name+": a closed loop waits for the target, so it cannot see a stall: "+
			"calls that would have been due meanwhile are never made. Use --rate for response times.")
	}
	if l.Aborted != "" {
		out = append(out, l.Name+": aborted "+l.Aborted)
	}
	if c := l.Checks; c != nil {
		out = append(out, fmt.Sprintf("%s: the responses of %d calls were judged, %d were not as expected", l.Name, c.Judged, c.Failed))
		out = append(out, c.Examples...)
	}
	if l.AllFailed() {
		out = append(out, l.Name+": not one call ended OK")
	}
	return out
}
