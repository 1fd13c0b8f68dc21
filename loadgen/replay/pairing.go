package replay

import (
	"bytes"

	"touchstone/loadgen/diff"
)

// side is one of the two sides of a comparison.
type side int

const (
	want side = iota
	got
)

// Limits of what a comparison holds of a call. While both sides say the same,
// nothing is held; what one side is ahead, it waits for the other.
const (
	maxLead      = 64       // messages that one side may be ahead
	maxHeld      = 4096     // messages of a side once they differ
	maxHeldBytes = 32 << 20 // likewise
	maxExtra     = 1000     // messages of one side after the other has ended
)

// pairing compares the messages of two sides of a call as they come. It is
// guarded by the call's mutex.
type pairing struct {
	call     *call
	comparer *diff.Comparer
	counts   bool // its differences are told
	noise    bool // they are those of the baseline with itself

	sides   [2]held
	first   int  // place in the stream of the first messages held
	differs bool // those do, so that they wait for what may follow
	result  diff.Result
}

// held are the messages of one side that have no partner yet.
type held struct {
	messages [][]byte
	bytes    int
	ended    bool
	dropped  int // messages beyond the limit after the other side has ended
}

// live reports whether both sides are live.
func (p *pairing) live() bool { return len(p.call.legs) > 1 && p.counts }

// add takes the next message of a side.
func (p *pairing) add(s side, data []byte) {
	mine, other := &p.sides[s], &p.sides[1-s]
	if other.ended && len(mine.messages) >= max(maxExtra, len(other.messages)) {
		mine.dropped++
		return
	}
	mine.messages = append(mine.messages, data)
	mine.bytes += len(data)
	p.settle()
	if p.sides[want].over() && len(p.sides[got].messages) > 0 || p.sides[got].over() && len(p.sides[want].messages) > 0 {
		p.flush()
	}
}

// compared reports whether the n-th messages have been compared, or will not be
// before the call is over.
func (p *pairing) compared(n int) bool { return p.first >= n || p.differs || p.sides[want].ended }

// over reports whether a side holds more than it may.
func (h *held) over() bool { return len(h.messages) >= maxHeld || h.bytes >= maxHeldBytes }

// full reports whether a side has to wait for the other.
func (p *pairing) full(s side) bool {
	mine, other := &p.sides[s], &p.sides[1-s]
	switch {
	case other.ended:
		return false
	case p.differs:
		return mine.over()
	}
	return len(mine.messages) > maxLead || mine.bytes >= maxHeldBytes
}

// settle lets go of messages that are the same on both sides.
func (p *pairing) settle() {
	w, g := &p.sides[want], &p.sides[got]
	for !p.differs && len(w.messages) > 0 && len(g.messages) > 0 {
		if !bytes.Equal(w.messages[0], g.messages[0]) {
			result := p.compare(w.messages[:1], g.messages[:1])
			if len(result.Differences) > 0 {
				p.differs = true
				return
			}
			p.result.Ignored += result.Ignored
		}
		w.drop(1)
		g.drop(1)
		p.first++
	}
}

// drop lets go of the first messages.
func (h *held) drop(n int) {
	for i := range n {
		h.bytes -= len(h.messages[i])
		h.messages[i] = nil
	}
	if h.messages = h.messages[n:]; len(h.messages) == 0 {
		h.messages = nil
	}
}

// compare compares some messages, all else being equal.
func (p *pairing) compare(wants, gots [][]byte) diff.Result {
	return p.comparer.Compare(&diff.Call{
		Method: p.call.method, Output: outputOf(p.call.descriptor), Streams: p.call.streams(), First: p.first,
		Want: diff.Answer{Messages: wants}, Got: diff.Answer{Messages: gots},
	})
}

// flush compares what is held, as far as both sides have it, without what may
// follow.
func (p *pairing) flush() {
	w, g := &p.sides[want], &p.sides[got]
	n := min(len(w.messages), len(g.messages))
	p.keep(p.compare(w.messages[:n], g.messages[:n]))
	w.drop(n)
	g.drop(n)
	p.first += n
	p.differs = false
	p.settle()
}

// keep adds a result.
func (p *pairing) keep(r diff.Result) {
	p.result.Ignored += r.Ignored
	if room := maxExtra - len(p.result.Differences); room > 0 {
		p.result.Differences = append(p.result.Differences, r.Differences[:min(room, len(r.Differences))]...)
	}
}

// finish compares what is left, and how both sides ended.
func (p *pairing) finish(wanted, gotten diff.Answer) diff.Result {
	wanted.Messages, gotten.Messages = p.sides[want].messages, p.sides[got].messages
	p.keep(p.comparer.Compare(&diff.Call{
		Method: p.call.method, Output: outputOf(p.call.descriptor), Streams: p.call.streams(), First: p.first,
		Want: wanted, Got: gotten,
	}))
	return p.result
}

// streams reports whether the call's answers are a stream.
func (c *call) streams() bool { return c.descriptor == nil || c.descriptor.IsStreamingServer() }
