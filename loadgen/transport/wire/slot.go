package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// slot holds one connection and replaces it. A call stays with its slot; a
// connection that takes no more calls lives on in it until its calls have
// ended, beside the one that follows it.
type slot struct {
	transport *Transport
	number    int // from 1

	// mu guards what follows, the connections of the slot and their calls.
	mu      sync.Mutex
	now     time.Time // when the holder of mu took it, or read what it acts on
	closed  bool
	conn    *conn   // takes new calls; nil: there is none
	conns   []*conn // conn, one being dialled, and those that are leaving; never changed, but replaced
	dial    *dial   // under way, or nil
	pending queue   // calls that wait for conn
	free    *call   // calls that are over, by after
	alarms  alarms
	watches watches

	zip *gzip.Writer

	over    []ended // calls to tell the end of
	told    []ended // those being told, of the goroutine that set telling
	telling bool
}

var errClosed = errors.New("the transport is closed")

func newSlot(t *Transport, number int) *slot {
	s := &slot{transport: t, number: number}
	s.alarms.expire = s.expire
	s.watches.expire = s.contextEnded
	return s
}

// start makes a call. watched says that the slot is to see ctx end, otherwise
// the caller does.
func (s *slot) start(ctx context.Context, req *transport.Request, res *transport.Result, end transport.Ender, watched bool) handle {
	now := time.Now()
	*res = transport.Result{Gap: res.Gap, Each: res.Each, Start: now, Attempts: 1, Connection: s.number}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	c := s.newCall(ctx, req, res)
	c.end = end
	h := handle{s, c, c.serial}
	code, text := check(req)
	s.launch(ctx, c, watched, code, text)
	s.left()
	return h
}

// open is start for a stream.
func (s *slot) open(ctx context.Context, st *stream) {
	s.lock()
	defer s.unlock()
	st.res.Start, st.res.Connection = s.now, s.number
	c := s.newCall(ctx, &st.req, &st.res)
	c.stream = st
	st.call = handle{s, c, c.serial}
	s.launch(ctx, c, true, codes.OK, "")
}

// launch puts a call on its way, unless the code, the context or the slot say
// that there is no use.
func (s *slot) launch(ctx context.Context, c *call, watched bool, code codes.Code, text string) {
	switch err := ctx.Err(); {
	case s.closed:
		code, text = codes.Unavailable, errClosed.Error()
	case err != nil:
		code, text = contextStatus(err), err.Error()
	case c.req.Compression != "" && c.req.Compression != "gzip":
		code, text = codes.InvalidArgument, "the only compression is gzip"
	}
	if code != codes.OK {
		s.finish(c, code, text)
		return
	}
	if watched {
		c.watch = s.watches.add(ctx)
	}
	s.schedule(c)
	s.place(c)
}

// newCall returns a call, one that is over if there is any.
func (s *slot) newCall(ctx context.Context, req *transport.Request, res *transport.Result) *call {
	c := s.free
	if c == nil {
		c = &call{slot: s}
	} else {
		s.free = c.after
	}
	c.begin(ctx, req, res)
	return c
}

// contextStatus is the status of a call whose context has ended.
func contextStatus(err error) codes.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return codes.DeadlineExceeded
	}
	return codes.Canceled
}

// place gives a call to the connection, or lets it wait for one.
func (s *slot) place(c *call) {
	if s.conn != nil {
		s.conn.place(c)
		return
	}
	if s.closed {
		s.finish(c, codes.Unavailable, errClosed.Error())
		return
	}
	if c.moves++; c.moves > maxMoves {
		s.finish(c, codes.Unavailable, "the target ends every connection before it takes the call")
		return
	}
	s.pending.push(c)
	s.redial()
}

// maxMoves bounds the connections that a call waits for.
const maxMoves = 16

// finish ends a call; its stream is no longer looked at.
func (s *slot) finish(c *call, code codes.Code, text string) {
	c.unqueue()
	if c.conn != nil && c.id != 0 {
		c.conn.streams.remove(c)
	}
	s.alarms.drop(c)
	s.watches.drop(c.watch)
	c.ended = true
	c.res.Status, c.res.Message, c.res.Done = code, text, s.now
	if s.now.Before(c.res.Start) {
		c.res.Done = c.res.Start
	}
	if c.stream != nil {
		c.stream.concluded()
	} else {
		s.over = append(s.over, ended{c.end, c.res})
	}
	conn := c.conn
	c.forget()
	c.after, s.free = s.free, c
	if conn != nil && conn.streams.n == 0 && conn != s.conn {
		conn.fail(errLeft)
	}
}

// schedule sets the alarm of a call for its deadline or its next message.
func (s *slot) schedule(c *call) {
	s.alarms.set(c, earliest(c.deadline, c.due), s.now)
}

// earliest returns the first of two moments, of which the zero time is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expire acts on the alarms that are due, on a timer's goroutine.
func (s *slot) expire() {
	s.lock()
	for c := s.alarms.next(s.now); c != nil; c = s.alarms.next(s.now) {
		if !c.deadline.IsZero() && !c.deadline.After(s.now) {
			s.cancel(c, context.DeadlineExceeded)
			continue
		}
		s.alarms.drop(c)
		c.conn.proceed(c)
	}
	s.advance()
	s.unlock()
}

// contextEnded ends the calls of a context that has ended.
func (s *slot) contextEnded(w *watch) {
	s.lock()
	s.pending.each(func(c *call) { s.cancelWatched(c, w) })
	for _, conn := range s.conns {
		conn.waiting.each(func(c *call) { s.cancelWatched(c, w) })
		conn.streams.each(func(c *call) { s.cancelWatched(c, w) })
	}
	s.advance()
	s.unlock()
}

func (s *slot) cancelWatched(c *call, w *watch) {
	if c.watch == w {
		s.cancel(c, w.ctx.Err())
	}
}

// cancel ends a call from our side.
func (s *slot) cancel(c *call, cause error) {
	if c.id != 0 {
		c.conn.reset(c.id, cancelled)
	}
	s.finish(c, contextStatus(cause), cause.Error())
}

// advance lets the connections go on with calls that had to wait.
func (s *slot) advance() {
	for _, c := range s.conns {
		c.advance()
	}
}

// handle is a call that may be over, and its memory in other use.
type handle struct {
	slot   *slot
	call   *call
	serial uint64
}

// cancel ends the call unless it has ended.
func (h handle) cancel(cause error) {
	s := h.slot
	s.lock()
	if h.call.serial == h.serial && !h.call.ended {
		s.cancel(h.call, cause)
		s.advance()
	}
	s.unlock()
}

// close ends all calls and connections.
func (s *slot) close() {
	s.lock()
	s.closed = true
	for range s.pending.n {
		s.finish(s.pending.first, codes.Unavailable, errClosed.Error())
	}
	for _, c := range s.conns {
		c.fail(errClosed)
	}
	s.alarms.stop()
	s.watches.stop()
	s.unlock()
}

// pack compresses a message.
func (s *slot) pack(message []byte) []byte {
	var out bytes.Buffer
	if s.zip == nil {
		s.zip = gzip.NewWriter(&out)
	} else {
		s.zip.Reset(&out)
	}
	_, _ = s.zip.Write(message) // a buffer takes everything
	_ = s.zip.Close()
	return out.Bytes()
}
