package replay

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/transport"
)

// queued is an event that a call has yet to carry out.
type queued struct {
	kind     fixture.Kind
	recorded time.Duration
	metadata fixture.Metadata // of Start
	data     []byte           // of Send and Recv
	end      *fixture.Event   // of End
	needs    []origin         // answers whose values it has
	size     int              // in player.ahead
}

// call is a recorded call that is made again, at each target.
type call struct {
	loop       *loop
	number     int // in the recording
	method     string
	descriptor protoreflect.MethodDescriptor // nil: not known
	recorded   time.Duration
	timeout    time.Duration
	due        time.Duration
	answers    int // read so far, of the reader

	// Of the goroutine that carries the call out.
	sends      int  // messages
	halfClosed bool // no more follow

	mu     sync.Mutex // guards what follows
	moved  *sync.Cond // of mu: anything of it has changed
	queue  []queued
	ended  bool // nothing is queued any more
	over   bool // the run has ended
	legs   []*leg
	answer diff.Answer // as recorded; its messages are in the pairings
	pairs  []*pairing
}

// init makes the legs of the call and says what is compared with what.
func (c *call) init() {
	c.moved = sync.NewCond(&c.mu)
	targets := c.loop.Targets
	for i := range targets {
		c.legs = append(c.legs, &leg{call: c, target: i})
	}
	recorded := func(i int, compare bool) *pairing {
		p := &pairing{call: c, comparer: c.loop.comparerFor(i), counts: compare}
		c.pairs = append(c.pairs, p)
		c.legs[i].feeds = append(c.legs[i].feeds, feed{p, got})
		return p
	}
	if len(targets) == 1 {
		recorded(0, true)
		return
	}
	for i := range targets {
		if len(c.loop.tables) > 0 {
			recorded(i, false) // for the ids only
		}
	}
	for i, other := range []int{1, 2} {
		plain := *c.loop.comparer
		plain.Types = c.loop.types
		p := &pairing{call: c, comparer: &plain, counts: true, noise: i == 0}
		c.pairs = append(c.pairs, p)
		c.legs[0].feeds = append(c.legs[0].feeds, feed{p, want})
		c.legs[other].feeds = append(c.legs[other].feeds, feed{p, got})
	}
}

// push queues an event.
func (c *call) push(q queued) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, q)
	c.ended = c.ended || q.kind == fixture.End
	c.moved.Broadcast()
}

// close says that the recording ends without an end of the call.
func (c *call) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.moved.Broadcast()
}

// pop waits for the next event; false when there are no more.
func (c *call) pop() (queued, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 && !c.ended && !c.over {
		c.starve(1)
		for len(c.queue) == 0 && !c.ended && !c.over {
			c.moved.Wait()
		}
		c.starve(-1)
	}
	if len(c.queue) == 0 || c.over {
		return queued{}, false
	}
	q := c.queue[0]
	c.queue[0] = queued{}
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	c.loop.player.release(q.size)
	return q, true
}

// starve counts the call among those that wait for the reader. Its mutex is
// held; that of the player comes after it, never before.
func (c *call) starve(n int) {
	p := c.loop.player
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starved += n
	p.room.Broadcast()
}

// release gives back room for what was read ahead.
func (p *player) release(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead -= size
	p.room.Broadcast()
}

// forget drops a call that is not made.
func (c *call) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	size := 0
	for _, q := range c.queue {
		size += q.size
	}
	c.queue = nil
	c.loop.player.release(size)
	c.moved.Broadcast()
}

// await waits until ready, the run's end, or for so long; 0 waits without
// bound. The mutex is held. It reports whether it is ready.
func (c *call) await(bound time.Duration, ready func() bool) bool {
	late := false
	if bound > 0 && !ready() && !c.over {
		timer := time.AfterFunc(bound, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			late = true
			c.moved.Broadcast()
		})
		defer timer.Stop()
	}
	for !ready() && !c.over && !late {
		c.moved.Wait()
	}
	return ready()
}

// run carries the call out.
func (c *call) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.over = true
		c.moved.Broadcast()
	})
	defer stop()
	began := time.Now()
	var end *fixture.Event
	cancelled := false
	for q, ok := c.pop(); ok; q, ok = c.pop() {
		if c.owesHalfClose(q.kind, cancelled) {
			c.halfClose()
		}
		switch q.kind {
		case fixture.Start:
			for _, l := range c.legs {
				l.open(ctx, q)
			}
		case fixture.Send:
			c.awaitGap(ctx, began, q)
			c.each(func(l *leg) { l.send(q) })
			c.sends++
		case fixture.HalfClose:
			c.awaitGap(ctx, began, q)
			c.halfClose()
		case fixture.Recv:
			c.expect(q.data)
		case fixture.Cancel:
			cancelled = true
			c.awaitGap(ctx, began, q)
		case fixture.Headers:
			c.want().Header = q.metadata.MD()
		case fixture.End:
			end = q.end
		}
	}
	if c.owesHalfClose("", cancelled) { // the recording breaks off
		c.halfClose()
	}
	c.finish(end, cancelled)
}

// owesHalfClose reports whether a client that sends one message has sent it,
// and what comes next is not its half-close: a recording may lack that, and the
// server waits for it. It waits, too, where the recorded one ended the call
// before any message came.
func (c *call) owesHalfClose(next fixture.Kind, cancelled bool) bool {
	if c.halfClosed || c.descriptor == nil || c.descriptor.IsStreamingClient() {
		return false
	}
	if c.sends == 0 {
		return next == fixture.End && !cancelled
	}
	return next != fixture.Send && next != fixture.HalfClose
}

// halfClose says on every leg that all is sent.
func (c *call) halfClose() {
	c.halfClosed = true
	c.each((*leg).halfClose)
}

// each does something on every leg.
func (c *call) each(do func(*leg)) {
	for _, l := range c.legs {
		do(l)
	}
}

// awaitGap waits until what comes next is due within the call.
func (c *call) awaitGap(ctx context.Context, began time.Time, q queued) {
	transport.Pause(ctx, time.Until(began.Add(c.loop.Pace.gap(q.recorded-c.recorded))))
}

// expect takes a recorded answer.
func (c *call) expect(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.legs {
		l.expected++
		for _, f := range l.feeds {
			if f.side == got && !f.pairing.live() {
				f.pairing.add(want, data)
			}
		}
	}
	c.moved.Broadcast()
	c.await(0, func() bool {
		for _, p := range c.pairs {
			if !p.live() && p.full(want) {
				return false
			}
		}
		return true
	})
}

// words yields the parts of a metadata value that may be values by themselves.
func words(value string) iter.Seq[string] { return strings.FieldsSeq(value) }

// hasSecret reports whether a text may ask for a secret.
func hasSecret(text string) bool { return strings.Contains(text, "${secret.") }
