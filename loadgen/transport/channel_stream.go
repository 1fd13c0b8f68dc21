package transport

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Open opens a call on the next connection.
func (c *Channel) Open(ctx context.Context, req *Request) Stream {
	ctx, free := contextOf(ctx, req)
	ctx, cancel := context.WithCancel(ctx)
	s := &channelStream{one: req.Kind == Unary || req.Kind == ClientStream, cancel: func() { cancel(); free() }}
	conn, _ := c.pick()
	stream, err := conn.NewStream(ctx, &streams[req.Kind], req.Method, c.optionsOf(req)...)
	if err != nil {
		s.end(err)
		return s
	}
	s.stream = statusStream{stream}
	return s
}

// channelStream is a stream of grpc-go.
type channelStream struct {
	stream grpc.ClientStream // nil: the call has ended before it began
	one    bool              // it takes one response
	over   bool              // which has come; of the receiving side
	cancel func()

	mu     sync.Mutex
	status *status.Status // of a call that has ended
}

// end notes how the call has ended, unless that is known, and frees it.
func (s *channelStream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == nil {
		s.status = status.Convert(unlessEOF(err))
	}
	s.cancel()
}

// Send implements Stream.
func (s *channelStream) Send(message []byte) error {
	if s.stream == nil {
		return io.EOF
	}
	err := s.stream.SendMsg(&message)
	if unlessEOF(err) != nil {
		s.end(err) // found on this side: receiving may not tell
	}
	if err != nil {
		return io.EOF
	}
	return nil
}

// CloseSend implements Stream.
func (s *channelStream) CloseSend() {
	if s.stream != nil {
		_ = s.stream.CloseSend() // it is nil always: receiving tells
	}
}

// Recv implements Stream.
func (s *channelStream) Recv() ([]byte, error) {
	if s.stream == nil || s.over {
		return nil, io.EOF
	}
	m := received{keep: true}
	if err := s.stream.RecvMsg(&m); err != nil {
		s.end(err)
		return nil, io.EOF
	}
	if s.one { // and OK: grpc-go has checked both
		s.over = true
		s.end(nil)
	}
	return m.data, nil
}

// Header implements Stream.
func (s *channelStream) Header() metadata.MD {
	if s.stream == nil {
		return nil
	}
	md, _ := s.stream.Header() // receiving tells the error
	return md
}

// Trailer implements Stream.
func (s *channelStream) Trailer() metadata.MD {
	if s.stream == nil {
		return nil
	}
	return s.stream.Trailer()
}

// Status implements Stream.
func (s *channelStream) Status() *status.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Cancel implements Stream.
func (s *channelStream) Cancel() { s.end(status.FromContextError(context.Canceled).Err()) }
