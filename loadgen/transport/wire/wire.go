// Package wire makes calls with an HTTP/2 client of its own, for load.
//
// It is a gRPC client that does no more than a load needs: a request is copied
// into the connection's buffer, the frames of many calls leave in one write,
// and a response is checked and counted as it passes, not kept. A call has no
// goroutine. A connection has two: one reads what has come, acts on it, tells
// the callers, and writes out what they start then; the other writes what is
// started elsewhere, and what the first could not write without waiting.
//
// Times are taken when a read returns: all that came in with one read came at
// the same moment, as far as anybody can tell.
//
// There are no retries, so the target is seen as it is: every call is one
// attempt. A call that a GOAWAY leaves unprocessed, or that the target refuses,
// ends UNAVAILABLE and is counted; the next call takes a new connection.
package wire

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// Config describes a target and how it is spoken to.
type Config struct {
	// Dial opens a connection. One over TLS must have agreed on h2 by ALPN.
	Dial func(ctx context.Context) (net.Conn, error)
	// Authority is what the target is called in requests, such as host:port.
	Authority string
	// Scheme is http or https; "" is http.
	Scheme string
	// Connections is how many connections calls take in turn; 0 is 1.
	Connections int
	// DialTimeout bounds dialling, up to the target's SETTINGS; 0 is 20 s.
	DialTimeout time.Duration
	// MaxMessage bounds a response message, in bytes and after decompression;
	// 0 is 100 MiB.
	MaxMessage int
	// UserAgent is sent with every call; "" is touchstone-wire.
	UserAgent string
	// Event, when it is set, is called with what happens to connections. It
	// must be quick, and make no calls.
	Event func(Event)
}

// Event is what happened to a connection.
type Event struct {
	Time       time.Time
	Connection int // from 1, as in transport.Result
	Kind       EventKind
	Text       string // of an error, or of a GOAWAY
}

// EventKind is a kind of Event.
type EventKind string

// The kinds.
const (
	Connected  EventKind = "connect" // the first time, and each time after
	DialFailed EventKind = "dial failed"
	GoAway     EventKind = "goaway"
	Lost       EventKind = "lost" // with calls under way, or without a GOAWAY
)

// Transport makes calls over HTTP/2 connections of its own. Connections are
// dialled when a call needs them, or by Connect.
type Transport struct {
	cfg          Config
	static, rest []byte // header fields of every request, encoded: before and after :path
	slots        []*slot
	next         atomic.Uint64
	waiters      sync.Pool // of *waiter; not global: channels are bound to a test's bubble

	ctx        context.Context // of connections; ends with Close
	cut        context.CancelFunc
	goroutines sync.WaitGroup

	dialled, unprocessed atomic.Int64
}

// Stats counts what calls do not show.
type Stats struct {
	Dialled     int64 // connections that came up
	Unprocessed int64 // calls that the target said it had not looked at
}

// New returns a transport. It dials nothing yet.
func New(cfg Config) (*Transport, error) {
	switch {
	case cfg.Dial == nil:
		return nil, errors.New("wire: a transport needs a way to dial")
	case cfg.Connections < 0 || cfg.DialTimeout < 0 || cfg.MaxMessage < 0:
		return nil, errors.New("wire: a transport takes no negative numbers")
	case cfg.Scheme != "" && cfg.Scheme != "http" && cfg.Scheme != "https":
		return nil, errors.New("wire: the scheme is http or https")
	}
	cfg.Scheme = cmp.Or(cfg.Scheme, "http")
	cfg.Connections = cmp.Or(cfg.Connections, 1)
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 20*time.Second)
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 100<<20)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "touchstone-wire")
	t := &Transport{cfg: cfg, static: staticHeaders(&cfg), rest: restHeaders(&cfg)}
	for i := range cfg.Connections {
		t.slots = append(t.slots, newSlot(t, i+1))
	}
	t.waiters.New = func() any { return &waiter{ended: make(chan struct{}, 1)} }
	t.ctx, t.cut = context.WithCancel(context.Background())
	return t, nil
}

// Connect opens all connections, so that no call has to wait for one. The
// error is that of the first connection that does not come up.
func (t *Transport) Connect(ctx context.Context) error {
	for _, s := range t.slots {
		if err := s.connected(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stats returns the counts so far.
func (t *Transport) Stats() Stats {
	return Stats{Dialled: t.dialled.Load(), Unprocessed: t.unprocessed.Load()}
}

// Close ends the calls in flight with UNAVAILABLE, closes the connections and
// waits for their goroutines.
func (t *Transport) Close() error {
	for _, s := range t.slots {
		s.close()
	}
	t.cut()
	t.goroutines.Wait()
	return nil
}

// Do makes one call on the next connection. Gap and Each of the result, when
// they are set, are called on the goroutine that reads the connection: they
// must be quick and make no calls.
func (t *Transport) Do(ctx context.Context, req *transport.Request, res *transport.Result) {
	w := t.waiters.Get().(*waiter)
	s := t.slot(0)
	h := s.start(ctx, req, res, w, false)
	select {
	case <-w.ended:
	case <-ctx.Done():
		h.cancel(ctx.Err())
		<-w.ended
	}
	t.waiters.Put(w)
}

// waiter waits for the end of one call.
type waiter struct{ ended chan struct{} }

// Ended implements transport.Ender.
func (w *waiter) Ended(*transport.Result) { w.ended <- struct{}{} }

// Start makes one call and returns at once. It is Do in all else.
func (t *Transport) Start(ctx context.Context, req *transport.Request, res *transport.Result, end transport.Ender) {
	t.slot(res.Connection).start(ctx, req, res, end, true)
}

// slot returns the slot of a connection, the next one for 0.
func (t *Transport) slot(connection int) *slot {
	if 0 < connection && connection <= len(t.slots) {
		return t.slots[connection-1]
	}
	return t.slots[(t.next.Add(1)-1)%uint64(len(t.slots))]
}

// tell tells of an event, if anybody wants to know.
func (t *Transport) tell(connection int, kind EventKind, text string) {
	if t.cfg.Event != nil {
		t.cfg.Event(Event{time.Now(), connection, kind, text})
	}
}

// check refuses what cannot be sent.
func check(req *transport.Request) (codes.Code, string) {
	if n := len(req.Messages); n != 1 && (req.Kind == transport.Unary || req.Kind == transport.ServerStream) {
		return codes.InvalidArgument, req.Kind.String() + " takes one message"
	}
	for _, m := range req.Messages {
		if int64(len(m)) > maxLength {
			return codes.ResourceExhausted, "a message is longer than gRPC allows"
		}
	}
	return codes.OK, ""
}

// maxLength is the longest message that its four-byte prefix can tell.
const maxLength = 1<<32 - 1
