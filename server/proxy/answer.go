package proxy

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"touchstone/server/fault"
)

// fire carries out the action's end of the call, once.
func (st *stream) fire() {
	if st.faulted || st.reported {
		return
	}
	a := st.action
	switch {
	case a.Status != nil:
		st.sendStatus(a)
	case a.Rst != nil:
		if a.WithHeaders && !st.responded {
			st.sendHeaders()
		}
		st.sendReset(http2.ErrCode(*a.Rst))
	case a.Refused:
		st.sendReset(http2.ErrCodeRefusedStream)
	case a.HTTP != nil:
		st.sendHTTP(a.HTTP)
	case a.Truncate != nil:
		st.noteFault("truncated")
		st.attempt.Fault = time.Now()
		st.late = lateReset{set: true, code: http2.ErrCodeNo}
	case a.Close != nil:
		st.sendHangUp("close", false)
	case a.Reset != nil:
		st.sendHangUp("reset", true)
	case a.Blackhole != nil:
		st.fallSilent("blackhole", st.stamp)
	case a.HalfOpen != nil:
		st.fallSilent("half-open", func(now time.Time) {
			st.stamp(now)
			st.session.freeze()
		})
	}
	st.up.reset(http2.ErrCodeCancel)
	st.up.mute = st.down.mute // after the reset, which ends every hold
}

// sendStatus ends the response with the action's status.
func (st *stream) sendStatus(a *fault.Action) {
	if a.WithHeaders && !st.responded {
		st.sendHeaders()
	}
	st.noteFault("trailers")
	if !st.responded {
		st.attempt.How = "trailers-only"
	}
	var extra []hpack.HeaderField
	if len(a.Status.Details) > 0 {
		extra = append(extra, hpack.HeaderField{Name: "grpc-status-details-bin", Value: details(a.Status)})
	}
	for _, value := range a.Status.Pushback {
		st.attempt.Pushback = value
		extra = append(extra, hpack.HeaderField{Name: "grpc-retry-pushback-ms", Value: value})
	}
	st.endWith(extra, strconv.FormatUint(uint64(a.Status.Code), 10), a.Status.Message, st.stamp)
}

// endWith ends the response with a status: trailers after headers, else
// Trailers-Only. A client that still sends its request is told to stop.
func (st *stream) endWith(extra []hpack.HeaderField, code, message string, sent func(time.Time)) {
	var fields []hpack.HeaderField
	if !st.responded {
		fields = responseFields(nil)
	}
	st.responded = true
	st.attempt.GRPCStatus = code
	fields = append(fields, hpack.HeaderField{Name: "grpc-status", Value: code})
	if message != "" {
		fields = append(fields, hpack.HeaderField{Name: "grpc-message", Value: percentEncode(message)})
	}
	st.late = lateReset{set: true, code: http2.ErrCodeNo}
	st.down.push(item{fields: append(fields, extra...), end: true, sent: sent})
}

// details packs a status as grpc-status-details-bin carries it.
func details(status *fault.Status) string {
	out := &spb.Status{Code: int32(status.Code), Message: status.Message}
	for _, d := range status.Details {
		if packed, err := d.Any(); err == nil { // checked when the plan was parsed
			out.Details = append(out.Details, &anypb.Any{TypeUrl: packed.TypeUrl, Value: packed.Value})
		}
	}
	raw, err := proto.Marshal(out)
	if err != nil {
		return ""
	}
	return base64.RawStdEncoding.EncodeToString(raw)
}

// responseFields are the headers of a response made by the proxy.
func responseFields(extra map[string]string) []hpack.HeaderField {
	fields := []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		value := extra[name]
		if strings.HasSuffix(name, "-bin") {
			value = base64.RawStdEncoding.EncodeToString([]byte(value))
		}
		fields = append(fields, hpack.HeaderField{Name: name, Value: value})
	}
	return fields
}

// sendHeaders sends response headers ahead of the fault: the call is
// committed.
func (st *stream) sendHeaders() {
	st.responded = true
	st.down.push(item{fields: responseFields(st.action.Headers)})
}

// sendReset ends the stream with RST_STREAM, after what was sent before.
func (st *stream) sendReset(code http2.ErrCode) {
	st.noteFault("rst " + code.String())
	st.down.push(item{rst: true, code: code, sent: st.stamp})
}

// sendHTTP answers as something that does not speak gRPC.
func (st *stream) sendHTTP(h *fault.HTTP) {
	st.noteFault("http")
	st.late = lateReset{set: true, code: http2.ErrCodeNo}
	fields := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(h.Status)}}
	if h.ContentType != "" {
		fields = append(fields, hpack.HeaderField{Name: "content-type", Value: h.ContentType})
	}
	if h.Body == "" {
		st.down.push(item{fields: fields, end: true, sent: st.stamp})
		return
	}
	st.down.push(item{fields: fields})
	st.down.push(item{data: []byte(h.Body), end: true, sent: st.stamp})
}

// sendHangUp ends the client's connection when all before it is written.
func (st *stream) sendHangUp(how string, reset bool) {
	st.noteFault(how)
	st.down.push(item{hang: true, sent: func(now time.Time) {
		st.attempt.Fault = now
		st.over(now, ByFault, how)
		st.session.hangUp(reset)
	}})
}

// fallSilent lets the stream hang when all before it is written: nothing more
// comes, and no window is given back on it.
func (st *stream) fallSilent(how string, sent func(time.Time)) {
	st.noteFault(how)
	st.down.push(item{hang: true, sent: sent})
	st.down.mute = true
}

// percentEncode encodes a status message as grpc-message carries it (gRPC over
// HTTP/2, Status-Message).
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
