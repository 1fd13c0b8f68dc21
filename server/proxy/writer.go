package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// writer writes frames to one end. It belongs to that end's write loop.
type writer struct {
	end    *end
	out    *bufio.Writer
	framer *http2.Framer
	hpack  *hpack.Encoder
	block  bytes.Buffer // of the encoder

	// What is written next.
	control []func(*writer) error
	refunds []refund
	batch   []outgoing
}

// refund is a WINDOW_UPDATE; the stream is 0 for the connection.
type refund struct{ stream, n uint32 }

// outgoing is an item on its way, with the stream it belongs to.
type outgoing struct {
	item
	pipe *pipe
	id   uint32
}

// batchBytes is how much DATA is taken under one lock and written at once.
const batchBytes = 64 << 10

// run is write, and notes how it ended.
func (e *end) run(preface string) error {
	err := e.write(preface)
	if err == nil {
		return nil
	}
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	e.failed = true
	e.session.room.Broadcast()
	if e.stopped || e.session.err != nil {
		e.conn.Close() // it was left to the writer
	}
	return err
}

// write writes what is queued until the session or the connection ends. The
// preface goes first, when there is one.
func (e *end) write(preface string) error {
	w := &writer{end: e, out: bufio.NewWriterSize(e.conn, 16<<10)}
	w.framer = http2.NewFramer(w.out, nil)
	w.hpack = hpack.NewEncoder(&w.block)
	if _, err := w.out.WriteString(preface); err != nil {
		return err
	}
	for {
		open := e.collect(w)
		if !open {
			w.part()
			return nil
		}
		if len(w.control) == 0 && len(w.refunds) == 0 && len(w.batch) == 0 {
			select {
			case <-e.wake:
			case <-e.session.over:
			}
			continue
		}
		// The time before writing: taken after it, a fault would seem to come
		// later than the client knew of it, and the client's backoff too short.
		now := time.Now()
		if err := w.writeAll(); err != nil {
			e.unwritten(w.batch, now)
			return err
		}
		e.settle(w.batch, now)
		e.session.report()
	}
}

// collect gives the writer what is to be written next; false when nothing
// will be.
func (e *end) collect(w *writer) bool {
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	w.control, w.refunds, w.batch = nil, w.refunds[:0], w.batch[:0]
	if e.stopped || s.err != nil {
		return false
	}
	if e.frozen {
		return true
	}
	w.control, e.control = e.control, nil
	s.room.Broadcast()
	e.collectRefunds(w)
	for budget := batchBytes; budget > 0; {
		p := e.next()
		if p == nil {
			break
		}
		id := s.assign(p)
		it := p.take(min(budget, e.maxFrame))
		budget -= len(it.data) + 64 // 64: about what a frame costs beside its data
		w.batch = append(w.batch, outgoing{it, p, id})
		p.throttle(len(it.data))
		p.list()
	}
	if e.ready.first != nil {
		e.wakeUp()
	}
	if e == s.client && len(w.control) == 0 && len(w.batch) == 0 {
		s.finish()
	}
	return true
}

// collectRefunds takes the windows that are to be given back to the peer.
func (e *end) collectRefunds(w *writer) {
	if e.refunds() {
		w.refunds = append(w.refunds, refund{0, uint32(e.credit)})
		e.owed -= e.credit
		e.credit = 0
	}
	for _, p := range e.owing {
		p.owing = false
		if id := p.stream.id(e); !p.ended && !p.stream.back(p).gone && id != 0 {
			w.refunds = append(w.refunds, refund{id, uint32(p.credit)})
		}
		p.owed -= p.credit
		p.credit = 0
	}
	clear(e.owing)
	e.owing = e.owing[:0]
}

// next returns the pipe whose turn it is, nil when none can write. A pipe that
// would open a stream beyond what the target takes waits for another to end.
func (e *end) next() *pipe {
	for {
		var p *pipe
		switch {
		case e.window > 0 && e.starved.first != nil:
			p = e.starved.pop()
		case e.streams < e.maxStreams && e.parked.first != nil:
			p = e.parked.pop()
		case e.ready.first != nil:
			p = e.ready.pop()
		default:
			return nil
		}
		switch {
		case !p.sendable():
			p.list()
		case p.opens() && e.streams >= e.maxStreams:
			e.parked.push(p)
		default:
			return p
		}
	}
}

// writeAll writes what has been collected, and flushes it.
func (w *writer) writeAll() error {
	for _, write := range w.control {
		if err := write(w); err != nil {
			return err
		}
	}
	for _, r := range w.refunds {
		if err := w.framer.WriteWindowUpdate(r.stream, r.n); err != nil {
			return fmt.Errorf("give window back to stream %d: %w", r.stream, err)
		}
	}
	for i := range w.batch {
		if err := w.writeItem(&w.batch[i]); err != nil {
			return fmt.Errorf("write to stream %d: %w", w.batch[i].id, err)
		}
	}
	return w.out.Flush()
}

func (w *writer) writeItem(o *outgoing) error {
	switch {
	case o.hang:
		return nil
	case o.rst:
		return w.framer.WriteRSTStream(o.id, o.code)
	case o.fields != nil:
		return w.writeHeaders(o)
	}
	return w.framer.WriteData(o.id, o.end, o.data)
}

// writeHeaders writes a header block as HEADERS and CONTINUATION.
func (w *writer) writeHeaders(o *outgoing) error {
	w.block.Reset()
	for _, field := range o.fields {
		if err := w.hpack.WriteField(field); err != nil {
			return err
		}
	}
	fragment := w.block.Next(defaultMaxFrame)
	err := w.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: o.id, BlockFragment: fragment, EndStream: o.end, EndHeaders: w.block.Len() == 0})
	for err == nil && w.block.Len() > 0 {
		fragment = w.block.Next(defaultMaxFrame)
		err = w.framer.WriteContinuation(o.id, w.block.Len() == 0, fragment)
	}
	return err
}

// settle gives back the windows of what has been written, tells who waits for
// it, and forgets streams that are over. Now is when writing began.
func (e *end) settle(batch []outgoing, now time.Time) {
	if len(batch) == 0 {
		return
	}
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		o := &batch[i]
		o.pipe.giveBack(o.credit)
		if o.sent != nil {
			o.sent(now)
		}
		if o.last() {
			o.pipe.inHand = false
			o.pipe.stream.progress(now)
		}
		batch[i] = outgoing{}
	}
}

// unwritten ends the attempts whose end did not go out.
func (e *end) unwritten(batch []outgoing, now time.Time) {
	if e != e.session.client {
		return
	}
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	for _, o := range batch {
		if o.last() {
			o.pipe.stream.over(now, ByConnection, "close")
		}
	}
}

// Limits on how a connection that is given up is left.
const (
	lingerTime  = time.Second // for the peer to read the last words
	lingerBytes = 1 << 20     // that are still read from it
)

// part writes the last frame, if there is one, and closes the connection. What
// the peer still sends is read for a while: closing on it would reset the
// connection, and the last frame might be lost.
func (w *writer) part() {
	e := w.end
	defer e.conn.Close()
	if e.goodbye == nil {
		return
	}
	if e.goodbye(w) != nil || w.out.Flush() != nil {
		return // the peer has gone
	}
	if half, ok := e.conn.(halfCloser); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, e.conn, lingerBytes) // ends at the deadline at the latest
	}
}

// halfCloser is a connection whose writing side can be closed by itself.
type halfCloser interface{ CloseWrite() error }
