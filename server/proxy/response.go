package proxy

import (
	"slices"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// responseHeaders takes a header block of the target: informational, the
// response's headers, or its trailers.
func (st *stream) responseHeaders(f *http2.MetaHeadersFrame) {
	status := value(f.Fields, ":status")
	informational := strings.HasPrefix(status, "1")
	switch {
	case st.faulted || st.down.closed:
		if f.StreamEnded() {
			st.answered()
		}
	case f.Truncated || st.down.headers >= maxHeaders || st.session.headerBytes > maxSessionBytes:
		st.tooLarge()
	case (status == "") != st.heard, informational && f.StreamEnded(), st.heard && !f.StreamEnded():
		st.abort(ByTarget, http2.ErrCodeProtocol) // RFC 9113, section 8.1
	case informational:
		st.down.push(item{fields: f.Fields})
	case f.StreamEnded():
		st.answered()
		st.trailers(f.Fields)
	default:
		st.heard = true
		st.tellFields(TapHeaders, f.Fields)
		if !st.responded { // else the plan's own headers have gone out
			st.responded = true
			st.down.push(item{fields: f.Fields})
		}
	}
}

// answered notes that the target has ended its response.
func (st *stream) answered() {
	st.down.ended = true
	if st.up.done {
		st.releaseSlot()
	}
}

// trailers passes on the end of a response: trailers, or headers that are the
// whole response.
func (st *stream) trailers(fields []hpack.HeaderField) {
	st.tellFields(TapEnd, fields)
	st.attempt.GRPCStatus = value(fields, "grpc-status")
	st.attempt.Pushback = value(fields, "grpc-retry-pushback-ms")
	st.attempt.How = "trailers"
	if !st.responded {
		st.attempt.How = "trailers-only"
	} else if !st.heard { // the plan has sent headers before
		fields = without(fields, ":status", "content-type")
	}
	if st.action == nil || !st.action.DropTrailers {
		st.down.push(item{fields: fields, end: true})
		return
	}
	st.noteFault("no trailers")
	st.attempt.GRPCStatus = ""
	if st.responded {
		st.down.push(item{end: true, sent: st.stamp})
		return
	}
	fields = without(fields, "grpc-status", "grpc-message", "grpc-status-details-bin")
	st.down.push(item{fields: fields, end: true, sent: st.stamp})
}

// without returns fields but for those of the given names.
func without(fields []hpack.HeaderField, names ...string) []hpack.HeaderField {
	var out []hpack.HeaderField
	for _, f := range fields {
		if !slices.Contains(names, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// responseData takes DATA of the target.
func (st *stream) responseData(f *http2.DataFrame) {
	size, data := int(f.Length), f.Data()
	switch {
	case !st.down.took(size):
		st.session.target.gave(size)
		st.abort(ByTarget, http2.ErrCodeFlowControl)
		return
	case !st.heard && !st.faulted:
		st.session.target.gave(size)
		st.abort(ByTarget, http2.ErrCodeProtocol) // DATA before HEADERS
		return
	case f.StreamEnded():
		st.answered()
	}
	if st.down.closed || st.faulted {
		st.down.giveBack(size)
		return
	}
	st.down.giveBack(size - len(data)) // padding
	st.body(slices.Clone(data))
	if f.StreamEnded() && !st.faulted {
		st.attempt.How = "no trailers"
		st.down.push(item{end: true})
	}
}

// body passes response data on.
func (st *stream) body(data []byte) {
	if st.action != nil {
		st.alter(data)
		return
	}
	for rest := data; len(rest) > 0; {
		n, whole := st.response.next(rest)
		st.tellData(TapRecv, &st.tap.down, rest[:n], whole)
		rest = rest[n:]
	}
	st.attempt.ResponseMessages, st.attempt.ResponseBytes = st.response.messages, st.response.bytes
	if len(data) > 0 {
		st.down.push(item{data: data, credit: len(data)})
	}
}

// Status codes with which the proxy ends calls in its own name.
const (
	codeResourceExhausted = "8"
	codeUnavailable       = "14"
)

// tooLarge ends a response whose headers are more than the proxy holds, in
// words that a gRPC client shows to its user.
func (st *stream) tooLarge() {
	st.noteEnd(ByTarget, "broken: header list too large")
	st.up.reset(http2.ErrCodeEnhanceYourCalm)
	st.endWith(nil, codeResourceExhausted, "the proxy takes response headers of up to 1 MiB", nil)
}

// refuse answers a stream in the proxy's own name, and keeps it from the
// target.
func (st *stream) refuse(code, message string) {
	st.noteEnd(ByConnection, "trailers-only")
	st.up.reset(http2.ErrCodeCancel)
	st.endWith(nil, code, message, nil)
}
