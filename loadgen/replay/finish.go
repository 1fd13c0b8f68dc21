package replay

import (
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/report"
)

// want is what the recording says of the call's answer.
func (c *call) want() *diff.Answer { return &c.answer }

// finish waits for the legs to end and hands over what they showed. end is nil
// when the recording has no end of the call.
func (c *call) finish(end *fixture.Event, cancelled bool) {
	c.settleEnd(end, cancelled)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pairs {
		if !p.live() {
			p.sides[want].ended = true
		}
	}
	c.moved.Broadcast()
	leaves := c.answer.Cut
	for _, l := range c.legs {
		if leaves { // the client of the recording left; so does this one, when it has what that one had
			c.await(c.loop.Patience, func() bool { return l.ended || l.received >= l.expected })
			if l.cancel != nil {
				l.cancel()
			}
		}
	}
	for _, l := range c.legs {
		c.await(0, func() bool { return l.ended })
		if l.cancel != nil {
			l.cancel()
		}
		if !l.ended { // the run has ended: the stream has, or is about to
			c.awaitEnd(l)
		}
		c.loop.Guard.Leave(c.failed(l))
	}
	c.tell()
}

// awaitEnd waits for the receiver of a leg whose context has ended.
func (c *call) awaitEnd(l *leg) {
	for !l.ended && l.stream != nil {
		c.moved.Wait()
	}
}

// settleEnd notes how the recorded call ended.
func (c *call) settleEnd(end *fixture.Event, cancelled bool) {
	if end == nil {
		c.answer.Cut = true
		return
	}
	code, known := statusCode(end.Status)
	if !known {
		c.answer.Cut = true
	}
	c.answer.Status, c.answer.Text, c.answer.Details = code, end.StatusMessage, end.Details
	c.answer.Trailer = end.Trailers.MD()
	c.answer.Latency = end.T - c.recorded
	// A deadline passes here too; the words for it are each client's own.
	deadline := codes.Code(code) == codes.DeadlineExceeded
	if cancelled && !deadline {
		c.answer.Cut = true
	}
}

// statusCode returns the code of a name such as OK or CODE_42.
func statusCode(name string) (uint32, bool) {
	for code := range uint32(1000) {
		if report.StatusName(code) == name {
			return code, true
		}
	}
	return 0, false
}

// failed reports whether a leg failed where the recording did not. The mutex
// is held.
func (c *call) failed(l *leg) bool {
	return l.answer.Status != uint32(codes.OK) && l.answer.Status != c.answer.Status && !l.cutOff() && !c.answer.Cut
}

// tell hands the call's differences and times over. The mutex is held.
func (c *call) tell() {
	cut := false
	for _, l := range c.legs {
		cut = cut || l.cutOff() || l.stream == nil && !l.ended
		due := c.loop.player.start.Add(c.due)
		if c.loop.Pace.ASAP {
			due = l.start // whenever it leaves
		}
		c.loop.tally.record(c, l, due)
	}
	if cut {
		return // what the run's end cut is nobody's difference
	}
	for _, p := range c.pairs {
		if !p.counts {
			continue
		}
		wanted, gotten := c.answer, c.legs[0].answer
		if p.live() {
			wanted = c.legs[0].answer
			wanted.Cut = c.answer.Cut
			gotten = c.legs[1].answer
			if !p.noise {
				gotten = c.legs[2].answer
			}
		}
		if codes.Code(wanted.Status) == codes.DeadlineExceeded && gotten.Status == wanted.Status {
			gotten.Text = wanted.Text
		}
		c.loop.tally.compared(c, p.finish(wanted, gotten), p.noise)
	}
}

// seconds is how long after a moment another one is, never below zero.
func seconds(from, to time.Time) time.Duration { return max(to.Sub(from), 0) }
