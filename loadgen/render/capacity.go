package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"touchstone/loadgen/report"
)

// How wide the curve of a search is drawn; with less room it is left out.
const (
	minCurve = 16
	maxCurve = 30
)

// capacity writes what a search has found, and the curve of latency against
// load that it has measured on the way.
func (t *textWriter) capacity(c *report.Capacity) {
	if c == nil {
		return
	}
	curve := byRate(c.Points)
	rows := [][]string{{"rate/s", "achieved/s", "p50", "p99", "max", "errors", "runs", "verdict"}}
	for _, p := range curve {
		rows = append(rows, []string{
			number(p.RateRPS), number(p.AchievedRPS), latency(p.Response.P50), latency(p.Response.P99), latency(&p.Response.Max),
			percent(p.ErrorRate), fmt.Sprint(p.runs), p.Verdict,
		})
	}
	if room := t.room(rows); room >= minCurve {
		rows[0] = append(rows[0], "p99, logarithmic")
		for i, p := range curve {
			rows[i+1] = append(rows[i+1], bar(p.Response.P99, curve, min(room, maxCurve)))
		}
	}
	t.line("")
	t.grid(rows, func(column int) bool { return column < 7 })
	t.line("")
	color := green
	if !c.Confirmed {
		color = red
	}
	t.line("%s", t.paint(color, visible(found(c))))
	if c.Reason != "" {
		t.line("%s", visible(c.Reason))
	}
}

// room returns how many columns rows leave of the terminal, for one more.
func (t *textWriter) room(rows [][]string) int {
	rest := t.Width
	for _, w := range t.widths(rows) {
		rest -= w + 2
	}
	return rest
}

// found says what a search has found.
func found(c *report.Capacity) string {
	conditions := strings.Join(c.Conditions, ", ")
	switch {
	case c.FoundRPS == 0:
		return "no rate found at which " + conditions
	case !c.Confirmed:
		return fmt.Sprintf("highest rate: about %s/s, not confirmed, with %s", number(c.FoundRPS), conditions)
	}
	return fmt.Sprintf("highest rate: %s/s with %s", number(c.FoundRPS), conditions)
}

// curvePoint is the last run at one rate.
type curvePoint struct {
	report.CapacityPoint
	runs int // at this rate
}

// byRate returns the last run at each rate, from the lowest rate.
func byRate(points []report.CapacityPoint) []curvePoint {
	var curve []curvePoint
	for _, p := range points {
		at := slices.IndexFunc(curve, func(c curvePoint) bool { return c.RateRPS == p.RateRPS })
		if at < 0 {
			at = len(curve)
			curve = append(curve, curvePoint{})
		}
		curve[at] = curvePoint{p, curve[at].runs + 1}
	}
	slices.SortFunc(curve, func(a, b curvePoint) int { return cmp.Compare(a.RateRPS, b.RateRPS) })
	return curve
}

// bar draws a latency among those of a curve, in so many columns; ""
// for one that is not known.
func bar(ms *float64, curve []curvePoint, width int) string {
	if ms == nil || *ms <= 0 {
		return ""
	}
	low, high := math.Inf(1), 0.0
	for _, p := range curve {
		if v := p.Response.P99; v != nil && *v > 0 {
			low, high = min(low, *v), max(high, *v)
		}
	}
	if high <= low {
		return "#"
	}
	share := math.Log(*ms/low) / math.Log(high/low)
	return strings.Repeat("#", 1+int(math.Round(share*float64(width-1))))
}

// percent writes a share.
func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// markdownCapacity writes what a search has found.
func markdownCapacity(b *strings.Builder, c *report.Capacity) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\n## Highest rate\n\n**%s**\n\n%s\n", escaped(found(c)), escaped(c.Reason))
	var rows [][]string
	for _, p := range byRate(c.Points) {
		rows = append(rows, []string{
			number(p.RateRPS), number(p.AchievedRPS), latency(p.Response.P50), latency(p.Response.P99), latency(&p.Response.Max),
			percent(p.ErrorRate), fmt.Sprint(p.runs), p.Verdict, strings.Join(p.Failed, "; "),
		})
	}
	table(b, []string{"rate/s", "achieved/s", "p50", "p99", "max", "errors", "runs", "verdict", "what did not hold"}, rows)
}

// capacityCases returns a search as a case, which fails when no rate was
// confirmed.
func capacityCases(c *report.Capacity) []junitCase {
	if c == nil {
		return nil
	}
	one := junitCase{Name: "highest rate", ClassName: "capacity", Time: "0"}
	if !c.Confirmed {
		one.Failure = message(found(c)+": "+c.Reason, nil)
	}
	return []junitCase{one}
}
