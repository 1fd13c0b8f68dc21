package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"touchstone/loadgen/report"
)

// verdict is what the runs at one rate say.
type verdict int

// The verdicts. The leaning ones are undecided: the figures are on one side of
// the conditions, and their interval is not.
const (
	invalid verdict = iota
	fails
	leansToFail
	leansToHold
	holds
)

// String returns the verdict as a report has it.
func (v verdict) String() string {
	return [...]string{"invalid", "fail", "undecided", "undecided", "pass"}[v]
}

// held reports whether the conditions hold, as far as can be told.
func (v verdict) held() bool { return v >= leansToHold }

// decided reports whether more runs would change nothing.
func (v verdict) decided() bool { return v == fails || v == holds }

// generatorFaults returns why a run says nothing about the target.
//
// Note: Dropped calls are no fault of the generator here, as they are in a run
// at a rate that somebody asked for. A search goes beyond what the target can
// do, where calls pile up to the cap: that is how the target fails.
func generatorFaults(l *report.Load) []string {
	alone := *l
	alone.Dropped = 0
	r := report.Report{Loads: []report.Load{alone}}
	r.Finish()
	var reasons []string
	for _, reason := range r.Validity.Reasons {
		reasons = append(reasons, strings.TrimPrefix(reason, l.Name+": "))
	}
	return reasons
}

// proof is what the runs at one rate have shown.
type proof struct {
	conditions []condition
	backlog    int    // runs in which the target did not keep up
	runs       int    // all of them
	grown      string // how the backlog grew in the last of those runs
}

// condition is one condition, and what there is for and against it.
type condition struct {
	report.Condition
	shares  []report.Share // of all runs
	limit   float64
	isShare bool
	last    report.Threshold
	yes, no int // runs that held and that did not
}

func newProof(conditions []report.Condition) *proof {
	p := &proof{}
	for _, c := range conditions {
		p.conditions = append(p.conditions, condition{Condition: c})
	}
	return p
}

// add takes one more run.
func (p *proof) add(l *report.Load) {
	p.runs++
	if grown := backlog(l); grown != "" {
		p.backlog++
		p.grown = grown
	}
	for i := range p.conditions {
		p.conditions[i].add(l)
	}
}

// add takes one more run.
func (c *condition) add(l *report.Load) {
	c.last = c.Evaluate(l)
	if c.last.Passed {
		c.yes++
	} else {
		c.no++
	}
	if shares, limit, ok := c.Shares(l); ok {
		c.shares, c.limit, c.isShare = append(c.shares, shares...), limit, true
	}
}

// verdict is that of the weakest condition.
func (p *proof) verdict() verdict {
	v := votes(p.runs-p.backlog, p.backlog)
	for i := range p.conditions {
		v = min(v, p.conditions[i].verdict())
	}
	return v
}

// failed says what did not hold, in the runs so far or in the last one.
func (p *proof) failed() []string {
	var out []string
	if !votes(p.runs-p.backlog, p.backlog).held() {
		out = append(out, "the target did not keep up: "+p.grown)
	}
	for i := range p.conditions {
		if c := &p.conditions[i]; !c.verdict().held() {
			out = append(out, c.text(p.runs))
		}
	}
	return out
}

// text is the condition with its value, that of all runs when there are several.
func (c *condition) text(runs int) string {
	switch {
	case c.isShare && (runs > 1 || c.last.Message != ""):
		bad, all := total(c.shares)
		return fmt.Sprintf("%s: %.0f of %.0f calls are against it", c.String(), bad, all)
	case c.last.Message != "":
		return fmt.Sprintf("%s: %s", c.String(), c.last.Message)
	}
	return fmt.Sprintf("%s: %.4g", c.String(), c.last.Value)
}

// verdict compares the interval of a share with its limit, and lets the runs
// vote on what has no interval.
func (c *condition) verdict() verdict {
	if !c.isShare {
		return votes(c.yes, c.no)
	}
	bad, all := total(c.shares)
	if all == 0 {
		return leansToFail
	}
	low, high := interval(c.shares)
	switch {
	case high < c.limit:
		return holds
	case low > c.limit:
		return fails
	case bad/all <= c.limit:
		return leansToHold
	}
	return leansToFail
}

// votes is the verdict of runs that say yes or no. One that says no may have met
// a bad moment: it takes a second one, and none that says yes.
func votes(yes, no int) verdict {
	switch {
	case no == 0:
		return holds
	case yes == 0 && no > 1:
		return fails
	case yes > no:
		return leansToHold
	}
	return leansToFail
}

func total(shares []report.Share) (bad, all float64) {
	for _, s := range shares {
		bad += s.Bad
		all += s.All
	}
	return bad, all
}

// interval returns the 95 % interval of the share of bad samples.
//
// It is Wilson's, for a sample as large as this one is worth. Calls of one
// second are much alike: when the target stalls, a hundred calls are slow and
// not one. So the variance between the windows is compared with the one that
// independent calls would have, and the sample counts for as much less as that
// is larger (the design effect of cluster samples).
func interval(shares []report.Share) (low, high float64) {
	const z = 1.96
	bad, all := total(shares)
	p := bad / all
	n := max(all/max(1, designEffect(shares, p, all)), 1)
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return mid - half, mid + half
}

// unknownEffect is assumed where there is but one window. It is what a stall
// makes of calls that are otherwise fine; a sample without bad calls has none.
const unknownEffect = 10

// designEffect is the variance of a share between the windows, as a multiple of
// that between independent samples.
func designEffect(shares []report.Share, p, all float64) float64 {
	shares = slices.DeleteFunc(slices.Clone(shares), func(s report.Share) bool { return s.All <= 0 })
	count := float64(len(shares))
	switch {
	case p <= 0 || p >= 1:
		return 0
	case count < 2:
		return unknownEffect
	}
	between := 0.0
	for _, s := range shares {
		between += (s.Bad - p*s.All) * (s.Bad - p*s.All)
	}
	between *= count / (count - 1) / (all * all)
	return between / (p * (1 - p) / all)
}

// What a growing backlog is: this share of the calls that came meanwhile, and
// more than the number under way varies by itself. A run in ten of arrivals at
// random is beyond that by chance, which is why it takes two.
const (
	backlogShare = 0.01
	backlogSigma = 1.5 // times the square root of the calls under way
)

// backlog says why the run was given up, or how the number of calls under way grew over the second half of
// the run, "" when the target kept up with the rate. A target that does has,
// after its first moments, as many under way at the end as in the middle,
// however slow it is; and one that stalls at the end has grown then only.
func backlog(l *report.Load) string {
	if l.Aborted != "" {
		return l.Aborted
	}
	if l.Dropped > 0 {
		return fmt.Sprintf("%d of %d calls were dropped at the in-flight cap", l.Dropped, l.Scheduled)
	}
	n := 0 // windows in which calls became due
	for n < len(l.Windows) && l.Windows[n].Sent > 0 {
		n++
	}
	if n < 4 {
		return ""
	}
	middle, late, end := l.Windows[n/2-1], l.Windows[n*3/4-1], l.Windows[n-1]
	sent := int64(0)
	for _, w := range l.Windows[n/2 : n] {
		sent += w.Sent
	}
	grown, early := end.InFlight-middle.InFlight, late.InFlight-middle.InFlight
	if early*4 < grown || float64(grown) <= backlogShare*float64(sent)+backlogSigma*math.Sqrt(float64(end.InFlight)) {
		return ""
	}
	return fmt.Sprintf("%d more calls were under way at the end than at half time", grown)
}
