package replay

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
	"touchstone/server/proxy"
)

// Tape turns what a proxy's tap tells into the events of a recording. It is
// safe for concurrent use.
type Tape struct {
	recorder *fixture.Recorder

	mu     sync.Mutex // guards what follows
	calls  map[tapeKey]*tapeCall
	counts TapeCounts
}

// TapeCounts is how much a tape has recorded.
type TapeCounts struct{ Calls, Messages, Open int }

type tapeKey struct {
	conn   int
	stream uint32
}

// tapeCall is a call under way.
type tapeCall struct {
	recorded          *fixture.RecordedCall
	started           time.Time
	timeout           time.Duration
	request, response string // encodings of messages; "" for none
	head              []proxy.Header
}

// NewTape returns a tape that records with r.
func NewTape(r *fixture.Recorder) *Tape {
	return &Tape{recorder: r, calls: map[tapeKey]*tapeCall{}}
}

// Counts returns how much has been recorded so far.
func (t *Tape) Counts() TapeCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.counts
	counts.Open = len(t.calls)
	return counts
}

// Tap takes what a proxy tells; it is for proxy.Config.
func (t *Tape) Tap(p proxy.Tap) {
	key := tapeKey{p.Conn, p.Stream}
	if p.Kind == proxy.TapStart {
		if strings.HasPrefix(p.Method, "grpc.reflection.") {
			return // tools asking for the schema, which the recording has
		}
		t.start(key, p)
		return
	}
	t.mu.Lock()
	c := t.calls[key]
	if p.Kind == proxy.TapEnd {
		delete(t.calls, key)
	}
	if c != nil && (p.Kind == proxy.TapSend || p.Kind == proxy.TapRecv) {
		t.counts.Messages++
	}
	t.mu.Unlock()
	if c != nil {
		c.take(p)
	}
}

// start begins a call.
func (t *Tape) start(key tapeKey, p proxy.Tap) {
	c := &tapeCall{started: p.Time, request: get(p.Header, "grpc-encoding"), timeout: parseTimeout(get(p.Header, "grpc-timeout"))}
	c.recorded = t.recorder.Start(fixture.Event{
		Method: p.Method, Peer: p.Peer, Authority: get(p.Header, ":authority"), Timeout: c.timeout, Metadata: metadataOf(p.Header),
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[key] = c
	t.counts.Calls++
}

// take records what comes after the start.
func (c *tapeCall) take(p proxy.Tap) {
	switch p.Kind {
	case proxy.TapSend:
		c.message(fixture.Send, p, c.request)
	case proxy.TapRecv:
		c.message(fixture.Recv, p, c.response)
	case proxy.TapHalfClose:
		c.recorded.Record(fixture.Event{Kind: fixture.HalfClose})
	case proxy.TapCancel:
		c.recorded.Record(fixture.Event{Kind: fixture.Cancel})
	case proxy.TapHeaders:
		c.response, c.head = get(p.Header, "grpc-encoding"), p.Header
		c.recorded.Record(fixture.Event{Kind: fixture.Headers, Metadata: metadataOf(p.Header)})
	case proxy.TapEnd:
		c.recorded.Record(c.end(p))
	}
}

// message records a message as it is without its compression.
func (c *tapeCall) message(kind fixture.Kind, p proxy.Tap, encoding string) {
	e := fixture.Event{Kind: kind, Bytes: p.Message}
	switch {
	case p.TooLarge:
		e.Size, e.Dropped = p.Size, "larger than 100 MiB"
	case p.Compressed:
		e.Size = p.Size
		if e.Bytes = decompress(encoding, p.Message); e.Bytes == nil {
			e.Dropped = fmt.Sprintf("its encoding %q cannot be read", encoding)
		}
	}
	c.recorded.Record(e)
}

// decompress returns what a compressed message holds, nil when it cannot be
// read.
func decompress(encoding string, data []byte) []byte {
	if encoding != "gzip" {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err != nil || len(plain) > maxPlain {
		return nil
	}
	return append([]byte{}, plain...) // an empty message is not nil
}

// maxPlain bounds what a compressed message may grow to.
const maxPlain = 100 << 20

// end is the end of the call as the client saw it.
func (c *tapeCall) end(p proxy.Tap) fixture.Event {
	e := fixture.Event{Kind: fixture.End}
	if p.Ended != "" {
		e.Status, e.StatusMessage = c.broken(p)
		return e
	}
	if number, err := strconv.ParseUint(get(p.Header, "grpc-status"), 10, 31); err == nil {
		e.Status = report.StatusName(uint32(number))
		e.StatusMessage = unescape(get(p.Header, "grpc-message"))
		e.Details = decodeBin(get(p.Header, "grpc-status-details-bin"))
	} else {
		e.Status, e.StatusMessage = c.httpStatus(p)
	}
	e.Trailers = metadataOf(p.Header)
	return e
}

// httpStatus is what gRPC makes of a response that has no grpc-status.
func (c *tapeCall) httpStatus(p proxy.Tap) (status, message string) {
	code := get(p.Header, ":status")
	if code == "" {
		code = get(c.head, ":status")
	}
	number := atoi(code)
	return report.StatusName(uint32(transport.CodeOfHTTP(number))), "no grpc-status; HTTP status " + code + " " + http.StatusText(number)
}

// broken is the status that clients make of a call without trailers.
func (c *tapeCall) broken(p proxy.Tap) (status, message string) {
	message = "ended by the " + string(p.Ended) + ": " + p.How
	code := codes.Unavailable
	if reset, ok := strings.CutPrefix(p.How, "rst "); ok {
		code = resetCode(reset)
	}
	if p.Ended == proxy.ByClient {
		code = codes.Canceled
		if c.timeout > 0 && p.Time.Sub(c.started) >= c.timeout-deadlineSlack {
			code = codes.DeadlineExceeded
		}
	}
	return report.StatusName(uint32(code)), message
}

// deadlineSlack is how much earlier than the deadline in its headers a client
// may give up: the time that the headers took to get here.
const deadlineSlack = 20 * time.Millisecond

// resetCode maps RST_STREAM codes as gRPC over HTTP/2 says.
func resetCode(name string) codes.Code {
	switch name {
	case "REFUSED_STREAM":
		return codes.Unavailable
	case "CANCEL":
		return codes.Canceled
	case "ENHANCE_YOUR_CALM":
		return codes.ResourceExhausted
	case "INADEQUATE_SECURITY":
		return codes.PermissionDenied
	}
	return codes.Internal
}

// get returns the first value of a field, "" for none.
func get(header []proxy.Header, name string) string {
	for _, h := range header {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// metadataOf returns the fields that are the application's own.
func metadataOf(header []proxy.Header) fixture.Metadata {
	var m fixture.Metadata
	for _, h := range header {
		if protocolField(h.Name) {
			continue
		}
		if !strings.HasSuffix(h.Name, "-bin") {
			m = append(m, fixture.Pair{Name: h.Name, Value: h.Value})
			continue
		}
		for value := range strings.SplitSeq(h.Value, ",") {
			m = append(m, fixture.Pair{Name: h.Name, Value: string(decodeBin(value))})
		}
	}
	return m
}

// protocolField reports whether a field belongs to HTTP/2 or to gRPC itself.
func protocolField(name string) bool {
	return strings.HasPrefix(name, ":") || strings.HasPrefix(name, "grpc-") || name == "te"
}

// decodeBin decodes a binary value, padded or not.
func decodeBin(value string) []byte {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return []byte(value)
	}
	return raw
}

// unescape decodes a grpc-message, which is percent-encoded.
func unescape(message string) string {
	plain, err := url.PathUnescape(message)
	if err != nil {
		return message // as it came: nothing is to be lost
	}
	return plain
}

// parseTimeout reads a grpc-timeout such as 5S, 0 when there is none.
func parseTimeout(text string) time.Duration {
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	if len(text) < 2 || len(text) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * units[text[len(text)-1]]
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text) // 0 has no text
	return n
}
