//lint:file-ignore SA1019 reflection v1alpha is deprecated, but older servers speak nothing else

package schema

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
)

// boundedConn is a connection whose streams carry headers, end with a context
// of their own, and stop at the limits above.
type boundedConn struct {
	grpc.ClientConnInterface
	headers metadata.MD

	mu             sync.Mutex
	ctx            context.Context // of the question being asked
	answers, bytes int
}

func (c *boundedConn) setContext(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx = ctx
}

func (c *boundedConn) spent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers > maxAnswers || c.bytes > maxAnswered
}

// NewStream opens a stream that ends with both ctx and the question's context.
func (c *boundedConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.spent() {
		return nil, errTooMuch
	}
	c.mu.Lock()
	question := c.ctx
	c.mu.Unlock()
	if question.Err() != nil {
		return nil, context.Cause(question)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(question, cancel)
	context.AfterFunc(ctx, func() { stop() })
	sent, _ := metadata.FromOutgoingContext(ctx)
	ctx = metadata.NewOutgoingContext(ctx, metadata.Join(sent, c.headers))
	stream, err := c.ClientConnInterface.NewStream(ctx, desc, method, append(opts, grpc.MaxCallRecvMsgSize(maxAnswer))...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &boundedStream{ClientStream: stream, conn: c}, nil
}

// boundedStream counts what it receives. Its user sends a question, then waits
// for the answer.
type boundedStream struct {
	grpc.ClientStream
	conn *boundedConn
	file bool // the question asks for a file by its path
}

// RecvMsg receives a message, unless the limits are exceeded.
func (s *boundedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	s.conn.mu.Lock()
	s.conn.answers++
	if message, ok := m.(proto.Message); ok {
		s.conn.bytes += proto.Size(message)
	}
	s.conn.mu.Unlock()
	if s.conn.spent() {
		return errTooMuch
	}
	if s.file {
		sayNotFound(m)
	}
	return nil
}

// SendMsg sends a question, and notes whether it asks for a file by its path.
func (s *boundedStream) SendMsg(m any) error {
	switch q := m.(type) {
	case *reflectv1.ServerReflectionRequest:
		_, s.file = q.MessageRequest.(*reflectv1.ServerReflectionRequest_FileByFilename)
	case *reflectv1alpha.ServerReflectionRequest:
		_, s.file = q.MessageRequest.(*reflectv1alpha.ServerReflectionRequest_FileByFilename)
	}
	return s.ClientStream.SendMsg(m)
}

// sayNotFound gives a refusal to hand out a file the code that the protocol
// has for it. Servers use several; the client knows only the right one, and
// would not look among the well-known files.
func sayNotFound(m any) {
	switch answer := m.(type) {
	case *reflectv1.ServerReflectionResponse:
		if e := answer.GetErrorResponse(); e != nil && !isRefusal(e.ErrorCode) {
			e.ErrorCode = int32(codes.NotFound)
		}
	case *reflectv1alpha.ServerReflectionResponse:
		if e := answer.GetErrorResponse(); e != nil && !isRefusal(e.ErrorCode) {
			e.ErrorCode = int32(codes.NotFound)
		}
	}
}

// isRefusal tells the codes that speak of the caller or the server's state,
// not of the file.
func isRefusal(code int32) bool {
	switch codes.Code(code) {
	case codes.PermissionDenied, codes.Unauthenticated, codes.Unavailable, codes.ResourceExhausted:
		return true
	}
	return false
}
