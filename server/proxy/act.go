package proxy

import (
	"cmp"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"touchstone/server/fault"
)

// How an action looks on the wire. The words are those of package fault.
//
//	status          HEADERS with END_STREAM: a Trailers-Only response; trailers
//	                where response headers have been sent
//	rst, refused    RST_STREAM
//	http            HEADERS with that :status, DATA with END_STREAM
//	drop_trailers   an empty DATA with END_STREAM in place of the trailers; a
//	                Trailers-Only response loses its grpc-status
//	truncate        DATA with END_STREAM in the middle of the first message
//	corrupt         one bit of the first message's payload, length or flag
//	close, reset    FIN, RST of the client's connection
//	blackhole       nothing more on this stream; others, and PING, go on
//	half_open       nothing more is written to the connection, PING is not
//	                answered, and new calls on it are not forwarded
//	informational   HEADERS with this status before the response
//	settings        SETTINGS before anything else
//	goaway          GOAWAY; streams above its last id are left alone
//	delay           the request is held, up to a stream's window
//	bandwidth       the response's DATA in pieces, 20 a second
//
// When the call ends before its request was complete, RST_STREAM(NO_ERROR)
// follows, as servers do. The target sees RST_STREAM(CANCEL).

// begin carries the action out as far as request headers and delay go, and
// forwards the request unless the call is to end without the target.
func (st *stream) begin() {
	a := st.action
	if a == nil {
		st.forward()
		return
	}
	st.started = true
	if len(a.Settings) > 0 {
		st.sendSettings(a.Settings)
	}
	for i := range a.GoAways {
		if st.goAway(&a.GoAways[i]) {
			return
		}
	}
	if a.Informational > 0 {
		st.down.push(item{fields: []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(a.Informational)}}})
	}
	st.down.bandwidth = a.Bandwidth
	switch {
	case atOnce(a):
		st.fire()
	case a.AfterRequests > 0 && a.AfterMessages == 0:
		st.swallowRequest()
	default:
		if a.WithHeaders {
			st.sendHeaders()
		}
		st.forward()
	}
}

// atOnce reports whether the action ends the call when its request headers
// have been read.
func atOnce(a *fault.Action) bool {
	switch {
	case a.Status != nil || a.Rst != nil:
		return a.AfterRequests == 0 && a.AfterMessages == 0
	case a.Refused || a.HTTP != nil:
		return true
	}
	p := hangPoint(a)
	return p != nil && *p == fault.Point{}
}

// hangPoint returns the point at which stream or connection hang or end, nil
// when they do not.
func hangPoint(a *fault.Action) *fault.Point {
	return cmp.Or(a.Close, a.Reset, a.Blackhole, a.HalfOpen)
}

// sendSettings changes the proxy's settings on the client's connection.
func (st *stream) sendSettings(settings []fault.Setting) {
	frame := make([]http2.Setting, len(settings))
	for i, s := range settings {
		frame[i] = http2.Setting{ID: http2.SettingID(s.ID), Val: s.Value}
	}
	st.session.client.sendSettings(frame)
}

// goAway sends GOAWAY, and reports whether the stream is above its last id.
// Such streams are never seen, as the client takes it: it forgets them.
func (st *stream) goAway(g *fault.GoAway) bool {
	s := st.session
	last, now := g.LastStream(st.clientID), time.Now()
	st.attempt.Fault = now
	s.announce(last, http2.ErrCode(g.Code), []byte(g.Debug))
	for _, id := range sortedKeys(s.streams) {
		if id <= last {
			continue
		}
		above := s.streams[id]
		above.over(now, ByFault, "goaway")
		above.up.reset(http2.ErrCodeCancel)
		above.down.abandon()
		above.remove()
	}
	return last < st.clientID
}

// swallowRequest reads the request for the action's sake, and keeps it from
// the target.
func (st *stream) swallowRequest() {
	st.swallow = true
	st.up.reset(http2.ErrCodeCancel)
	if st.action.WithHeaders {
		st.sendHeaders()
	}
	if st.request.messages >= st.action.AfterRequests || st.up.ended {
		st.fire()
	}
}

// requestMessage is called when a request message has been read.
func (st *stream) requestMessage() {
	if a := st.action; a != nil && st.started && a.AfterRequests > 0 && st.reached() {
		st.fire()
	}
}

// requestEnd is called when the client has half-closed: no more messages come,
// so an action that only waits for more than there are is carried out now.
func (st *stream) requestEnd() {
	if a := st.action; a != nil && st.started && (st.swallow || a.AfterRequests > 0 && st.reached()) {
		st.fire()
	}
}

// reached reports whether as many messages as the action waits for have been
// read from the client, and sent to it.
func (st *stream) reached() bool {
	a := st.action
	requests := st.request.messages >= a.AfterRequests || a.AfterRequests == fault.AllRequests && st.up.ended
	return requests && st.response.messages >= st.messageLimit()
}

// messageLimit returns how many response messages the action lets pass before
// it ends the call.
func (st *stream) messageLimit() int {
	if p := hangPoint(st.action); p != nil {
		return int(p.AfterMessages)
	}
	return st.action.AfterMessages
}

// stamp notes when the fault was written.
func (st *stream) stamp(now time.Time) { st.attempt.Fault = now }

// noteFault notes that the action ends the call.
func (st *stream) noteFault(how string) {
	st.faulted = true
	st.attempt.Ended, st.attempt.How = ByFault, how
}
