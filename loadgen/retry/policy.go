// Package retry models what a gRPC client's retry policy makes it do: which
// service configs are valid, which attempts follow from one, when they start,
// and whether attempts that were seen are the ones that should have been.
//
// The rules are those of gRFC A6 (client retries, as amended in 2024: backoff
// is jittered by 20 %). The package is pure: it sees configs and observations,
// and no clock or connection.
package retry

import (
	"math"
	"time"

	"touchstone/server/source"
)

// AttemptCap is the number of attempts that clients never exceed, whatever
// maxAttempts says, unless the application raises it (A6, Maximum Number of
// Retries).
const AttemptCap = 5

// Jitter is how far a backoff may be from its nominal length, as a share of it
// (A6, Exponential Backoff, as amended in 2024).
const Jitter = 0.2

// Policy is a retryPolicy that is valid.
type Policy struct {
	Pos            source.Pos
	MaxAttempts    int // as configured, at least 2; see Attempts
	InitialBackoff time.Duration
	MaxBackoff     time.Duration
	Multiplier     float64
	Codes          []uint32 // retryable status codes, ascending
	node           *source.Node
}

// Attempts returns how many attempts a call makes at most, the first included.
// Nil, no policy, makes one.
func (p *Policy) Attempts() int {
	if p == nil {
		return 1
	}
	return min(p.MaxAttempts, AttemptCap)
}

// Retries reports whether a status code is retried.
func (p *Policy) Retries(code uint32) bool {
	if p == nil {
		return false
	}
	for _, c := range p.Codes {
		if c == code {
			return true
		}
	}
	return false
}

// Interval is a range of durations, both ends included.
type Interval struct{ Min, Max time.Duration }

// Nominal returns the backoff before retry n, counted from 1 since the start
// of the call or the last pushback, without jitter: initialBackoff times
// backoffMultiplier^(n-1), at most maxBackoff. An initialBackoff above
// maxBackoff is cut as well: that is how clients are coded.
func (p *Policy) Nominal(n int) time.Duration {
	d := float64(p.InitialBackoff) * math.Pow(p.Multiplier, float64(n-1))
	return time.Duration(min(d, float64(p.MaxBackoff)))
}

// Backoff returns the legal range of the backoff before retry n.
func (p *Policy) Backoff(n int) Interval {
	d := float64(p.Nominal(n))
	return Interval{time.Duration(d * (1 - Jitter)), time.Duration(d * (1 + Jitter))}
}

// Total returns the range of the time that a call spends in backoffs when
// every attempt fails at once.
func (p *Policy) Total() Interval {
	var total Interval
	for n := 1; n < p.Attempts(); n++ {
		b := p.Backoff(n)
		total.Min += b.Min
		total.Max += b.Max
	}
	return total
}

// Within returns how many attempts start before a deadline when every attempt
// fails at once: at least, with the longest backoffs, and at most.
func (p *Policy) Within(deadline time.Duration) (least, most int) {
	return p.started(deadline, func(b Interval) time.Duration { return b.Max }),
		p.started(deadline, func(b Interval) time.Duration { return b.Min })
}

func (p *Policy) started(deadline time.Duration, length func(Interval) time.Duration) int {
	started, at := 1, time.Duration(0)
	for n := 1; n < p.Attempts(); n++ {
		if at += length(p.Backoff(n)); at >= deadline {
			break
		}
		started++
	}
	return started
}

// Throttling is a retryThrottling that is valid (A6, Throttling Retry
// Attempts): a bucket that starts full, loses one token for each failure and
// gains TokenRatio for each success. While it is at half or below, nothing is
// retried.
type Throttling struct {
	Pos        source.Pos
	MaxTokens  float64
	TokenRatio float64
}

// FailuresToStop returns after how many failed attempts in a row, from a full
// bucket, retries stop.
func (t *Throttling) FailuresToStop() int { return int(math.Ceil(t.MaxTokens / 2)) }

// SuccessesToResume returns how many successes bring retries back when they
// have just stopped: a failure that is to be retried costs its token first.
// False means that none do: with two tokens or less, the bucket's size, even
// a failure from a full bucket leaves no more than half.
func (t *Throttling) SuccessesToResume() (int, bool) {
	tokens := t.MaxTokens - float64(t.FailuresToStop())
	needed := t.MaxTokens/2 + 1 - tokens
	return int(math.Floor(needed/t.TokenRatio+1e-9)) + 1, t.MaxTokens > 2
}
