package compare

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"touchstone/server/source"
)

// Budget is how much a figure may change for the worse, such as "p99 +5%",
// "throughput -3%" or "errors +0.1%", which is a tenth of a percentage point.
type Budget struct {
	metric Metric
	limit  float64 // a share, or a difference of rates; below zero for throughput
}

// budgetSyntax splits the metric, the sign, the number and the unit.
var budgetSyntax = regexp.MustCompile(`^(\s*)(\S*)(\s*)([-+]?)([0-9.]*)(.*)$`)

// ParseBudget reads a budget. A mistake is a *source.Error that points at the
// column.
func ParseBudget(text string) (Budget, error) {
	r := &source.Reporter{File: source.NewFile("budget", text)}
	b := parseBudget(r, text)
	if r.Err() != nil {
		return Budget{}, r.Errors()[0]
	}
	return b, nil
}

func parseBudget(r *source.Reporter, text string) Budget {
	part := budgetSyntax.FindStringSubmatch(text)
	if part == nil { // a line break
		r.Errorf(source.Pos{Line: 1, Col: 1}, "want METRIC CHANGE on one line")
		return Budget{}
	}
	at := func(i int) source.Pos {
		return source.Pos{Line: 1, Col: 1 + len([]rune(strings.Join(part[1:i], "")))}
	}
	m := Metric(part[2])
	if !slices.Contains(Metrics(), m) {
		unknownMetric(r, at(2), part[2])
		return Budget{}
	}
	sign, example := "+", "+5%"
	if !m.MoreIsWorse() {
		sign, example = "-", "-5%"
	}
	limit, err := strconv.ParseFloat(part[5], 64)
	switch {
	case part[4] == "":
		r.Errorf(at(4), "want a change with its sign, got %q", part[5]+part[6]).Hint = "write " + part[2] + " " + example
	case part[4] != sign:
		r.Errorf(at(4), "a budget is for the worse, and %s gets worse with %s", m, sign).Hint = "write " + part[2] + " " + example
	case err != nil:
		r.Errorf(at(5), "want a number, got %q", part[5]+part[6]).Hint = "write " + part[2] + " " + example
	case strings.TrimSpace(part[6]) != "%":
		r.Errorf(at(6), "want %%, got %q", part[6]).Hint = "write " + part[2] + " " + example
	}
	if sign == "-" {
		limit = -limit
	}
	return Budget{metric: m, limit: limit / 100}
}

// unknownMetric reports a figure that does not exist.
func unknownMetric(r *source.Reporter, pos source.Pos, name string) {
	var names []string
	for _, m := range Metrics() {
		names = append(names, string(m))
	}
	e := r.Errorf(pos, "unknown figure %q", name)
	if e.Hint = source.DidYouMean(name, names); e.Hint == "" {
		e.Hint = "figures are " + strings.Join(names, ", ")
	}
}

// String returns the budget as ParseBudget reads it.
func (b Budget) String() string {
	sign := ""
	if b.metric.MoreIsWorse() {
		sign = "+"
	}
	return fmt.Sprintf("%s %s%s%%", b.metric, sign, strconv.FormatFloat(b.limit*100, 'g', 12, 64))
}

// State is what is known of a budget.
type State string

// The states. A budget is broken only when the whole interval lies beyond it,
// and kept only when the whole interval lies within.
const (
	Broken    State = "broken"
	Kept      State = "kept"
	NotProven State = "not proven"
)

// Outcome is what became of a budget on one load.
type Outcome struct {
	Budget  string  `json:"budget"`
	Load    string  `json:"load"`
	State   State   `json:"state"`
	Effect  *Effect `json:"effect,omitempty"`
	Message string  `json:"message"`
}

// judge judges each budget on each load.
func judge(budgets []Budget, loads []Load) []Outcome {
	var out []Outcome
	for _, b := range budgets {
		for _, l := range loads {
			one := b.judge(l)
			one.Budget, one.Load = b.String(), l.Name
			out = append(out, one)
		}
	}
	return out
}

// judge judges the budget on one load.
func (b Budget) judge(l Load) Outcome {
	at := slices.IndexFunc(l.Changes, func(c Change) bool { return c.Metric == b.metric })
	if at < 0 {
		return Outcome{State: NotProven, Message: fmt.Sprintf("%s was not measured on both sides", b.metric)}
	}
	c := l.Changes[at]
	if c.Basis != OfRuns {
		return Outcome{State: NotProven, Message: c.Reason}
	}
	low, high, limit := c.Effect.Low, c.Effect.High, b.limit
	if !b.metric.MoreIsWorse() {
		low, high, limit = -high, -low, -limit
	}
	const rounding = 1e-9 // a change of exactly the limit is within it
	switch limit += rounding; {
	case low > limit:
		return Outcome{State: Broken, Effect: c.Effect, Message: "the whole interval lies beyond the budget"}
	case high <= limit:
		return Outcome{State: Kept, Effect: c.Effect, Message: "the whole interval lies within the budget"}
	}
	return Outcome{State: NotProven, Effect: c.Effect, Message: "the interval crosses the budget: more runs would tell"}
}

// Broken reports whether a budget is broken.
func (r *Result) Broken() bool {
	return slices.ContainsFunc(r.Budgets, func(o Outcome) bool { return o.State == Broken })
}

// Proven reports whether every budget is kept for certain.
func (r *Result) Proven() bool {
	return !slices.ContainsFunc(r.Budgets, func(o Outcome) bool { return o.State != Kept })
}
