package retry

import (
	"fmt"
	"math"
	"slices"
)

// ratios returns every gap as a share of its nominal length: those after the
// first attempt, after the second and so on.
func ratios(o Observation, p *Policy) [][]float64 {
	var out [][]float64
	for _, c := range o.Calls {
		for _, g := range c.Gaps() {
			for len(out) < g.After {
				out = append(out, nil)
			}
			out[g.After-1] = append(out[g.After-1], float64(g.Length)/float64(p.Nominal(g.After)))
		}
	}
	return out
}

// moments returns least, greatest and mean.
func moments(xs []float64) (low, high, mean float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, x := range xs {
		low, high, mean = min(low, x), max(high, x), mean+x/float64(len(xs))
	}
	return low, high, mean
}

// enough is how many gaps the statistics need at least.
const enough = 100

// jittered judges that gaps scatter evenly around their nominal length. For
// U(0.8, 1.2) the standard deviation is 0.1155, so that of the mean of 160 is
// 0.009: 0.06 off is more than six of them. Lateness of the machine makes gaps
// longer, never shorter, and the mean with them.
func jittered(p *Policy) func(Observation) Result {
	return func(o Observation) Result {
		xs := slices.Concat(ratios(o, p)...)
		low, high, mean := moments(xs)
		expected := "of the nominal length: least under 0.9, greatest over 1.1, mean 1 give or take 0.06"
		observed := fmt.Sprintf("least %.2f, greatest %.2f, mean %.3f of %d gaps", low, high, mean, len(xs))
		switch {
		case len(xs) < enough:
			return verdict(false, expected, fmt.Sprintf("only %d gaps", len(xs)))
		case low < 0.9 && high > 1.1 && mean > 1.06 && float64(o.lateness()) > (mean-1)*float64(p.InitialBackoff):
			return o.inconclusive(expected, observed)
		}
		return verdict(low < 0.9 && high > 1.1 && math.Abs(mean-1) <= 0.06, expected, observed)
	}
}

// The models of jitter that clients are known to have.
const (
	ModelA6    = "±20 % (A6 since 2024)"
	ModelFull  = "full jitter (A6 before 2024)"
	ModelNone  = "no jitter"
	ModelFirst = "no jitter on the first backoff (older C-core)"
	ModelRush  = "no backoff"
	ModelOther = "none of this policy's backoffs"
)

// Bounds on ratios that tell the models apart. Of ±20 % jitter, none of 40
// gaps is below steady with probability 0.625^40, and none is ever below
// least; of full jitter, none of 40 is with probability 0.22^40.
const (
	rushed = 0.5 // all below: there is no backoff
	least  = 0.78
	steady = 0.95
	spread = 0.06
	drawn  = 1.3 // a mean above it: other backoffs than the policy's
)

// model names the jitter that gaps show. They are in groups, by the number of
// the gap; one group of all will do, and tells less.
func model(groups ...[]float64) string {
	return modelWithin(make([]slack, len(groups)), groups)
}

// slack is how far the machine may have put the gaps of a group off, as shares
// of their nominal length.
type slack struct {
	timer   float64 // as late as a timer was at worst
	machine float64 // as late as anything may have been
}

// modelWithin is model for gaps that may be off by as much as slack says, group
// by group, in the sense that speaks for ±20 % jitter.
//
// Shorter than they were meant gaps are by no more than timers are late, longer
// by many times that. What keeps the client from running makes all of a group
// longer, but seldom the shortest by as much.
func modelWithin(off []slack, groups [][]float64) string {
	var short, even, long, total int
	for i, xs := range groups {
		if len(xs) == 0 {
			continue
		}
		total++
		low, _, mean := moments(xs)
		switch {
		case mean-blame*off[i].timer > drawn && (low-blame*off[i].timer > drawn || mean-off[i].machine > drawn):
			long++
		case low+off[i].timer < least:
			short++
		case low-blame*off[i].timer > steady && mean-blame*off[i].timer < 1+spread:
			even++
		}
	}
	_, high, _ := moments(slices.Concat(groups...))
	switch {
	case total > 0 && high < rushed:
		return ModelRush
	case short+even+long == 0:
		return ModelA6
	case short == total:
		return ModelFull
	case even == total:
		return ModelNone
	case even == 1 && short+long == 0:
		if low, _, _ := moments(groups[0]); low-blame*off[0].timer > steady {
			return ModelFirst
		}
	}
	return ModelOther
}

// explains reports whether gaps that show another model may be those of A6, seen
// on a machine whose timers are late.
func (o *Observation) explains(groups [][]float64, p *Policy) bool {
	off := make([]slack, len(groups))
	for i := range off {
		nominal := float64(p.Nominal(i + 1))
		off[i] = slack{timer: float64(o.Overshoot) / nominal, machine: float64(o.lateness()) / nominal}
	}
	return modelWithin(off, groups) == ModelA6
}

// jitterModel judges that the jitter is that of A6. A machine whose timers are
// late may hide it.
func jitterModel(p *Policy) func(Observation) Result {
	return func(o Observation) Result {
		groups := ratios(o, p)
		if n := len(slices.Concat(groups...)); n < enough {
			return verdict(false, ModelA6, fmt.Sprintf("only %d gaps", n))
		}
		got := model(groups...)
		r := verdict(got == ModelA6, ModelA6, got)
		if r.Verdict == Fail && o.explains(groups, p) {
			r = o.inconclusive(ModelA6, got)
		}
		r.Notes = []string{"jitter: " + got}
		return r
	}
}
