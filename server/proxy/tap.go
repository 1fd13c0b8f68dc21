package proxy

import (
	"slices"
	"time"

	"golang.org/x/net/http2/hpack"
)

// TapKind says what a Tap tells.
type TapKind string

// The kinds. TapStart comes first and TapEnd last, once each; a client that
// gives up has a TapCancel before the end.
const (
	TapStart     TapKind = "start"      // the request's headers
	TapSend      TapKind = "send"       // a message of the client
	TapHalfClose TapKind = "half-close" // the client has sent all
	TapCancel    TapKind = "cancel"     // the client reset the stream
	TapHeaders   TapKind = "headers"    // the response's headers
	TapRecv      TapKind = "recv"       // a message of the target
	TapEnd       TapKind = "end"        // trailers, or whatever ended the call without
)

// Tap is something that was read of a call, in the order in which it was read.
type Tap struct {
	Conn   int    // of the client, from 1 in the order of arrival
	Stream uint32 // id on that connection
	Peer   string // the client's address
	Method string // "pkg.Service/Method"
	Kind   TapKind
	Time   time.Time

	// Of TapStart, TapHeaders, and of a TapEnd with trailers: as they stood on
	// the wire, in order, pseudo-headers included.
	Header []Header

	// Of TapSend and TapRecv: a whole message, as it was sent. The receiver may
	// keep it. It is nil, and TooLarge set, beyond 100 MiB.
	Message    []byte
	Compressed bool // by the encoding that grpc-encoding names
	TooLarge   bool
	Size       int // of the message on the wire, without its prefix

	// Of a TapEnd without trailers.
	Ended Ending // who ended the call; "" when there are trailers
	How   string // as in Attempt, such as "rst CANCEL"
}

// maxTapped bounds the one message of each direction that a tap holds while it
// comes in.
const maxTapped = 100 << 20

// tap is what a stream keeps for Config.Tap.
type tap struct {
	up, down tapped
	ended    bool // TapEnd has been told
}

// tapped is the message that comes in from one side.
type tapped struct {
	data []byte // with its prefix
	size int
}

// tell queues a Tap of the stream.
func (st *stream) tell(t Tap) {
	s := st.session
	if s.proxy.cfg.Tap == nil || st.tap.ended {
		return
	}
	t.Conn, t.Stream, t.Method, t.Time = s.id, st.clientID, st.attempt.Method, time.Now()
	if address := s.client.conn.RemoteAddr(); address != nil {
		t.Peer = address.String()
	}
	st.tap.ended = t.Kind == TapEnd
	s.tapped = append(s.tapped, t)
	s.unsaid.Store(true)
}

// tellFields queues a Tap that has header fields.
func (st *stream) tellFields(kind TapKind, fields []hpack.HeaderField) {
	if st.session.proxy.cfg.Tap == nil {
		return
	}
	t := Tap{Kind: kind, Header: make([]Header, len(fields))}
	for i, f := range fields {
		t.Header[i] = Header{f.Name, f.Value}
	}
	st.tell(t)
}

// tellEnd queues the end of a call that has no trailers.
func (st *stream) tellEnd() {
	if st.session.proxy.cfg.Tap != nil && !st.tap.ended {
		st.tell(Tap{Kind: TapEnd, Ended: st.attempt.Ended, How: st.attempt.How})
	}
}

// tellData takes bytes of one message from one side, and queues it when it has
// come in whole.
func (st *stream) tellData(kind TapKind, from *tapped, data []byte, whole bool) {
	if st.session.proxy.cfg.Tap == nil {
		return
	}
	from.size += len(data)
	if from.size <= maxTapped+prefixLen {
		from.data = append(from.data, data...)
	} else {
		from.data = slices.Clone(from.data[:1]) // the flags
	}
	if !whole {
		return
	}
	t := Tap{Kind: kind, Compressed: from.data[0]&1 != 0, Size: from.size - prefixLen}
	if t.TooLarge = t.Size > maxTapped; !t.TooLarge {
		t.Message = from.data[prefixLen:]
	}
	*from = tapped{}
	st.tell(t)
}
