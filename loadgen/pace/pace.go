// Package pace turns a load profile into the moments at which calls are due.
//
// A schedule is a sequence of offsets from the start of the run, in
// non-decreasing order. It sees no clock and never learns how calls went, so a
// slow target cannot slow it down. Ranging over a schedule twice yields the
// same offsets.
package pace

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Constant yields offsets 1/rate seconds apart, the first at 0, without end.
// A rate, in calls a second, that is not positive yields nothing.
//
// Each offset is computed from its index, so rounding does not add up.
func Constant(rate float64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if !(rate > 0) {
			return
		}
		for i := 0.0; ; i++ {
			offset, ok := seconds(i / rate)
			if !ok || !yield(offset) {
				return
			}
		}
	}
}

// Poisson yields the offsets of independent arrivals, on average rate a
// second, without end: what many unconnected callers look like. A rate that is
// not positive yields nothing; the same seed yields the same offsets.
//
// The gaps, the one before the first arrival included, are exponential with
// mean 1/rate: -ln(1-u)/rate for u uniform in [0,1). Drawing by inversion
// keeps a seed's offsets the same in every version of Go.
func Poisson(rate float64, seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if !(rate > 0) {
			return
		}
		var source rand.PCG // a value, so that ranging does not allocate
		source.Seed(seed, poissonStream)
		for t := 0.0; ; {
			t -= math.Log1p(-uniform(&source)) / rate
			offset, ok := seconds(t)
			if !ok || !yield(offset) {
				return
			}
		}
	}
}

// poissonStream sets the arrivals apart from whatever else a run draws from
// the same seed.
const poissonStream = 0x706f6973736f6e

// uniform draws from [0,1) with 53 bits.
func uniform(source *rand.PCG) float64 {
	return float64(source.Uint64()>>11) / (1 << 53)
}

// For returns the offsets of s that lie before d.
func For(s iter.Seq[time.Duration], d time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for offset := range s {
			if offset >= d || !yield(offset) {
				return
			}
		}
	}
}

// Take returns the first n offsets of s.
func Take(s iter.Seq[time.Duration], n int) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if n <= 0 {
			return
		}
		left := n
		for offset := range s {
			// Not at the top of the loop: that would draw offset n+1 first.
			if left--; !yield(offset) || left == 0 {
				return
			}
		}
	}
}

// Then returns the offsets of first that lie before d, and after them those of
// second, which starts at d.
func Then(first iter.Seq[time.Duration], d time.Duration, second iter.Seq[time.Duration]) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for offset := range For(first, d) {
			if !yield(offset) {
				return
			}
		}
		for offset := range second {
			if offset > math.MaxInt64-d || !yield(d+offset) {
				return
			}
		}
	}
}

// seconds converts to a duration, rounding to the nanosecond. It is false
// beyond what a duration can hold, 292 years, where a schedule ends.
func seconds(s float64) (time.Duration, bool) {
	ns := math.Round(s * 1e9)
	return time.Duration(ns), ns < math.MaxInt64
}
