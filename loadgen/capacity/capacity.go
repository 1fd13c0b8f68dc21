// Package capacity decides how to look for the highest rate at which a target
// keeps its conditions.
//
// A Search says which rate to try next, is given what came of it, and says when
// it has found the answer. It sees no clock and makes no call. First the rate
// doubles until the conditions no longer hold; between the last rate that held
// and the first that did not, the middle is tried until both are close; a run
// at the rate found confirms it. Each rate is run again until its figures are
// on one side of the conditions for certain, or until it has had its share of
// runs.
//
// A run whose generator was the bottleneck says nothing about the target. It
// neither holds nor fails; twice in a row at one rate, it ends the search
// upwards there.
package capacity

import (
	"fmt"
	"math"
	"strconv"

	"touchstone/loadgen/report"
)

// Config describes a search.
type Config struct {
	// Conditions have to hold at the rate found, and so has the one that is
	// never left out: that the target keeps up, which is that the calls under
	// way do not become more and more.
	Conditions []report.Condition
	// Start is the first rate, in calls a second; 0 is 50.
	Start float64
	// Min and Max bound the rates. 0 is 1 and 1,000,000.
	Min, Max float64
	// Precision is how close, as a share, the rate found and the lowest one
	// that did not hold have to be; 0 is 0.02.
	Precision float64
	// Repeats bounds the runs at one rate; 0 is 3.
	Repeats int
	// Runs bounds the runs of the search, those to confirm not counted; 0 is 60.
	Runs int
}

// The defaults.
const (
	defaultStart     = 50
	defaultMin       = 1
	defaultMax       = 1e6
	defaultPrecision = 0.02
	defaultRepeats   = 3
	defaultRuns      = 60
)

// How the rates move.
const (
	growth       = 2 // upwards, while the conditions hold
	shrink       = 4 // downwards, as long as none has held
	confirmTries = 3 // rates that are tried to be confirmed, each a little lower
)

// Point is a run that a search asks for.
type Point struct {
	Phase string  // ramp, bisect or confirm
	Rate  float64 // calls a second
	Run   int     // at this rate, from 1
}

// The phases.
const (
	ramp    = "ramp"
	bisect  = "bisect"
	confirm = "confirm"
)

// Search looks for a rate. Make one with New; call Next and Record in turn.
type Search struct {
	cfg   Config
	phase string
	rate  float64
	// What is known of rate in this phase.
	proof   *proof
	runs    int
	invalid int // invalid runs in a row

	low     float64 // the highest rate that held; 0 for none
	high    float64 // the lowest rate that did not; +Inf for none
	highWas verdict // why high did not
	total   int     // runs before confirming
	tries   int     // rates that confirming has tried

	stopped string // why the search had to end early
	ended   bool
	out     report.Capacity
}

// New returns a search, or an error that says what is wrong with cfg.
func New(cfg Config) (*Search, error) {
	cfg.fill()
	switch {
	case len(cfg.Conditions) == 0:
		return nil, fmt.Errorf("a search needs a condition")
	case !(cfg.Min > 0 && cfg.Min <= cfg.Max && !math.IsInf(cfg.Max, 0)):
		return nil, fmt.Errorf("the rates %v to %v are no range", cfg.Min, cfg.Max)
	case !(cfg.Precision > 0 && cfg.Precision < 1):
		return nil, fmt.Errorf("the precision %v is not within 0 and 1", cfg.Precision)
	case cfg.Repeats < 1 || cfg.Runs < 1:
		return nil, fmt.Errorf("a search needs at least one run")
	}
	s := &Search{cfg: cfg, phase: ramp, high: math.Inf(1)}
	for _, c := range cfg.Conditions {
		s.out.Conditions = append(s.out.Conditions, c.String())
	}
	s.move(ramp, min(max(cfg.Start, cfg.Min), cfg.Max))
	return s, nil
}

// fill puts the defaults in.
func (c *Config) fill() {
	for _, field := range []struct {
		value *float64
		or    float64
	}{{&c.Start, defaultStart}, {&c.Min, defaultMin}, {&c.Max, defaultMax}, {&c.Precision, defaultPrecision}} {
		if *field.value == 0 {
			*field.value = field.or
		}
	}
	if c.Repeats == 0 {
		c.Repeats = defaultRepeats
	}
	if c.Runs == 0 {
		c.Runs = defaultRuns
	}
}

// Next returns the next run to make, and false when the search has ended.
func (s *Search) Next() (Point, bool) {
	return Point{s.phase, s.rate, s.runs + 1}, !s.ended
}

// Stop ends the search for the given reason: what has been found is still to
// be confirmed.
func (s *Search) Stop(reason string) {
	if s.stopped == "" && s.phase != confirm {
		s.stopped = reason
		s.confirm()
	}
}

// Record takes what came of the run that Next asked for, and returns how it
// stands in the outcome.
func (s *Search) Record(l *report.Load) report.CapacityPoint {
	s.runs++
	v, failed := s.judge(l)
	p := report.CapacityPoint{
		Phase: s.phase, RateRPS: s.rate, AchievedRPS: l.AchievedRPS, Verdict: v.String(), Failed: failed,
		Response: l.Response,
	}
	if l.Sent > 0 {
		p.ErrorRate = float64(l.Sent-l.Statuses["OK"]) / float64(l.Sent)
	}
	s.out.Points = append(s.out.Points, p)
	if s.phase != confirm {
		s.total++
	}
	if !s.again(v) {
		s.step(v)
	}
	if s.total >= s.cfg.Runs {
		s.Stop(fmt.Sprintf("the search ended after %d runs", s.total))
	}
	return p
}

// judge returns the verdict of all runs at this rate, and what did not hold.
func (s *Search) judge(l *report.Load) (verdict, []string) {
	if reasons := generatorFaults(l); len(reasons) > 0 {
		s.invalid++
		return invalid, reasons
	}
	s.invalid = 0
	s.proof.add(l)
	return s.proof.verdict(), s.proof.failed()
}

// again reports whether the same rate has to be run once more.
func (s *Search) again(v verdict) bool {
	switch {
	case v == invalid:
		return s.invalid < 2 && s.runs < s.cfg.Repeats+1
	case v.decided() || s.runs >= s.cfg.Repeats:
		return false
	}
	// While the rate still grows, one that most likely holds is good enough:
	// only the last one matters, and that is confirmed.
	return s.phase != ramp || !v.held()
}

// step moves on from a rate that has had its runs.
func (s *Search) step(v verdict) {
	if s.phase == confirm {
		s.confirmed(v)
		return
	}
	if v.held() {
		s.low = s.rate
	} else {
		s.high, s.highWas = s.rate, v
	}
	switch {
	case s.low == 0 && s.high <= s.cfg.Min:
		s.ended = true
		s.out.Reason = s.noneReason(v)
	case s.low == 0:
		s.move(ramp, max(s.high/shrink, s.cfg.Min))
	case s.low >= s.cfg.Max:
		s.confirm()
	case math.IsInf(s.high, 1):
		s.move(ramp, min(s.low*growth, s.cfg.Max))
	default:
		s.halve()
	}
}

// halve goes to the middle of what is left, or on when that is narrow enough.
func (s *Search) halve() {
	mid := readable(math.Sqrt(s.low * s.high))
	if s.high <= s.low*(1+s.cfg.Precision) || mid <= s.low || mid >= s.high {
		s.confirm()
		return
	}
	s.move(bisect, mid)
}

// confirm goes on to confirm the rate found.
func (s *Search) confirm() {
	if s.low == 0 {
		s.ended = true
		s.out.Reason = s.stopped
		return
	}
	s.move(confirm, s.low)
}

// confirmed ends the search when the rate found has held again, and tries one
// that is a little lower when it has not. Runs that say nothing confirm nothing.
func (s *Search) confirmed(v verdict) {
	s.tries++
	s.out.FoundRPS, s.out.Confirmed = s.rate, v.held()
	lower := readable(s.rate / (1 + s.cfg.Precision))
	if !v.held() && v != invalid && s.tries < confirmTries && lower >= s.cfg.Min && lower < s.rate {
		s.move(confirm, lower)
		return
	}
	s.ended = true
	s.out.Reason = s.reason(v)
}

// move goes to another rate.
func (s *Search) move(phase string, rate float64) {
	s.phase, s.rate = phase, rate
	s.proof, s.runs, s.invalid = newProof(s.cfg.Conditions), 0, 0
}

// reason says why the search ended where it did; v is the verdict of the last
// run to confirm.
func (s *Search) reason(v verdict) string {
	var text string
	switch {
	case s.stopped != "":
		text = s.stopped
	case math.IsInf(s.high, 1):
		text = fmt.Sprintf("the search went no higher than %s/s", number(s.cfg.Max))
	case s.highWas == invalid:
		text = fmt.Sprintf("at %s/s the limit of this generator was reached: the target may do more", number(s.high))
	case s.highWas == fails:
		text = fmt.Sprintf("at %s/s the conditions do not hold", number(s.high))
	default:
		text = fmt.Sprintf("at %s/s the conditions hold in some runs only", number(s.high))
	}
	switch {
	case v == leansToHold:
		text += "; the run to confirm held, with too few calls to be certain: longer runs would be"
	case v == invalid:
		text += fmt.Sprintf("; this generator was too slow to confirm %s/s", number(s.rate))
	case !v.held():
		text += fmt.Sprintf("; %s/s could not be confirmed", number(s.low))
	case s.tries > 1:
		text += fmt.Sprintf("; %s/s held at first, and not again", number(s.low))
	}
	return text
}

// noneReason says why no rate was found.
func (s *Search) noneReason(v verdict) string {
	if v == invalid {
		return fmt.Sprintf("this generator is too slow even at %s/s", number(s.rate))
	}
	return fmt.Sprintf("the conditions do not hold even at %s/s", number(s.rate))
}

// Outcome returns what has been found, with every run so far.
func (s *Search) Outcome() *report.Capacity {
	out := s.out
	if !s.ended {
		out.FoundRPS = s.low
	}
	return &out
}

// readable rounds a rate to three digits.
func readable(rate float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 3, 64), 64)
	if err != nil {
		return rate
	}
	return rounded
}

// number writes a rate without an exponent.
func number(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }
