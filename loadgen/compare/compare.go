// Package compare tells what changed between two groups of runs, and how sure
// that is.
//
// A run is one report. Calls within a run share its noise: where the memory
// lay, what else the machine did. So the unit of every verdict is the run, and
// there is no verdict with fewer than MinRuns of them on a side.
//
// For each figure of each load the effect is the Hodges-Lehmann shift: the
// median of all differences between a new and an old run, on a logarithmic
// scale for figures that are compared as ratios. Its confidence interval is the
// inverse of the exact Mann-Whitney test (Hollander, Wolfe and Chicken,
// Nonparametric Statistical Methods, 4.3), which assumes no distribution.
//
// All intervals together hold with a probability of 95 %: each of m figures
// gets the level 1-0.05/m (Bonferroni; Dunn, Multiple Comparisons among Means,
// JASA 56, 1961). A figure has changed if zero lies outside of its interval and
// the effect is not negligible. So two groups of runs of the same thing differ
// in any figure at all in at most one comparison of twenty.
package compare

import (
	"fmt"
	"slices"

	"touchstone/loadgen/report"
)

// Schema is the version that a Result is written with.
const Schema = "touchstone.compare/v1"

// MinRuns is how many runs each side needs at least.
const MinRuns = 6

// Alpha is the probability that intervals which hold together may miss.
const Alpha = 0.05

// Config says how to compare. The zero value compares without budgets.
type Config struct {
	Budgets []Budget
	// MinEffect is the smallest effect that counts as a change, 0.01 being
	// 1 %, and a tenth as many percentage points for errors. 0 is 0.01.
	MinEffect float64
}

// Result is what a comparison tells.
type Result struct {
	Schema string `json:"schema"`
	Old    Side   `json:"old"`
	New    Side   `json:"new"`
	// Environment has what differs between or within the sides.
	Environment []Difference `json:"environment,omitempty"`
	Cautions    []string     `json:"cautions,omitempty"` // what a reader should know
	Figures     int          `json:"figures"`            // how many intervals hold together
	Loads       []Load       `json:"loads"`
	Budgets     []Outcome    `json:"budgets,omitempty"`
	Verdict     Verdict      `json:"verdict"`
}

// Side is one group of runs.
type Side struct {
	Runs int      `json:"runs"` // that count
	Left []string `json:"left_out,omitempty"`
}

// Verdict is what can be said of a figure, or of all.
type Verdict string

// The verdicts.
const (
	Worse     Verdict = "worse"
	Better    Verdict = "better"
	Unchanged Verdict = "unchanged" // no significant change
	Undecided Verdict = "undecided" // too few runs to tell
)

// Load is what changed in one load.
type Load struct {
	Name    string   `json:"name"`
	Changes []Change `json:"changes"`
	// The response times of all runs together.
	Old report.Latency `json:"old_response"`
	New report.Latency `json:"new_response"`
}

// Change is what changed in one figure.
type Change struct {
	Metric  Metric    `json:"metric"`
	Old     []float64 `json:"old"` // of each run, in the metric's unit
	New     []float64 `json:"new"`
	OldMid  Middle    `json:"old_median"`
	NewMid  Middle    `json:"new_median"`
	P       float64   `json:"p"` // of the Mann-Whitney test alone, uncorrected
	Effect  *Effect   `json:"effect,omitempty"`
	Verdict Verdict   `json:"verdict"`
	Basis   Basis     `json:"basis,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why it is undecided
}

// Basis is what an effect is made of. Only one that is made of runs has an
// interval with a level, and a verdict.
type Basis string

// The bases. Those of an undecided change are no more than an indication.
const (
	OfRuns    Basis = "runs"
	OfFewRuns Basis = "few runs" // the interval is the range of all differences
	OfCalls   Basis = "calls"    // of single runs, which leaves out how runs differ
)

// Middle is a median with the interval of 95 % around it; Low and High are nil
// when there are too few runs for one.
type Middle struct {
	Median float64  `json:"median"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
}

// Effect is an estimate with its interval: shares of the old value, 0.05 being
// 5 % more, or, for errors, differences of the rates.
type Effect struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Compare compares two groups of runs. An error says that a side has no run,
// or that the sides have no load in common.
func Compare(older, newer []*report.Report, cfg Config) (*Result, error) {
	if cfg.MinEffect == 0 {
		cfg.MinEffect = 0.01
	}
	r := &Result{Schema: Schema}
	var a, b []*report.Report
	a, r.Old = usable("old", older)
	b, r.New = usable("new", newer)
	for i, side := range []Side{r.Old, r.New} {
		if side.Runs == 0 {
			return nil, fmt.Errorf("compare: the %s side has no run that counts: %q", []string{"old", "new"}[i], side.Left)
		}
	}
	r.Environment = environment(a, b)
	r.Cautions = cautions(r, a, b)
	pairs, alone := pair(a, b)
	for _, name := range alone {
		r.Cautions = append(r.Cautions, fmt.Sprintf("load %q is on one side only", name))
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("compare: the sides have no load in common: %q", alone)
	}
	for _, p := range pairs {
		l, missing := p.measure()
		r.Loads = append(r.Loads, l)
		r.Cautions = append(r.Cautions, missing...)
		r.Figures += len(r.Loads[len(r.Loads)-1].Changes)
	}
	for i := range r.Loads {
		for j := range r.Loads[i].Changes {
			r.Loads[i].Changes[j].decide(pairs[i], r.Figures, cfg.MinEffect)
		}
	}
	r.Budgets = judge(cfg.Budgets, r.Loads)
	r.Verdict = r.overall()
	return r, nil
}

// usable returns the runs whose figures are the target's own, and what they
// and the others are.
func usable(name string, all []*report.Report) ([]*report.Report, Side) {
	var out []*report.Report
	var side Side
	for i, r := range all {
		switch {
		case len(r.Loads) == 0:
			side.Left = append(side.Left, fmt.Sprintf("%s run %d has no load", name, i+1))
		case !r.Validity.Valid:
			side.Left = append(side.Left, fmt.Sprintf("%s run %d is not valid: %s", name, i+1, first(r.Validity.Reasons)))
		case r.ExitCode > 128:
			side.Left = append(side.Left, fmt.Sprintf("%s run %d was stopped by a signal", name, i+1))
		default:
			out = append(out, r)
		}
	}
	side.Runs = len(out)
	return out, side
}

// first returns the first of some texts.
func first(texts []string) string {
	if len(texts) == 0 {
		return "it does not say why"
	}
	return texts[0]
}

// cautions are what makes a comparison weaker than it looks.
func cautions(r *Result, older, newer []*report.Report) []string {
	var out []string
	for _, left := range [][]string{r.Old.Left, r.New.Left} {
		switch len(left) {
		case 0:
		case 1:
			out = append(out, "left out: "+left[0])
		default:
			out = append(out, fmt.Sprintf("left out: %s; and %d more of that side", left[0], len(left)-1))
		}
	}
	start := func(a, b *report.Report) int { return a.Started.Compare(b.Started) }
	apart := func(a, b []*report.Report) bool {
		return slices.MaxFunc(a, start).Started.Before(slices.MinFunc(b, start).Started)
	}
	if min(len(older), len(newer)) > 1 && (apart(older, newer) || apart(newer, older)) {
		out = append(out, "the runs of one side were all before those of the other: a machine that drifted meanwhile looks like a change; "+
			"loadgen load --repeat N --against ADDR takes turns")
	}
	if !r.SameEnvironment() {
		out = append(out, "the runs differ in more than what was tested: see the environment")
	}
	return out
}

// overall is the verdict on all figures.
func (r *Result) overall() Verdict {
	seen := map[Verdict]bool{}
	for _, l := range r.Loads {
		for _, c := range l.Changes {
			seen[c.Verdict] = true
		}
	}
	for _, v := range []Verdict{Worse, Better, Unchanged} {
		if seen[v] {
			return v
		}
	}
	return Undecided
}
