package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// Screen is where lines are shown.
type Screen struct {
	Width, Height int // columns and rows
	Color         bool
}

// labelWidth is the width of the words at the left.
const labelWidth = 11

// The ANSI colours in use.
const (
	red   = "31"
	faint = "2"
)

// view collects lines that fit a screen.
type view struct {
	Screen
	lines []string
}

// Lines returns the view of a run, no line wider than the screen, and not so
// many that it scrolls. It is empty when there is nothing to show yet.
func (s *State) Lines(now time.Time, screen Screen) []string {
	v := &view{Screen: screen}
	if s.Scenarios.Total > 0 {
		v.scenarios(&s.Scenarios, now)
	}
	if s.Load != nil {
		v.load(s.Load, now)
	}
	return v.lines[:min(len(v.lines), max(screen.Height-1, 1))]
}

// line adds a label and a text, cut to the width. What the text has of others
// is made harmless here.
func (v *view) line(label, color, text string) {
	head := render.Fit(label, labelWidth)
	text = render.Cut(render.Visible(text), max(v.Width-labelWidth, 1))
	if v.Color {
		head = "\x1b[" + faint + "m" + head + "\x1b[0m"
		if color != "" {
			text = "\x1b[" + color + "m" + text + "\x1b[0m"
		}
	}
	v.lines = append(v.lines, strings.TrimRight(head+text, " "))
}

// scenarios shows how far the scenarios are.
func (v *view) scenarios(s *Scenarios, now time.Time) {
	text := fmt.Sprintf("%d of %d", s.Ended, s.Total)
	color := ""
	if n := len(s.Failed); n > 0 {
		text, color = fmt.Sprintf("%s, %d failed", text, n), red
	}
	v.line("scenarios", color, text)
	v.line("", "", v.bar(float64(s.Ended)/float64(s.Total)))
	if s.Running != "" {
		v.line("running", "", fmt.Sprintf("%s, %s", s.Running, seconds(now.Sub(s.Since))))
	}
	const most = 5
	for _, file := range s.Failed[max(len(s.Failed)-most, 0):] {
		v.line("failed", red, file)
	}
}

// load shows a load: where it stands, and its last second.
func (v *view) load(l *Load, now time.Time) {
	elapsed := now.Sub(l.Began)
	at := seconds(elapsed)
	if l.Expected > 0 {
		at = fmt.Sprintf("%s of %s, %s left", at, seconds(l.Expected), seconds(max(l.Expected-elapsed, 0)))
		if elapsed > l.Expected {
			at = fmt.Sprintf("%s of %s, waiting for calls under way", seconds(elapsed), seconds(l.Expected))
		}
	}
	v.line("load", "", fmt.Sprintf("%s, %s", l.Name, l.Arrival))
	v.line("time", "", at)
	if l.Expected > 0 {
		v.line("", "", v.bar(min(elapsed.Seconds()/l.Expected.Seconds(), 1)))
	}
	last := l.last()
	if last == nil {
		v.line("", "", "no second is over yet, but for the warm-up")
		return
	}
	v.line("rate", "", rate(last))
	v.line("response", "", response(last)+"  (last second)")
	v.spark(l)
	if text := tally(l.errors()); text != "" {
		v.line("errors", red, text)
	}
	if l.Dropped > 0 {
		v.line("dropped", red, fmt.Sprintf("%d calls, since too many were under way", l.Dropped))
	}
}

// rate says what was wanted in a second, and what came.
func rate(w *report.Window) string {
	text := fmt.Sprintf("%d sent, %d ended, %d in flight", w.Sent, w.Completed, w.InFlight)
	if w.Due > 0 {
		text = fmt.Sprintf("%d wanted, %s", w.Due, text)
	}
	return text
}

// response tells the response times of a second.
func response(w *report.Window) string {
	var parts []string
	for _, q := range []struct {
		name  string
		value *float64
	}{{"p50", w.P50}, {"p99", w.P99}, {"max", &w.Max}} {
		if q.value != nil {
			parts = append(parts, q.name+" "+render.Latency(*q.value))
		}
	}
	return strings.Join(parts, ", ")
}

// tally lists counts by name, the largest first.
func tally(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(parts, ", ")
}

// seconds writes a duration in whole seconds.
func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }

// maxBar is how wide a bar gets.
const maxBar = 80

// bar draws a share of the width, and tells it.
func (v *view) bar(share float64) string {
	percent := fmt.Sprintf(" %3.0f %%", 100*share)
	n := min(v.Width-labelWidth-len(percent), maxBar)
	if n < 1 {
		return strings.TrimSpace(percent)
	}
	full := int(share * float64(n))
	return strings.Repeat("█", full) + strings.Repeat("░", n-full) + percent
}

// steps are the heights of a sparkline.
var steps = []rune("▁▂▃▄▅▆▇█")

// spark draws the p99 of the last seconds, or their maximum while a second has
// too few calls for a p99. Between 0 and the highest, it is linear.
func (v *view) spark(l *Load) {
	label, value := "p99", func(w *report.Window) *float64 { return w.P99 }
	const words = len("  up to 123.45 ms")
	windows := l.Windows[max(len(l.Windows)-max(v.Width-labelWidth-words, 1), 0):]
	if !slices.ContainsFunc(windows, func(w report.Window) bool { return w.P99 != nil }) {
		label, value = "max", func(w *report.Window) *float64 { return &w.Max }
	}
	highest := 0.0
	for i := range windows {
		if p := value(&windows[i]); p != nil {
			highest = max(highest, *p)
		}
	}
	v.line(label, "", sparkline(windows, value, highest)+"  up to "+render.Latency(highest))
}

// sparkline draws one column for each window, a blank for one without a value.
func sparkline(windows []report.Window, value func(*report.Window) *float64, highest float64) string {
	var b strings.Builder
	for i := range windows {
		p := value(&windows[i])
		if p == nil {
			b.WriteByte(' ')
			continue
		}
		share := 0.0
		if highest > 0 {
			share = *p / highest
		}
		b.WriteRune(steps[min(int(share*float64(len(steps))), len(steps)-1)])
	}
	return b.String()
}

// Line returns the run on one line, for a log.
func (s *State) Line(now time.Time) string {
	if l := s.Load; l != nil {
		return l.line(now)
	}
	text := fmt.Sprintf("scenarios: %d of %d", s.Scenarios.Ended, s.Scenarios.Total)
	if n := len(s.Scenarios.Failed); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	if s.Scenarios.Running != "" {
		text += fmt.Sprintf(", %s runs for %s", s.Scenarios.Running, seconds(now.Sub(s.Scenarios.Since)))
	}
	return render.Visible(text)
}

// line returns the load on one line.
func (l *Load) line(now time.Time) string {
	at := seconds(now.Sub(l.Began))
	if l.Expected > 0 {
		at += " of " + seconds(l.Expected)
	}
	text := fmt.Sprintf("%s: %s", l.Name, at)
	if w := l.last(); w != nil {
		text += fmt.Sprintf(": %s, %s", rate(w), response(w))
	}
	if errors := tally(l.errors()); errors != "" {
		text += "; errors: " + errors
	}
	return render.Visible(text)
}
