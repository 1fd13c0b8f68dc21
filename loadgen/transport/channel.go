package transport

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Channel makes calls over grpc-go connections, with their service config,
// retries, load balancing and TLS. Calls take the connections in turn.
type Channel struct {
	conns         []grpc.ClientConnInterface
	next          atomic.Uint64
	options, gzip []grpc.CallOption // of plain and of compressed calls
}

// NewChannel returns a transport over conns, at least one, which stay the
// caller's: Close does not close them.
func NewChannel(conns ...grpc.ClientConnInterface) *Channel {
	raw := grpc.ForceCodecV2(rawCodec{})
	return &Channel{conns: conns, options: []grpc.CallOption{raw}, gzip: []grpc.CallOption{raw, grpc.UseCompressor(gzip.Name)}}
}

// pick returns the next connection, and which it is, from 1.
func (c *Channel) pick() (grpc.ClientConnInterface, int) {
	i := (c.next.Add(1) - 1) % uint64(len(c.conns))
	return c.conns[i], int(i) + 1
}

// optionsOf returns the options of a call.
func (c *Channel) optionsOf(req *Request) []grpc.CallOption {
	if req.Compression == gzip.Name {
		return c.gzip
	}
	return c.options
}

// contextOf returns the context of a call, and what frees it.
func contextOf(ctx context.Context, req *Request) (context.Context, context.CancelFunc) {
	if len(req.Metadata) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, req.Metadata)
	}
	if req.Timeout > 0 {
		return context.WithTimeout(ctx, req.Timeout)
	}
	return ctx, func() {}
}

// Close does nothing: the connections belong to the caller.
func (c *Channel) Close() error { return nil }

// Do makes one call on the next connection.
func (c *Channel) Do(ctx context.Context, req *Request, res *Result) {
	ctx, cancel := contextOf(ctx, req)
	defer cancel()
	ctx, attempts := countAttempts(ctx)
	conn, number := c.pick()
	res.reset()
	res.Connection = number
	err := c.call(ctx, conn, req, res)
	res.Done = time.Now()
	res.Attempts, res.Headers = attempts.Count(), attempts.headersAt()
	res.Status, res.Message = codes.OK, ""
	if err != nil {
		s := status.Convert(err)
		res.Status, res.Message = s.Code(), s.Message()
		if res.Status > codes.Unauthenticated { // a code that gRPC does not have: the target's
			res.Status = codes.Unknown
		}
		if hidesStatus(err) { // of Invoke, which has no stream to ask
			res.Status = attempts.lastHidden()
		}
	}
	attempts.Ended(res.Status, codes.Unknown)
}

// call makes the call; nil is status OK.
func (c *Channel) call(ctx context.Context, conn grpc.ClientConnInterface, req *Request, res *Result) error {
	switch req.Kind {
	case Unary:
		return c.unary(ctx, conn, req, res)
	case BidiStream:
		return c.bidi(ctx, conn, req, res)
	}
	return c.stream(ctx, conn, req, res)
}

func (c *Channel) unary(ctx context.Context, conn grpc.ClientConnInterface, req *Request, res *Result) error {
	if err := wantOne(req); err != nil {
		return err
	}
	m := received{keep: res.Each != nil}
	res.Sent = 1
	if err := conn.Invoke(ctx, req.Method, &req.Messages[0], &m, c.optionsOf(req)...); err != nil {
		return err
	}
	res.took(&m, time.Time{})
	return nil
}

// stream makes a call of which only one side streams: it sends everything,
// then receives everything.
func (c *Channel) stream(ctx context.Context, conn grpc.ClientConnInterface, req *Request, res *Result) error {
	if req.Kind == ServerStream {
		if err := wantOne(req); err != nil {
			return err
		}
	}
	stream, cancel, err := c.open(ctx, conn, req)
	if err != nil {
		return err
	}
	defer cancel()
	if err := send(ctx, stream, req, &res.Sent); err != nil {
		return err
	}
	return receiveAll(stream, req.Kind, res)
}

// bidi makes a call of which both sides stream.
func (c *Channel) bidi(ctx context.Context, conn grpc.ClientConnInterface, req *Request, res *Result) error {
	// ctx, not stream.Context(): that one would commit the call to its first
	// attempt, and so turn retries off.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, done, err := c.open(ctx, conn, req)
	if err != nil {
		return err
	}
	defer done()
	if req.Turns {
		return takeTurns(ctx, stream, req, res)
	}
	// The sender writes its own count: res belongs to this goroutine until the
	// sender has ended.
	var sent int
	var sendErr error
	var sender sync.WaitGroup
	sender.Go(func() { sendErr = send(ctx, stream, req, &sent) })
	err = receiveAll(stream, req.Kind, res)
	cancel() // ends a sender that is between two messages
	sender.Wait()
	res.Sent = sent
	if err == nil && sent < len(req.Messages) {
		// The target ended the call with OK before it had everything. That is
		// its right, and sendErr only says that we stopped.
		return nil
	}
	if err == nil {
		return sendErr
	}
	return err
}

// open starts a stream. The returned function frees it.
func (c *Channel) open(ctx context.Context, conn grpc.ClientConnInterface, req *Request) (grpc.ClientStream, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := conn.NewStream(ctx, &streams[req.Kind], req.Method, c.optionsOf(req)...)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return statusStream{stream}, cancel, nil
}

// streams describes each kind to grpc-go.
var streams = [...]grpc.StreamDesc{
	Unary:        {StreamName: "load"},
	ServerStream: {StreamName: "load", ServerStreams: true},
	ClientStream: {StreamName: "load", ClientStreams: true},
	BidiStream:   {StreamName: "load", ClientStreams: true, ServerStreams: true},
}

// send sends all messages and half-closes. It is nil too when the call has
// ended underneath: receiving tells why.
func send(ctx context.Context, stream grpc.ClientStream, req *Request, sent *int) error {
	for i := range req.Messages {
		if i > 0 && !Pause(ctx, req.Interval) {
			return nil
		}
		if err := stream.SendMsg(&req.Messages[i]); err != nil {
			return unlessEOF(err)
		}
		*sent++
	}
	return stream.CloseSend()
}

// receiveAll receives until the call ends; nil is status OK.
func receiveAll(stream grpc.ClientStream, kind Kind, res *Result) error {
	var last time.Time
	for {
		m := received{keep: res.Each != nil}
		if err := stream.RecvMsg(&m); err != nil {
			return unlessEOF(err)
		}
		last = res.took(&m, last)
		if kind == ClientStream {
			return nil // the one response, and OK: grpc-go has checked both
		}
	}
}

// takeTurns waits for a response after each message, half-closes, and
// receives the rest.
func takeTurns(ctx context.Context, stream grpc.ClientStream, req *Request, res *Result) error {
	var last time.Time
	for i := range req.Messages {
		if i > 0 && !Pause(ctx, req.Interval) {
			break
		}
		if err := stream.SendMsg(&req.Messages[i]); err != nil {
			break // receiving tells why
		}
		res.Sent++
		m := received{keep: res.Each != nil}
		if err := stream.RecvMsg(&m); err != nil {
			return unlessEOF(err)
		}
		last = res.took(&m, last)
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return receiveAll(stream, req.Kind, res)
}

// unlessEOF returns err, nil for the end of a stream.
func unlessEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// wantOne refuses a call that takes one message and was given another number.
func wantOne(req *Request) error {
	if n := len(req.Messages); n != 1 {
		return status.Errorf(codes.InvalidArgument, "%s takes one message, got %d", req.Kind, n)
	}
	return nil
}
