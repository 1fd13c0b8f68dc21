package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// middle returns the median of the runs.
func middle(values []float64) Middle {
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), 1-Alpha)
	out := Middle{Median: s.Center}
	if !math.IsInf(s.Lo, 0) && !math.IsInf(s.Hi, 0) {
		out.Low, out.High = &s.Lo, &s.Hi
	}
	return out
}

// pValue is that of the Mann-Whitney test, two-sided.
func pValue(old, now []float64) float64 {
	sample := func(v []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(v), &benchmath.DefaultThresholds)
	}
	p := benchmath.AssumeNothing.Compare(sample(old), sample(now)).P
	if math.IsNaN(p) {
		return 1
	}
	return p
}

// rank returns how many of the n1*n2 differences, in order, lie outside of an
// interval of level 1-alpha at either end; not ok when even the interval of
// all differences misses more often than alpha.
//
// With ties the distribution without ties is an upper bound: the interval
// then holds more often than it has to.
func rank(n1, n2 int, alpha float64) (k int, ok bool) {
	if n1*n2 > maxExact {
		// The normal approximation, with the half for steps.
		mean, sd := float64(n1*n2)/2, math.Sqrt(float64(n1*n2*(n1+n2+1))/12)
		return int(max(math.Floor(mean-normal(1-alpha/2)*sd-0.5), 0)), true
	}
	u := stats.UDist{N1: n1, N2: n2}
	sum := 0.0
	for k = 0; k <= n1*n2/2; k++ {
		if sum += u.PMF(float64(k)); sum > alpha/2 {
			break
		}
	}
	return k, k > 0
}

// maxExact is up to how many differences the exact distribution is computed.
const maxExact = 400

// normal is the quantile of the standard normal distribution.
func normal(q float64) float64 { return math.Sqrt2 * math.Erfinv(2*q-1) }

// shift returns the median of all differences between a new and an old value,
// with its interval of level 1-alpha; not ok when there are too few values.
func shift(old, now []float64, alpha float64) (e Effect, ok bool) {
	k, ok := rank(len(old), len(now), alpha)
	if !ok {
		return Effect{}, false
	}
	d := differences(old, now)
	return Effect{Estimate: median(d), Low: d[k], High: d[len(d)-1-k]}, true
}

// differences returns all differences between a new and an old value, sorted.
func differences(old, now []float64) []float64 {
	out := make([]float64, 0, len(old)*len(now))
	for _, b := range now {
		for _, a := range old {
			out = append(out, b-a)
		}
	}
	slices.Sort(out)
	return out
}

// median returns the median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// effect returns the effect on a figure, with its interval.
func (m Metric) effect(old, now []float64, alpha float64) (e Effect, ok bool) {
	e = m.scaled(func(old, now []float64) (e Effect) {
		e, ok = shift(old, now, alpha)
		return e
	}, old, now)
	return e, ok
}

// scaled applies of on the scale on which the figure is compared.
func (m Metric) scaled(of func(old, now []float64) Effect, old, now []float64) Effect {
	if !m.Relative() {
		return of(old, now)
	}
	e := of(logs(old), logs(now))
	return Effect{Estimate: math.Expm1(e.Estimate), Low: math.Expm1(e.Low), High: math.Expm1(e.High)}
}

func logs(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Log(v)
	}
	return out
}

// NeededRuns returns how many runs each side needs so that a change can be
// told at all when so many figures are compared at once.
func NeededRuns(figures int) int {
	for n := MinRuns; ; n++ {
		if _, ok := rank(n, n, Alpha/float64(max(figures, 1))); ok {
			return n
		}
	}
}

// decide gives a change its effect and verdict.
func (c *Change) decide(p pairing, figures int, minEffect float64) {
	alpha := Alpha / float64(figures)
	effect, ok := c.Metric.effect(c.Old, c.New, alpha)
	if fewest := min(len(c.Old), len(c.New)); fewest < MinRuns || !ok {
		c.Verdict = Undecided
		c.Reason = fmt.Sprintf("%d and %d runs: a verdict on %d figures needs %d a side", len(c.Old), len(c.New), figures, NeededRuns(figures))
		c.indicate(p, alpha)
		return
	}
	c.Effect, c.Basis = &effect, OfRuns
	c.Verdict = verdict(c.Metric, effect, minEffect)
}

// verdict tells whether an effect is a change, and which.
func verdict(m Metric, e Effect, minEffect float64) Verdict {
	if !m.Relative() {
		minEffect /= 10
	}
	switch {
	case e.Low <= 0 && e.High >= 0, math.Abs(e.Estimate) < minEffect:
		return Unchanged
	case (e.Estimate > 0) == m.MoreIsWorse():
		return Worse
	}
	return Better
}

// indicate gives an undecided change what there is: the median and range of
// all differences between few runs, or of single runs what their calls tell.
func (c *Change) indicate(p pairing, alpha float64) {
	if len(c.Old)*len(c.New) > 1 {
		e := c.Metric.scaled(span, c.Old, c.New)
		c.Effect, c.Basis = &e, OfFewRuns
		return
	}
	if e, ok := c.within(p, alpha); ok {
		c.Effect, c.Basis = &e, OfCalls
	}
}

// span returns the median and the range of all differences.
func span(old, now []float64) Effect {
	d := differences(old, now)
	return Effect{Estimate: median(d), Low: d[0], High: d[len(d)-1]}
}

// within returns the effect as far as the calls within the runs tell it. The
// interval is made of one for each side at half of alpha, so that both hold
// together.
func (c *Change) within(p pairing, alpha float64) (Effect, bool) {
	if c.Metric == Errors {
		return rates(p, alpha/2)
	}
	q := c.Metric.Quantile()
	old, ok1 := quantileInterval(together(p.old), q, alpha/2)
	now, ok2 := quantileInterval(together(p.new), q, alpha/2)
	if !ok1 || !ok2 || old.Low <= 0 {
		return Effect{}, false
	}
	return Effect{Estimate: now.Estimate/old.Estimate - 1, Low: now.Low/old.High - 1, High: now.High/old.Low - 1}, true
}

// quantileInterval returns a quantile in milliseconds with its interval of
// level 1-alpha: the order statistics between which it lies, by the normal
// approximation of the binomial distribution.
func quantileInterval(l report.Latency, q, alpha float64) (Effect, bool) {
	if q == 0 || l.Count < hist.Needed(q) {
		return Effect{}, false
	}
	h, err := hist.Decode(l.HDR)
	if err != nil {
		return Effect{}, false
	}
	n := float64(l.Count)
	spread := normal(1-alpha/2) * math.Sqrt(q*(1-q)/n)
	at := func(q float64) float64 { return report.Milliseconds(h.Quantile(q)) }
	return Effect{Estimate: at(q), Low: at(q - spread), High: at(q + spread)}, true
}

// rates returns how error rates differ, with Wilson's interval on each side.
func rates(p pairing, alpha float64) (Effect, bool) {
	old, ok1 := wilson(p.old, alpha)
	now, ok2 := wilson(p.new, alpha)
	return Effect{Estimate: now.Estimate - old.Estimate, Low: now.Low - old.High, High: now.High - old.Low}, ok1 && ok2
}

func wilson(loads []*report.Load, alpha float64) (Effect, bool) {
	var failed, sent float64
	for _, l := range loads {
		failed += float64(l.Sent - l.Statuses["OK"])
		sent += float64(l.Sent)
	}
	if sent == 0 {
		return Effect{}, false
	}
	z, rate := normal(1-alpha/2), failed/sent
	center := (rate + z*z/(2*sent)) / (1 + z*z/sent)
	half := z / (1 + z*z/sent) * math.Sqrt(rate*(1-rate)/sent+z*z/(4*sent*sent))
	return Effect{Estimate: rate, Low: max(center-half, 0), High: min(center+half, 1)}, true
}
