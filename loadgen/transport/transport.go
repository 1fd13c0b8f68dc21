// Package transport makes calls out of requests that are already encoded.
//
// It is the load side's way to a target: a message is encoded once and its
// bytes are sent many times, and a response is not decoded. AttemptHandler and
// RecordAttempts stand beside it: they watch the attempts that grpc-go makes
// of any call.
package transport

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// Kind is one of the four kinds of RPC.
type Kind int

// The kinds.
const (
	Unary Kind = iota
	ServerStream
	ClientStream
	BidiStream
)

// KindOf returns the kind of a method by which of its sides stream.
func KindOf(clientStreams, serverStreams bool) Kind {
	switch {
	case clientStreams && serverStreams:
		return BidiStream
	case clientStreams:
		return ClientStream
	case serverStreams:
		return ServerStream
	}
	return Unary
}

// String returns the name used in reports, such as server_stream.
func (k Kind) String() string {
	return [...]string{"unary", "server_stream", "client_stream", "bidi_stream"}[k]
}

// Request is one call to make. It is only read, so that many calls, at the
// same time too, can be made of one Request.
type Request struct {
	Method string // "/pkg.Service/Method"
	Kind   Kind
	// Messages are the encoded messages, in order. Unary and ServerStream take
	// exactly one.
	Messages [][]byte
	Metadata metadata.MD
	// Timeout of the call; 0 is none.
	Timeout time.Duration
	// Turns makes a BidiStream wait for one response after each message that
	// it sends. Otherwise it sends and receives independently.
	Turns bool
	// Interval is the pause between the messages that are sent.
	Interval time.Duration
	// Compression is gzip for messages that are sent compressed, or "".
	Compression string
}

// Result is what became of one call. A caller may reuse it: every field but
// Gap and Each is set anew.
type Result struct {
	Status  codes.Code
	Message string // of the status
	// Attempts is how many attempts the call took; 0 means that the connection
	// has no AttemptHandler.
	Attempts       int
	Sent, Received int // messages
	Bytes          int // of the messages received
	Start, Done    time.Time
	Headers        time.Time // of the response; zero when there were none, or they are unknown
	FirstMessage   time.Time // zero when none came
	// Connection is which of the transport's connections the call took, from 1.
	// Do takes the next in turn, and so does Start unless it finds one here.
	Connection int
	// Gap is called, when it is set, with the time between one message
	// received and the next.
	Gap func(time.Duration)
	// Each is called, when it is set, with each message received, decompressed.
	// The bytes are valid until it returns.
	Each func(message []byte)
}

// reset makes r the result of a call that starts now.
func (r *Result) reset() {
	*r = Result{Gap: r.Gap, Each: r.Each, Start: time.Now()}
}

// took notes a message; last is when the one before it came.
func (r *Result) took(m *received, last time.Time) time.Time {
	now := time.Now()
	if r.Received == 0 {
		r.FirstMessage = now
	} else if r.Gap != nil {
		r.Gap(now.Sub(last))
	}
	r.Received++
	r.Bytes += m.size
	if r.Each != nil {
		r.Each(m.data)
	}
	return now
}

// Pause waits for d, as between the messages of a request; it is false when ctx
// has ended.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Transport makes calls.
type Transport interface {
	// Do makes one call and returns when it has ended, soon after ctx ends at
	// the latest. What went wrong is in the result's status. It may be called
	// concurrently.
	Do(ctx context.Context, req *Request, res *Result)
	// Close ends the calls in flight and frees what the transport owns.
	Close() error
}

// Starter is a Transport that makes calls without a goroutine each.
type Starter interface {
	Transport
	// Start makes a call and does not wait for it: end is told of its end,
	// always, and never from within Start. Until then req, res and what they
	// point to belong to the transport. What went wrong is in the result's
	// status. A context is watched once, not once a call: a load gives the same
	// one to all of its calls. It may be called concurrently.
	Start(ctx context.Context, req *Request, res *Result, end Ender)
}

// Ender is told the end of calls.
type Ender interface {
	// Ended is called on a goroutine of the transport. It must not wait, since
	// the connection does nothing else meanwhile; it may Start the next call,
	// which then leaves together with those that the other calls to Ended make.
	// For one Connection the calls to Ended do not overlap, so what is kept for
	// a connection needs no lock.
	Ended(res *Result)
}
