package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"touchstone/loadgen/retry"
)

// RetryCheck writes the outcome of a retry check: one line, and for a failure
// what was expected and seen, with a timeline of the first call that shows it.
func RetryCheck(w io.Writer, r retry.Result, options TextOptions) error {
	if options.Width <= 0 {
		options.Width = 120
	}
	t := &textWriter{TextOptions: options}
	t.line("%s %s %s", t.paint(statusColor(string(r.Verdict)), fit(string(r.Verdict), len("inconclusive"))), fit(visible(r.ID), 8), visible(r.Title))
	switch r.Verdict {
	case retry.Pass:
	case retry.Skipped:
		t.remark("reason", r.Observed)
	default:
		t.remark("expected", r.Expected)
		t.remark("observed", r.Observed)
	}
	for _, note := range r.Notes {
		t.remark("note", note)
	}
	if r.Verdict == retry.Fail && len(r.Calls) > 0 {
		t.timeline(r.Worst(), r.Legal)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// remark writes an indented line of a check's details.
func (t *textWriter) remark(what, text string) {
	if text != "" {
		t.line("%13s%s %s", "", t.paint(faint, fit(what, 8)), visible(text))
	}
}

// Limits of a timeline.
const (
	maxTimelineRows = 20
	timelineNotes   = 56 // columns for the words beside the picture
	minPicture      = 24 // columns of the picture itself
)

// timeline draws a call's attempts below each other on one time axis: each as
// a bar, after the gap before it, in which the legal interval stands out.
//
//	1 |#                                        UNAVAILABLE
//	2 |....[===]#                               after 93ms, legal 80ms-120ms  UNAVAILABLE
//	3 |      .#  [=======]                      after 31ms, legal 160ms-240ms: too short
func (t *textWriter) timeline(c retry.Call, legal []retry.Interval) {
	if len(c.Attempts) == 0 {
		t.remark("timeline", "no attempt was seen")
		return
	}
	axis := newAxis(c, legal, max(t.Width-timelineNotes, minPicture))
	gaps := c.Gaps()
	for i, a := range c.Attempts {
		if i == maxTimelineRows {
			t.line("%13s... and %d attempts more", "", len(c.Attempts)-i)
			break
		}
		row := axis.row()
		words := a.How
		if a.Status != "" {
			words = statusWord(a.Status)
		}
		if i > 0 {
			words = t.gap(axis, row, gaps[i-1], legal) + "  " + words
		}
		axis.fill(row, a.Start, max(a.End, a.Start), '#')
		t.line("%12d |%s  %s", i+1, string(row), strings.TrimSpace(words))
	}
	t.line("%12s +%s> %v", "", strings.Repeat("-", axis.columns), axis.span.Round(time.Millisecond))
	t.line("%12s  %s", "", t.paint(faint, "# attempt   . gap   [==] legal interval for the next attempt   call: "+visible(c.Status)))
}

// gap draws the gap before an attempt and says how it compares.
func (t *textWriter) gap(x axis, row []rune, g retry.Gap, intervals []retry.Interval) string {
	start := x.ends[g.After-1]
	x.fill(row, start, start+g.Length, '.')
	length := g.Length.Round(100 * time.Microsecond)
	if g.After > len(intervals) {
		return fmt.Sprintf("after %v", length)
	}
	legal := intervals[g.After-1]
	x.fill(row, start+legal.Min, start+legal.Max, '=')
	x.put(row, start+legal.Min, '[')
	x.put(row, start+legal.Max, ']')
	text := fmt.Sprintf("after %v, legal %v-%v", length, legal.Min, legal.Max)
	switch {
	case g.Length < legal.Min:
		return t.paint(red, text+": too short")
	case g.Length > legal.Max:
		return t.paint(red, text+": too long")
	}
	return text
}

// axis maps times to columns.
type axis struct {
	start, span time.Duration
	columns     int
	ends        []time.Duration // of each attempt, for the gaps after them
}

func newAxis(c retry.Call, legal []retry.Interval, columns int) axis {
	x := axis{start: c.Attempts[0].Start, columns: columns}
	last := x.start
	for i, a := range c.Attempts {
		end := a.End
		if a.Fault >= 0 {
			end = a.Fault
		}
		x.ends = append(x.ends, end)
		last = max(last, end, a.Start)
		if i+1 < len(c.Attempts) && i < len(legal) {
			last = max(last, end+legal[i].Max)
		}
	}
	x.span = max(last-x.start, time.Millisecond)
	return x
}

// row returns an empty row.
func (x axis) row() []rune { return []rune(strings.Repeat(" ", x.columns)) }

// column returns where a time stands.
func (x axis) column(at time.Duration) int {
	share := float64(at-x.start) / float64(x.span)
	return min(max(int(share*float64(x.columns-1)), 0), x.columns-1)
}

func (x axis) put(row []rune, at time.Duration, mark rune) { row[x.column(at)] = mark }

// fill marks all columns from one time to another, at least one.
func (x axis) fill(row []rune, from, to time.Duration, mark rune) {
	for i := x.column(from); i <= x.column(to); i++ {
		row[i] = mark
	}
}

// statusWord is the name of a grpc-status as it stands on the wire.
func statusWord(status string) string {
	var code uint32
	if _, err := fmt.Sscan(status, &code); err != nil || code > 16 {
		return "grpc-status " + visible(status)
	}
	return retry.CodeName(code)
}
