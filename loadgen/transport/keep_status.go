package transport

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// KeepStatus is a grpc.StreamClientInterceptor that keeps the status of calls
// whose last attempt was answered before its message was sent:
//
//	grpc.WithChainStreamInterceptor(transport.KeepStatus)
//
// grpc-go (1.80 to 1.85, stream.go) reports io.EOF for such an attempt inside
// of withRetry, wraps it when no attempt is left, and so returns "max retries
// exhausted: failed after 5 attempts: EOF" with the code Unknown in place of
// what the target said. The stream still knows that: it is asked again.
//
// Invoke has no stream to ask. A unary call that may be retried is better made
// on a connection with StreamsOnly, which costs a fifth more CPU.
func KeepStatus(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, opts...)
	if err != nil {
		return nil, err
	}
	return statusStream{stream}, nil
}

// StreamsOnly makes unary calls as streams, for KeepStatus.
type StreamsOnly struct{ *grpc.ClientConn }

// Invoke makes a unary call.
func (c StreamsOnly) Invoke(ctx context.Context, method string, request, response any, opts ...grpc.CallOption) error {
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{}, method, opts...)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil && err != io.EOF {
		return err
	}
	return stream.RecvMsg(response)
}

// statusStream is a stream that KeepStatus looks after.
type statusStream struct{ grpc.ClientStream }

// SendMsg sends a message; io.EOF says that receiving tells the status.
func (s statusStream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if hidesStatus(err) {
		return io.EOF
	}
	return err
}

// RecvMsg receives a message, or how the call has ended.
func (s statusStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if hidesStatus(err) {
		return s.ClientStream.RecvMsg(m)
	}
	return err
}

// hidesStatus reports whether an error stands in the place of a status.
func hidesStatus(err error) bool { return err != io.EOF && errors.Is(err, io.EOF) }
