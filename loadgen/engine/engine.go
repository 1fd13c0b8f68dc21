// Package engine makes the calls of a load and measures them.
//
// In an open loop the calls are due when a schedule says so, and the target
// cannot slow it down: a call that is due leaves, however many are still under
// way. Its response time counts from the moment it was due, so that whatever
// made it wait, in the target or on the way there, is in the figures. In a
// closed loop each of N callers makes its next call when the one before it
// has ended.
package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// Config describes one load. Either Schedule or Closed is set, either Next or
// Mix, and Duration, Requests or both bound the run.
type Config struct {
	// What the report calls the load, its transport ("" is channel) and its
	// arrivals, such as "poisson 500/s"; and how many connections there are.
	Name, TransportName, Arrival string
	Connections                  int

	Transport transport.Transport
	// Next returns the k-th call, k from 0, calls of the warm-up included. It
	// is called concurrently, right before the call is made, and never returns
	// nil. The kind and method of call 0, which is asked for once more at the
	// start, stand for all.
	Next func(k int) *transport.Request
	// Mix makes calls of several methods, instead of Next. Which one a call is
	// of depends on Seed and its number alone.
	Mix  []Part
	Seed uint64

	// Schedule yields when calls are due, from the start of the run. It may be
	// endless.
	Schedule iter.Seq[time.Duration]
	// Closed is the number of callers of a closed loop, Think the time from the
	// end of a caller's call to its next.
	Closed int
	Think  time.Duration

	// Warmup is how long calls are made, at the start, that no figure counts,
	// and Cooldown the same for the end.
	Warmup, Cooldown time.Duration
	// Duration bounds the time, after the warm-up, in which calls become due.
	Duration time.Duration
	// Requests bounds the number of calls after the warm-up.
	Requests int
	// Stages are parts of the schedule that the report is to name; their times
	// are from the end of the warm-up.
	Stages []report.Phase

	// MaxInFlight bounds the calls of an open loop that are under way at the
	// same time; a call that is due beyond that is dropped, and counted. 0 is
	// 10,000: a target that stops for 5 s at 1,000 calls a second is then
	// still measured in full. A call under way takes 10 to 20 kB of a channel,
	// and 1 kB of a transport that needs no goroutine for it.
	MaxInFlight int
	// Drain bounds how long calls under way at the end are waited for; then
	// they are cancelled, and counted. 0 is 30 s.
	Drain time.Duration
	// Cut, when set, divides the end of ctx in two: ctx ends the making of
	// calls, and those under way are waited for until Cut is closed, or Drain
	// has passed. Nil cuts them when ctx ends.
	Cut <-chan struct{}

	// AbortOn ends the run early when one of them holds. Each is judged on every
	// second of the run by itself.
	AbortOn []report.Abort
	// Check judges the responses of calls, nil does not.
	Check *Check

	// Events, when set, has what happened to connections, for the report.
	Events *Events

	// Progress, when set, is called with each second of the run as it ends,
	// from a goroutine of the run.
	Progress func(report.Window)
}

// Part is one method of a mix.
type Part struct {
	// Weight is how many calls go to this part, in proportion to the weights of
	// the others.
	Weight float64
	// Next returns the k-th call of this part, as Next of Config does.
	Next func(k int) *transport.Request
	// Make, instead of Next, fills in the k-th call. Where the transport allows
	// it, req is that of a call that has ended, so that its memory can be used
	// again. It is called concurrently, with a req of its own each.
	Make func(k int, req *transport.Request)
	// Pair, when set, has the round trips of a bidi stream measured, if the
	// transport can send message by message. It returns what a response has in
	// common with the message that it answers, "" for one that belongs to none;
	// n counts the messages of the call, from 0, in their direction. It is
	// called concurrently. Calls that take turns need none.
	Pair func(message []byte, n int, sent bool) string
}

// validate states what is wrong with a configuration.
func (c *Config) validate() error {
	switch {
	case c.Transport == nil || (c.Next == nil && len(c.Mix) == 0):
		return errors.New("a load needs a transport and calls to make")
	case c.Next != nil && len(c.Mix) > 0:
		return errors.New("a load has calls of its own or a mix, not both")
	case (c.Schedule == nil) == (c.Closed == 0):
		return errors.New("a load needs either a schedule or a number of callers")
	case c.Think > 0 && c.Closed == 0:
		return errors.New("only the callers of a closed loop think")
	case c.Duration <= 0 && c.Requests <= 0:
		return errors.New("a load needs a duration or a number of requests")
	case min(c.Closed, c.Requests, c.MaxInFlight, c.Connections) < 0,
		min(c.Think, c.Duration, c.Warmup, c.Cooldown, c.Drain) < 0:
		return errors.New("a load takes no negative numbers")
	}
	for _, part := range c.Mix {
		if !(part.Weight > 0) || (part.Next == nil) == (part.Make == nil) {
			return errors.New("each part of a mix needs a weight above 0 and calls to make")
		}
	}
	return nil
}

// Defaults of Config.
const (
	defaultMaxInFlight = 10_000
	defaultDrain       = 30 * time.Second
)

// fill puts the defaults in.
func (c *Config) fill() {
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.Drain == 0 {
		c.Drain = defaultDrain
	}
	if c.TransportName == "" {
		c.TransportName = "channel"
	}
	if c.Next != nil {
		c.Mix = []Part{{Weight: 1, Next: c.Next}}
	}
}

// Run makes the calls and returns when all of them have ended. When ctx ends,
// no more calls are made, those under way are cancelled (see Cut), and the
// figures so far are returned together with context.Cause(ctx). A run that AbortOn ended
// says so in its figures, and is no error. Any other error means that nothing
// was run.
//
// The figures count calls that became due after the warm-up, whatever their
// status, and close: scheduled = sent + dropped, sent = completed + cancelled,
// and the statuses add up to completed; in each window and for each method too.
func Run(ctx context.Context, cfg Config) (report.Load, error) {
	if err := cfg.validate(); err != nil {
		return report.Load{}, fmt.Errorf("load %q: %w", cfg.Name, err)
	}
	cfg.fill()
	r := newRun(ctx, cfg)
	defer r.cut()
	defer r.stop(nil)
	stopWindows := r.startWindows()
	if cfg.Closed > 0 {
		r.closedLoop()
	} else {
		r.openLoop()
	}
	load := r.load(stopWindows())
	return load, context.Cause(ctx)
}
