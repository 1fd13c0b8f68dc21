package html

import (
	"cmp"
	"fmt"
	"slices"

	"touchstone/loadgen/report"
)

// Limits of the waterfalls.
const (
	maxWaterfalls = 20 // of scenario steps, and of each load
	maxAttempts   = 50 // in one waterfall
)

// waterfall is a call as bars below each other on one time axis.
type waterfall struct {
	Title, Detail string
	Why           string // slowest, failed or retried; "" in a retry check
	Message       string // of the status
	SpanMS        float64
	Bars          []bar
	Cut           int // attempts that are not shown
}

// bar is one part of a call: its wait for being sent, an attempt with the gap
// before it, or the call as a whole. X and W are thousandths of the span.
type bar struct {
	Name         string
	Class        string // wait, ok, ko or open
	FromMS, ToMS float64
	Gap          *gap // nil for what follows nothing
	Status       string
	X, W         float64
}

// gap is the time between two attempts, and what the policy allows it to be.
type gap struct {
	MS, MinMS, MaxMS         float64
	Judged                   bool // the policy says something about it
	X, W, LegalX, LegalWidth float64
}

// Off says on which side a gap lies of its legal interval, "" within it. It is
// no verdict: who judges a gap allows for late timers.
func (g gap) Off() string {
	switch {
	case g.Judged && g.MS < g.MinMS:
		return "below"
	case g.Judged && g.MS > g.MaxMS:
		return "above"
	}
	return ""
}

// stepWaterfalls picks failed calls and calls with retries: failed ones first,
// and the slowest of each.
func stepWaterfalls(scenarios []report.Scenario) []waterfall {
	type pick struct {
		scenario string
		*report.Step
	}
	var picks []pick
	for i := range scenarios {
		for j := range scenarios[i].Steps {
			if s := &scenarios[i].Steps[j]; len(s.Attempts) > 1 || len(s.Attempts) > 0 && len(s.Failures) > 0 {
				picks = append(picks, pick{scenarios[i].Name, s})
			}
		}
	}
	slices.SortStableFunc(picks, func(a, b pick) int {
		return cmp.Or(cmp.Compare(min(len(b.Failures), 1), min(len(a.Failures), 1)), cmp.Compare(b.DurationMS, a.DurationMS))
	})
	var out []waterfall
	for _, p := range picks[:min(len(picks), maxWaterfalls)] {
		w := waterfall{Title: p.scenario + " › " + p.ID, Detail: fmt.Sprintf("%s · %s ms · %s", p.Call, milliseconds(p.DurationMS), p.Status), Why: "retried"}
		if len(p.Failures) > 0 {
			w.Why = "failed"
		}
		w.addAttempts(p.Attempts, 0)
		w.place(p.DurationMS)
		out = append(out, w)
	}
	return out
}

// callWaterfalls shows the calls that a load keeps as examples: from the
// moment they were due.
func callWaterfalls(l *report.Load) []waterfall {
	var out []waterfall
	for _, c := range l.Calls[:min(len(l.Calls), maxWaterfalls)] {
		w := waterfall{
			Title:   fmt.Sprintf("call %d", c.N),
			Detail:  fmt.Sprintf("%s · due at %s s · %s ms · %s", cmp.Or(c.Method, l.Method), number(c.DueMS/1000), milliseconds(c.DoneMS), c.Status),
			Why:     c.Why,
			Message: c.StatusText,
		}
		w.Bars = append(w.Bars, bar{Name: "wait to be sent", Class: "wait", ToMS: c.SentMS})
		answered := c.SentMS
		if c.FirstMS > 0 && streams(l, c.Method) {
			answered = c.FirstMS
			w.Bars = append(w.Bars, bar{Name: "first message", Class: "wait", FromMS: c.SentMS, ToMS: c.FirstMS})
		}
		if len(c.Attempts) == 0 {
			w.Bars = append(w.Bars, bar{Name: "call", Class: barClass(c.Status), FromMS: answered, ToMS: c.DoneMS, Status: c.Status})
		}
		w.addAttempts(c.Attempts, c.SentMS)
		w.place(c.DoneMS)
		out = append(out, w)
	}
	return out
}

// streams reports whether a method of a load answers with a stream: of a single
// answer, the first message is the last.
func streams(l *report.Load, method string) bool {
	kind := l.Kind
	for _, m := range l.Methods {
		if m.Method == method {
			kind = m.Kind
		}
	}
	return kind != "unary" && kind != "client_stream"
}

// retryWaterfall shows the call of a retry check, nil when it has none.
func retryWaterfall(attempts []report.Attempt) *waterfall {
	if len(attempts) == 0 {
		return nil
	}
	w := &waterfall{}
	w.addAttempts(attempts, 0)
	w.place(0)
	return w
}

// addAttempts adds a bar for each attempt; their times count from start.
func (w *waterfall) addAttempts(attempts []report.Attempt, start float64) {
	shown := attempts[:min(len(attempts), maxAttempts)]
	w.Cut = len(attempts) - len(shown)
	for i, a := range shown {
		b := bar{Name: fmt.Sprintf("attempt %d", a.Number), Class: barClass(a.Status), FromMS: start + a.StartMS, ToMS: start + a.EndMS, Status: a.Status}
		if a.Status == "" && a.EndMS == 0 {
			b.Status, b.ToMS = "under way", b.FromMS // until place knows the end
		}
		if a.Transparent {
			b.Status += " (transparent)"
		}
		if i > 0 {
			b.Gap = &gap{MS: a.GapMS}
			if a.LegalMinMS != nil && a.LegalMaxMS != nil {
				b.Gap.MinMS, b.Gap.MaxMS, b.Gap.Judged = *a.LegalMinMS, *a.LegalMaxMS, true
			}
		}
		w.Bars = append(w.Bars, b)
	}
}

// barClass says how a bar looks.
func barClass(status string) string {
	switch status {
	case "OK":
		return "ok"
	case "":
		return "open"
	}
	return "ko"
}

// place puts all bars on one axis that holds them and their legal intervals.
func (w *waterfall) place(durationMS float64) {
	w.SpanMS = max(durationMS, 0.001)
	for _, b := range w.Bars {
		w.SpanMS = max(w.SpanMS, b.FromMS, b.ToMS)
		if b.Gap != nil && b.Gap.Judged {
			w.SpanMS = max(w.SpanMS, b.FromMS-b.Gap.MS+b.Gap.MaxMS)
		}
	}
	x := func(ms float64) float64 { return round(min(max(1000*ms/w.SpanMS, 0), 1000)) }
	for i := range w.Bars {
		b := &w.Bars[i]
		if b.Class == "open" && b.ToMS <= b.FromMS {
			b.ToMS = w.SpanMS
		}
		b.X = min(x(b.FromMS), 997)
		b.W = max(x(b.ToMS)-b.X, 3)
		if g := b.Gap; g != nil {
			from := b.FromMS - g.MS
			g.X, g.W = x(from), b.X-x(from)
			g.LegalX = x(from + g.MinMS)
			g.LegalWidth = max(x(from+g.MaxMS)-g.LegalX, 2)
		}
	}
}
