package pace

import (
	"iter"
	"math"
	"time"
)

// Step is a constant rate, in calls a second, that is held for a while. A rate
// that is not positive makes no calls meanwhile.
type Step struct {
	Rate float64
	For  time.Duration
}

// Ramp yields offsets while the rate, in calls a second, moves in a straight
// line from one value to another, and then stays there, without end. Rates
// below zero count as zero.
//
// After t seconds of the ramp n(t) = from*t + k*t*t/2 calls are due, with k =
// (to-from)/over; call i is due at the root of n(t) = i.
func Ramp(from, to float64, over time.Duration) iter.Seq[time.Duration] {
	return pieces([]piece{{from, to, over.Seconds()}, {to, to, math.Inf(1)}})
}

// Steps yields offsets at one rate after the other. The last rate is held
// without end, whatever its For.
//
// Calls are counted across steps: one that is due half a call before a step
// ends leaves half a call of the next rate until the one after it.
func Steps(steps ...Step) iter.Seq[time.Duration] {
	list := make([]piece, len(steps))
	for i, s := range steps {
		list[i] = piece{s.Rate, s.Rate, s.For.Seconds()}
	}
	if len(list) > 0 {
		list[len(list)-1].over = math.Inf(1)
	}
	return pieces(list)
}

// Spike yields offsets at the base rate, without end, but at the peak rate
// from the offset at, for a while: what a target does with a burst, and how
// long it takes to recover.
func Spike(base, peak float64, at, lasts time.Duration) iter.Seq[time.Duration] {
	return Steps(Step{base, at}, Step{peak, lasts}, Step{Rate: base})
}

// piece is a stretch of seconds in which the rate moves in a straight line.
type piece struct{ from, to, over float64 }

// pieces yields the offsets of pieces one after the other.
func pieces(list []piece) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		start, before := 0.0, 0.0 // of the piece: its time, and the calls due before it
		i := 0.0
		for _, p := range list {
			p.from, p.to, p.over = positive(p.from), positive(p.to), positive(p.over)
			calls := p.calls()
			for ; i-before < calls; i++ {
				offset, ok := seconds(start + p.due(i-before))
				if !ok || !yield(offset) {
					return
				}
			}
			start, before = start+p.over, before+calls
		}
	}
}

// calls returns how many calls are due in a piece, in fractions of a call.
func (p piece) calls() float64 {
	if p.from+p.to == 0 || p.over == 0 {
		return 0 // and not 0 times infinity
	}
	return (p.from + p.to) / 2 * p.over
}

// due returns the time, from the start of the piece, at which n calls are due.
//
// Not (sqrt(r*r+2*k*n) - r) / k: that form cancels for small k, and divides by
// zero for a constant rate.
func (p piece) due(n float64) float64 {
	if n == 0 {
		return 0 // where a rate that starts at 0 would be 0/0
	}
	k := (p.to - p.from) / p.over
	// The root is of nothing at the end of a fall to zero, where rounding may
	// put it below; and no call of a piece is due after its end.
	root := math.Sqrt(max(p.from*p.from+2*k*n, 0))
	return min(2*n/(p.from+root), p.over)
}

// positive returns v, or 0 when it is below 0 or no number.
func positive(v float64) float64 {
	if v > 0 {
		return v
	}
	return 0
}

// Sine yields offsets while the rate, in calls a second, swings around a mean:
// rate(t) = mean + swing*sin(2πt/period), without end. It yields nothing when
// mean or period is not positive; the swing is cut to the mean, since there
// are no negative rates.
//
// After t seconds n(t) = mean*t + swing*period/2π * (1-cos(2πt/period)) calls
// are due, which no formula solves for t. A full period has mean*period of
// them, so that call i is looked for within one period, and is as exact after
// a day as in the first minute.
func Sine(mean, swing float64, period time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if !(mean > 0) || period <= 0 {
			return
		}
		w := wave{mean: mean, swing: min(positive(swing), mean), period: period.Seconds()}
		perPeriod := mean * w.period
		for i := 0.0; ; i++ {
			whole := math.Floor(i / perPeriod)
			offset, ok := seconds(whole*w.period + w.due(i-whole*perPeriod))
			if !ok || !yield(offset) {
				return
			}
		}
	}
}

// wave is one period of a sine.
type wave struct{ mean, swing, period float64 }

// calls returns n(t).
func (w wave) calls(t float64) float64 {
	turn := 2 * math.Pi / w.period
	// 1-cos(x) is 2*sin²(x/2), which does not cancel at small x.
	half := math.Sin(turn * t / 2)
	return w.mean*t + w.swing/turn*2*half*half
}

// due solves n(t) = n: Newton's method, and where that leaves the bracket,
// which is about the bottom of a wave that goes down to no rate at all, a
// halving of the bracket. Each round narrows it, and 64 do so past the last bit.
func (w wave) due(n float64) float64 {
	low, high := max(0, (n-w.swing*w.period/math.Pi)/w.mean), n/w.mean
	t := high
	for range 64 {
		off := w.calls(t) - n
		if off > 0 {
			high = t
		} else {
			low = t
		}
		rate := w.mean + w.swing*math.Sin(2*math.Pi*t/w.period)
		next := t - off/rate
		if !(next >= low && next <= high) {
			next = low + (high-low)/2
		}
		if math.Abs(next-t) < 1e-12*w.period {
			return next
		}
		t = next
	}
	return t
}

// Trace yields the given offsets, such as those of calls that were recorded.
// They have to be in order; [ParseTrace] reads such a list. The schedule keeps
// the list and does not change it.
func Trace(offsets []time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for _, offset := range offsets {
			if !yield(offset) {
				return
			}
		}
	}
}

// Shard returns part i of n, i from 0, of a schedule: the offsets number i,
// i+n, i+2n and so on. Every offset is in exactly one part, so that n
// generators with the same schedule and seed make its calls together, each at
// its moment; merged in order, the parts are the schedule again. There is no
// part of a number outside of 0 to n-1.
func Shard(s iter.Seq[time.Duration], i, n int) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if i < 0 || i >= n {
			return
		}
		skip := i
		for offset := range s {
			if skip--; skip >= 0 {
				continue
			}
			if !yield(offset) {
				return
			}
			skip = n - 1
		}
	}
}
