package proxy

import (
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// item is something to be written to a stream, in turn.
type item struct {
	fields []hpack.HeaderField // a header block, when not nil
	data   []byte              // DATA otherwise
	rst    bool                // RST_STREAM with code
	end    bool                // END_STREAM
	hang   bool                // nothing is written: sent ends the connection
	code   http2.ErrCode       // of rst
	credit int                 // flow-controlled bytes to give back to the source
	sent   func(time.Time)     // called when it has been written; may be nil
}

// pipe is one direction of a stream: what has been read from one end, and not
// yet written to the other. All fields are guarded by the session's mutex.
type pipe struct {
	stream *stream
	to     *end // nil while there is no connection to the target
	from   *end // likewise

	queue   []item
	head    int   // index in queue of the item that is next
	headers int   // header blocks in queue
	window  int64 // how much DATA the destination takes
	credit  int   // bytes to give back to the source, saved up
	owed    int   // bytes read from the source and not given back
	owing   bool  // in from.owing

	in         *list // the list of to that it is in; nil: none
	next, prev *pipe

	ended  bool // the source has sent END_STREAM
	closed bool // END_STREAM or RST_STREAM has been queued: nothing follows
	done   bool // END_STREAM has been taken by the writer
	cut    bool // RST_STREAM has been queued or read, or the pipe leads nowhere
	gone   bool // RST_STREAM has been taken by the writer, or read
	inHand bool // the writer has the last item, and has not told yet that it went out
	held   bool // nothing is written for now: a delay, or a limited bandwidth
	mute   bool // a blackhole: what comes is dropped, without credit

	bandwidth int64       // bytes a second; 0: unlimited
	pace      *time.Timer // of bandwidth
}

// maxCoalesced is how large one item's data grows by small frames that follow
// each other.
const maxCoalesced = 16 << 10

// push queues an item and lists the pipe with its writer.
func (p *pipe) push(it item) {
	if p.closed || p.mute {
		p.giveBack(it.credit)
		return
	}
	if last := len(p.queue) - 1; last >= p.head && p.queue[last].joins(&it) {
		p.queue[last].data = append(p.queue[last].data, it.data...)
		p.queue[last].credit += it.credit
		p.queue[last].end = it.end
	} else {
		p.queue = append(p.queue, it)
	}
	if it.fields != nil {
		p.headers++
		p.stream.session.headerBytes += listSize(it.fields)
	}
	p.closed = it.end || it.rst
	p.cut = p.cut || it.rst
	p.list()
}

// joins reports whether next can be written as part of it.
func (it *item) joins(next *item) bool {
	return it.plain() && !it.end && next.plain() && len(it.data)+len(next.data) <= maxCoalesced
}

// plain reports whether the item is DATA that nobody waits for.
func (it *item) plain() bool { return it.fields == nil && !it.rst && !it.hang && it.sent == nil }

// last reports whether nothing follows the item.
func (it *item) last() bool { return it.end || it.rst || it.hang }

// controlled reports whether the item is subject to flow control: DATA that
// has bytes.
func (it *item) controlled() bool { return it.fields == nil && !it.rst && len(it.data) > 0 }

// listSize is the size of a header list as HTTP/2 counts it (RFC 9113, section
// 6.5.2).
func listSize(fields []hpack.HeaderField) int {
	n := 0
	for _, f := range fields {
		n += int(f.Size())
	}
	return n
}

// reset drops all that waits and closes the stream at the destination with
// RST_STREAM, which flow control does not hold up. Nothing is sent where the
// destination has never seen the stream, or knows that it is over.
func (p *pipe) reset(code http2.ErrCode) {
	if p.cut {
		return
	}
	over := p.done && p.stream.back(p).ended
	p.abandon()
	if over || p.to == nil || p.stream.id(p.to) == 0 {
		p.gone = true
		return
	}
	p.queue = append(p.queue, item{rst: true, code: code})
	p.list()
}

// abandon drops all that waits. Nothing follows.
func (p *pipe) abandon() {
	p.drop()
	if p.in != nil {
		p.in.remove(p)
	}
	p.closed, p.cut, p.held, p.mute = true, true, false, false
}

// drop forgets all that waits, and gives the source its window back.
func (p *pipe) drop() {
	for _, it := range p.queue[p.head:] {
		p.giveBack(it.credit)
		if it.fields != nil {
			p.stream.session.headerBytes -= listSize(it.fields)
		}
	}
	p.queue, p.head, p.headers = nil, 0, 0
}

// giveBack returns window to the source for bytes that have been taken: always
// on the connection, and on the stream as long as it has more to send.
func (p *pipe) giveBack(n int) {
	if n == 0 || p.from == nil { // p.from is nil before anything came
		return
	}
	p.from.gave(n)
	if p.mute || p.ended || p.stream.back(p).gone {
		return
	}
	p.credit += n
	if int64(p.credit) >= p.from.offered/2 && !p.owing {
		p.owing = true
		p.from.owing = append(p.from.owing, p)
		p.from.wakeUp()
	}
}

// took counts DATA that has been read from the source, and reports whether it
// was within the window that the source had.
func (p *pipe) took(n int) bool {
	p.owed += n
	return int64(p.owed) <= p.from.allowed
}

// list puts the pipe on one of its writer's lists when it has something that
// the stream's window lets pass.
func (p *pipe) list() {
	if p.in != nil || p.to == nil || p.held || p.head == len(p.queue) {
		return
	}
	switch first := &p.queue[p.head]; {
	case !first.controlled() || p.window > 0 && p.to.window > 0:
		p.to.ready.push(p)
		p.to.wakeUp()
	case p.window > 0:
		p.to.starved.push(p)
	}
}

// sendable reports whether the first item can be written now.
func (p *pipe) sendable() bool {
	if p.head == len(p.queue) || p.held {
		return false
	}
	return !p.queue[p.head].controlled() || p.window > 0 && p.to.window > 0
}

// take removes what can be written of the first item: at most limit bytes of
// DATA. It takes the windows' share.
func (p *pipe) take(limit int) item {
	first := &p.queue[p.head]
	if !first.controlled() {
		return p.pop()
	}
	if p.bandwidth > 0 {
		limit = min(limit, int(max(p.bandwidth/20, 1)))
	}
	n := int(min(int64(len(first.data)), int64(limit), p.window, p.to.window))
	p.window -= int64(n)
	p.to.window -= int64(n)
	if n == len(first.data) {
		return p.pop()
	}
	piece := item{data: first.data[:n:n], credit: min(first.credit, n)}
	first.data = first.data[n:]
	first.credit -= piece.credit
	return piece
}

// pop removes the first item.
func (p *pipe) pop() item {
	it := p.queue[p.head]
	p.queue[p.head] = item{}
	if p.head++; p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	if it.fields != nil {
		p.headers--
		p.stream.session.headerBytes -= listSize(it.fields)
	}
	p.done = p.done || it.end
	p.gone = p.gone || it.rst
	p.inHand = it.last()
	return it
}

// throttle holds a pipe of limited bandwidth for as long as n bytes take.
func (p *pipe) throttle(n int) {
	if p.bandwidth == 0 || n == 0 {
		return
	}
	p.held = true
	d := time.Duration(float64(n) / float64(p.bandwidth) * float64(time.Second))
	if p.pace != nil {
		p.pace.Reset(d)
		return
	}
	p.pace = p.stream.after(d, func() {
		p.held = false
		p.list()
	})
}
