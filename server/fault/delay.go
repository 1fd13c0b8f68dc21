package fault

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"touchstone/server/source"
)

// maxDelay bounds every draw. It keeps a heavy tail within time.Duration.
const maxDelay = 24 * time.Hour

// Delay is a fixed delay (Distribution is "") or a random one. The zero Delay
// is none.
type Delay struct {
	Distribution string        // "", "uniform", "normal", "exponential", "lognormal", "pareto"
	Fixed        time.Duration // of the distribution ""
	Min          time.Duration // of uniform and pareto
	Max          time.Duration // of uniform; else cuts longer draws, 0: at 24h
	Mean         time.Duration // of normal and exponential
	StdDev       time.Duration // of normal
	Median       time.Duration // of lognormal: exp(mu)
	Sigma        float64       // of lognormal: of the logarithm
	Alpha        float64       // of pareto: the smaller, the heavier the tail
}

// parameters are the words that each distribution asks for; all but uniform
// also take max.
var parameters = map[string][]string{
	"uniform":     {"min", "max"},
	"normal":      {"mean", "stddev"},
	"exponential": {"mean"},
	"lognormal":   {"median", "sigma"},
	"pareto":      {"min", "alpha"},
}

// distributions are the keys of parameters, in the order of the documentation.
var distributions = []string{"uniform", "normal", "exponential", "lognormal", "pareto"}

// parseDelay reads 200ms or {distribution: ..., ...}.
func parseDelay(r *source.Reporter, n *source.Node) Delay {
	if n == nil {
		return Delay{}
	}
	if n.Kind != source.Object {
		d := limited(r, n)
		if d == 0 {
			r.Errorf(n.Pos, "want a delay above 0, got %s", n.JSON())
		}
		return Delay{Fixed: d}
	}
	m := r.Mapping(n)
	d := Delay{Distribution: oneOf(r, m.Need("distribution"), "distribution", distributions)}
	take := func(word string) *source.Node {
		for _, p := range parameters[d.Distribution] {
			if p == word {
				return m.Need(word)
			}
		}
		if word == "max" {
			return m.Take(word)
		}
		return nil
	}
	if d.Distribution == "" {
		return d
	}
	d.Min, d.Max = limited(r, take("min")), limited(r, take("max"))
	d.Mean, d.StdDev, d.Median = limited(r, take("mean")), limited(r, take("stddev")), limited(r, take("median"))
	d.Sigma, d.Alpha = positive(r, take("sigma")), positive(r, take("alpha"))
	m.Done()
	if at := n.Get("max"); at != nil && d.Max < d.Min {
		r.Errorf(at.Pos, "max %s is less than min %s", d.Max, d.Min)
	}
	return d
}

// limited reads a duration that is not longer than maxDelay.
func limited(r *source.Reporter, n *source.Node) time.Duration {
	d := r.Duration(n)
	if d > maxDelay {
		r.Errorf(n.Pos, "%s is longer than %s", d, maxDelay)
	}
	return d
}

// maxParameter bounds the numbers of a distribution.
const maxParameter = 1e6

// positive reads a number above 0.
func positive(r *source.Reporter, n *source.Node) float64 {
	v := r.Float(n)
	if n != nil && (n.Kind == source.Int || n.Kind == source.Float) && (v <= 0 || v > maxParameter) {
		r.Errorf(n.Pos, "%s is not above 0 and up to %g", n.Text, maxParameter)
	}
	return v
}

// draw returns the delay as a fixed one.
func (d Delay) draw(r *rand.Rand) Delay {
	if d.Distribution == "" {
		return d
	}
	limit := maxDelay
	if d.Max > 0 {
		limit = d.Max
	}
	return Delay{Fixed: time.Duration(min(max(d.sample(r), 0), float64(limit)))}
}

// sample draws a number of nanoseconds from the distribution.
func (d Delay) sample(r *rand.Rand) float64 {
	switch d.Distribution {
	case "uniform":
		return float64(d.Min) + r.Float64()*float64(d.Max-d.Min)
	case "normal":
		return float64(d.Mean) + r.NormFloat64()*float64(d.StdDev)
	case "exponential":
		return r.ExpFloat64() * float64(d.Mean)
	case "lognormal":
		return float64(d.Median) * math.Exp(r.NormFloat64()*d.Sigma)
	case "pareto":
		// The inverse of P(X > x) = (min/x)^alpha at a uniform draw.
		return float64(d.Min) * math.Pow(1-r.Float64(), -1/d.Alpha)
	}
	return 0
}

// yaml prints what parseDelay reads.
func (d Delay) yaml() string {
	if d.Distribution == "" {
		return d.Fixed.String()
	}
	values := map[string]string{
		"min": d.Min.String(), "max": d.Max.String(), "mean": d.Mean.String(), "stddev": d.StdDev.String(), "median": d.Median.String(),
		"sigma": strconv.FormatFloat(d.Sigma, 'f', -1, 64), "alpha": strconv.FormatFloat(d.Alpha, 'f', -1, 64),
	}
	words := parameters[d.Distribution]
	if d.Max > 0 && d.Distribution != "uniform" {
		words = append(words[:len(words):len(words)], "max")
	}
	var b strings.Builder
	for _, word := range words {
		fmt.Fprintf(&b, ", %s: %s", word, values[word])
	}
	return fmt.Sprintf("{distribution: %s%s}", d.Distribution, b.String())
}
