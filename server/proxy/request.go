package proxy

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"touchstone/server/fault"
)

// requestHeaders opens a stream, or ends a request with trailers.
func (s *session) requestHeaders(f *http2.MetaHeadersFrame) error {
	id := f.StreamID
	if st := s.streams[id]; st != nil {
		st.requestTrailers(f)
		return nil
	}
	switch {
	case id%2 == 0:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case id <= s.lastClient:
		return nil // trailers that have crossed a reset
	}
	s.lastClient = id
	switch {
	case id > s.lastServed:
		return nil // it has crossed a GOAWAY: the client makes the call elsewhere
	case len(s.streams) >= maxStreams:
		s.resetClient(id, http2.ErrCodeRefusedStream)
	default:
		s.open(f)
	}
	return nil
}

// requestTrailers takes HEADERS that are not the first of their stream. They
// end it (RFC 9113, section 8.1).
func (st *stream) requestTrailers(f *http2.MetaHeadersFrame) {
	switch {
	case st.up.ended:
		st.abort(ByClient, http2.ErrCodeStreamClosed)
	case !f.StreamEnded() || pseudo(f.Fields) || f.Truncated:
		st.abort(ByClient, http2.ErrCodeProtocol)
	default:
		st.up.push(item{fields: f.Fields, end: true})
		st.halfClosed()
	}
}

// pseudo reports whether a list has pseudo-header fields; they come first.
func pseudo(fields []hpack.HeaderField) bool {
	return len(fields) > 0 && strings.HasPrefix(fields[0].Name, ":")
}

// open starts a stream for a client's request headers.
func (s *session) open(f *http2.MetaHeadersFrame) {
	st := &stream{session: s, clientID: f.StreamID, size: listSize(f.Fields)}
	st.up = pipe{stream: st, from: s.client, to: s.target, held: true}
	st.down = pipe{stream: st, from: s.target, to: s.client, window: s.client.initial}
	if s.target != nil {
		st.up.window = s.target.initial
	}
	st.describe(f.Fields)
	st.tellFields(TapStart, f.Fields)
	s.streams[f.StreamID] = st
	s.headerBytes += st.size
	switch {
	case f.Truncated || s.headerBytes > maxSessionBytes:
		st.refuse(codeResourceExhausted, "the proxy takes request headers of up to "+strconv.Itoa(maxHeaderBytes>>10)+" KiB")
	case s.client.frozen: // nobody answers any more
		st.up.reset(http2.ErrCodeCancel)
	case st.attempt.Method == "" || value(f.Fields, ":method") == "":
		st.abort(ByClient, http2.ErrCodeProtocol)
		return
	default:
		st.decide(f.Fields)
		st.up.push(item{fields: f.Fields, end: f.StreamEnded()})
	}
	if f.StreamEnded() {
		st.halfClosed()
	}
	if st.action != nil && st.action.Delay.Fixed > 0 {
		st.timer = st.after(st.action.Delay.Fixed, st.begin)
	} else if !st.up.cut {
		st.begin()
	}
}

// describe begins the stream's Attempt.
func (st *stream) describe(fields []hpack.HeaderField) {
	st.attempt = Attempt{Conn: st.session.id, Stream: st.clientID, Headers: time.Now(), Rule: -1}
	st.attempt.Method = strings.TrimPrefix(value(fields, ":path"), "/")
	if st.session.proxy.cfg.Attempts == nil {
		return
	}
	st.attempt.Header = make([]Header, len(fields))
	for i, field := range fields {
		st.attempt.Header[i] = Header{field.Name, field.Value}
	}
}

// decide asks the plan what is done to the attempt.
func (st *stream) decide(fields []hpack.HeaderField) {
	decider := st.session.proxy.cfg.Decider
	if decider == nil {
		return
	}
	call := fault.Call{Method: st.attempt.Method, Attempt: 1, Metadata: make(map[string][]string, len(fields))}
	for _, f := range fields {
		if !strings.HasPrefix(f.Name, ":") || f.Name == ":authority" {
			call.Metadata[f.Name] = append(call.Metadata[f.Name], plain(f))
		}
	}
	if n, err := strconv.ParseUint(value(fields, "grpc-previous-rpc-attempts"), 10, 31); err == nil {
		call.Attempt = int(n) + 1 // nonsense counts as a first attempt
	}
	if action, ok := decider.Decide(call); ok {
		st.action = &action
		st.attempt.Rule = action.Rule
	}
}

// plain returns the value of a field as applications see it: that of a name in
// -bin is base64 on the wire, padded or not.
func plain(f hpack.HeaderField) string {
	if !strings.HasSuffix(f.Name, "-bin") {
		return f.Value
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(f.Value, "="))
	if err != nil {
		return f.Value
	}
	return string(raw)
}

// requestData takes DATA of the client.
func (st *stream) requestData(f *http2.DataFrame) {
	size, data := int(f.Length), f.Data()
	if !st.up.took(size) {
		st.session.client.gave(size)
		st.abort(ByClient, http2.ErrCodeFlowControl)
		return
	}
	if st.up.closed {
		st.up.giveBack(size)
	} else if size > 0 || f.StreamEnded() {
		st.up.push(item{data: slices.Clone(data), end: f.StreamEnded(), credit: size})
	}
	for len(data) > 0 {
		n, ended := st.request.next(data)
		st.keep(data[:n], ended)
		st.tellData(TapSend, &st.tap.up, data[:n], ended)
		data = data[n:]
		if ended {
			st.attempt.Messages, st.attempt.Bytes = st.request.messages, st.request.bytes
			st.requestMessage()
		}
	}
	st.attempt.Messages, st.attempt.Bytes = st.request.messages, st.request.bytes
	if f.StreamEnded() {
		st.halfClosed()
	}
}

// keep saves the request's messages for the attempt.
func (st *stream) keep(data []byte, ended bool) {
	limit := st.session.proxy.cfg.KeepRequest
	if limit == 0 {
		return
	}
	if room := limit + prefixLen - st.kept - len(st.message); room > 0 {
		st.message = append(st.message, data[:min(room, len(data))]...)
	}
	if ended && len(st.message) >= prefixLen {
		st.attempt.Request = append(st.attempt.Request, st.message[prefixLen:])
		st.kept += len(st.message)
		st.message = nil
	}
}

// halfClosed notes the end of the request.
func (st *stream) halfClosed() {
	now := time.Now()
	st.up.ended = true
	st.attempt.EndStream = now
	st.tell(Tap{Kind: TapHalfClose})
	st.requestEnd()
	st.progress(now)
}
