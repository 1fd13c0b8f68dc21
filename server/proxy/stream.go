package proxy

import (
	"cmp"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"touchstone/server/fault"
)

// stream is one call's attempt: the client's stream and the target's. All of
// it is guarded by the session's mutex.
type stream struct {
	session  *session
	clientID uint32
	targetID uint32 // 0 until its headers are taken by the writer
	up, down pipe   // to the target, to the client

	request, response scanner
	message           []byte // the request message being read, for Attempt.Request
	kept              int    // bytes in Attempt.Request

	tap tap // for Config.Tap

	attempt   Attempt
	size      int           // of the request's header list, in session.headerBytes
	action    *fault.Action // nil: the stream is forwarded untouched
	started   bool          // the action's delay is over
	swallow   bool          // the request is read for the action only
	heard     bool          // the target has sent final response headers
	faulted   bool          // the action has ended the call
	responded bool          // final response headers have been queued for the client
	reported  bool          // the attempt is over
	slot      bool          // it counts as open at the target
	late      lateReset
	timer     *time.Timer // of the delay
}

// lateReset is the RST_STREAM that follows a whole response to a client that
// still sends its request.
type lateReset struct {
	set  bool
	code http2.ErrCode
}

// id returns the stream's id at an end.
func (st *stream) id(e *end) uint32 {
	if e == st.session.client {
		return st.clientID
	}
	return st.targetID
}

// back returns the other one of the stream's pipes.
func (st *stream) back(p *pipe) *pipe {
	if p == &st.up {
		return &st.down
	}
	return &st.up
}

// after runs f with the session's mutex held when d has passed, unless the
// stream is over by then.
func (st *stream) after(d time.Duration, f func()) *time.Timer {
	s := st.session
	return time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil && s.streams[st.clientID] == st {
			f()
		}
	})
}

// forward lets the request pass to the target.
func (st *stream) forward() {
	s := st.session
	st.up.held = false
	if s.target == nil && !s.dialling {
		s.dialling = true
		s.tasks.Go(s.connect)
	}
	st.up.list()
}

// opens reports whether what the pipe writes next opens a stream at the
// target.
func (p *pipe) opens() bool {
	return p == &p.stream.up && p.stream.targetID == 0 && p.queue[p.head].fields != nil
}

// assign gives a stream its id at the target when its headers are about to be
// written: ids go up in the order of writing. It returns the stream's id at
// the pipe's destination.
func (s *session) assign(p *pipe) uint32 {
	st := p.stream
	if p.opens() {
		st.targetID = s.nextTarget
		s.nextTarget += 2
		s.byTarget[st.targetID] = st
		st.slot = true
		s.target.streams++
	}
	return st.id(p.to)
}

// releaseSlot lets the target take another stream in place of this one.
func (st *stream) releaseSlot() {
	if st.slot {
		st.slot = false
		st.session.target.streams--
		st.session.target.wakeUp()
	}
}

// clientReset takes an RST_STREAM of the client.
func (st *stream) clientReset(code http2.ErrCode) {
	now := time.Now()
	st.attempt.Reset, st.attempt.ResetCode = now, code.String()
	st.tell(Tap{Kind: TapCancel})
	if !st.down.inHand { // else the client may have answered to that
		st.over(now, ByClient, "rst "+code.String())
	}
	st.down.abandon()
	st.down.gone = true
	st.up.reset(code)
	st.progress(now)
}

// targetReset takes an RST_STREAM of the target.
func (st *stream) targetReset(code http2.ErrCode) {
	now := time.Now()
	st.up.abandon()
	st.up.gone = true
	st.down.ended = true
	switch {
	case st.faulted: // the target's answer to the proxy's own reset, or late
	case st.down.closed: // the response is complete: the rest of the request is not wanted
		st.late = lateReset{true, code}
	default:
		st.attempt.Reset, st.attempt.ResetCode = now, code.String()
		st.noteEnd(ByTarget, "rst "+code.String())
		st.down.reset(code)
	}
	st.progress(now)
}

// abort ends a stream that one of the peers has broken.
func (st *stream) abort(by Ending, code http2.ErrCode) {
	st.noteEnd(by, "broken: "+code.String())
	st.down.reset(code)
	st.up.reset(code)
	st.progress(time.Now())
}

// lost ends the attempt because a connection is gone.
func (st *stream) lost(now time.Time) {
	if !st.down.inHand { // else the writer tells whether it went out
		st.over(now, ByConnection, "close")
	}
	st.up.abandon()
	st.remove()
}

// noteEnd says who ends the attempt and how, unless that is known.
func (st *stream) noteEnd(by Ending, how string) {
	if st.attempt.Ended == "" {
		st.attempt.Ended, st.attempt.How = by, how
	}
}

// over hands the attempt to the report, once. It says who ended it, unless that
// is known.
func (st *stream) over(now time.Time, by Ending, how string) {
	if st.reported {
		return
	}
	st.reported = true
	st.noteEnd(by, how)
	st.tellEnd()
	if st.session.proxy.cfg.Attempts == nil {
		return
	}
	st.attempt.End = now
	st.session.pending = append(st.session.pending, st.attempt)
	st.session.unsaid.Store(true)
}

// progress is called when something has closed the stream in one direction. It
// ends the attempt when the client has been told all, and forgets the stream
// when it is closed at both ends.
func (st *stream) progress(now time.Time) {
	if st.up.gone || st.up.done && st.down.ended {
		st.releaseSlot()
	}
	if st.down.inHand {
		return // the attempt's end is being written
	}
	if st.down.done || st.down.gone {
		st.over(now, ByTarget, cmp.Or(st.attempt.How, "trailers"))
	}
	if st.down.done && st.late.set && !st.up.ended {
		st.down.reset(st.late.code)
	}
	clientClosed := st.down.gone || st.down.done && st.up.ended
	targetClosed := st.up.cut || st.up.done && st.down.ended
	if clientClosed && targetClosed {
		st.remove()
	}
}

// remove forgets a stream. What is left in its pipes is still written.
func (st *stream) remove() {
	s := st.session
	if s.streams[st.clientID] != st {
		return
	}
	delete(s.streams, st.clientID)
	delete(s.byTarget, st.targetID)
	s.headerBytes -= st.size
	for _, timer := range []*time.Timer{st.timer, st.down.pace} {
		if timer != nil {
			timer.Stop()
		}
	}
	if s.finishing {
		s.client.wakeUp()
	}
}

// value returns the first value of a header field, "" when there is none.
func value(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
