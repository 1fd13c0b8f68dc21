package replay

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/transport"
)

// Over makes the calls of a replay through a transport for load. md is sent
// with every call.
func Over(via transport.Opener, md metadata.MD) grpc.ClientConnInterface { return &over{via, md} }

// over is a connection on which a transport makes the calls.
type over struct {
	via transport.Opener
	md  metadata.MD
}

// Invoke is not used by a replay, for which every call is a stream.
func (o *over) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errors.New("a replay makes calls as streams")
}

// NewStream opens a call, which may send and receive any number of messages.
func (o *over) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	req := transport.Request{Method: method, Kind: transport.BidiStream, Metadata: metadata.Join(o.md, md)}
	if deadline, ok := ctx.Deadline(); ok {
		req.Timeout = time.Until(deadline)
	}
	return &overStream{ctx: ctx, stream: o.via.Open(ctx, &req)}, nil
}

// overStream is a call. Messages are encoded: []byte to send, *[]byte to
// receive.
type overStream struct {
	ctx    context.Context // of the call, whose life this is
	stream transport.Stream
}

// SendMsg sends a message.
func (s *overStream) SendMsg(m any) error { return s.stream.Send(m.([]byte)) }

// CloseSend says that no more follow.
func (s *overStream) CloseSend() error {
	s.stream.CloseSend()
	return nil
}

// RecvMsg returns the next answer, and the status as an error at the end.
func (s *overStream) RecvMsg(m any) error {
	data, err := s.stream.Recv()
	if err != nil {
		if err := s.stream.Status().Err(); err != nil {
			return err
		}
		return io.EOF
	}
	*m.(*[]byte) = slices.Clone(data) // it is kept
	return nil
}

// Header waits for the response's headers.
func (s *overStream) Header() (metadata.MD, error) { return s.stream.Header(), nil }

// Trailer is that of a call that has ended.
func (s *overStream) Trailer() metadata.MD { return s.stream.Trailer() }

// Context is that of the call.
func (s *overStream) Context() context.Context { return s.ctx }
