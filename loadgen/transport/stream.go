package transport

import (
	"context"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Opener is a Transport that makes calls whose messages are sent and received
// one by one.
type Opener interface {
	// Open opens a call of the request's kind on the next connection; its
	// messages are not looked at. What goes wrong is in the stream's status.
	// Every stream must be brought to its end, by Recv or by Cancel.
	Open(ctx context.Context, req *Request) Stream
}

// Stream is one call under way. One goroutine may send while another one
// receives.
type Stream interface {
	// Send sends a message, which must not change before the call has ended.
	// It waits until the target takes it. io.EOF says that the call has ended.
	Send(message []byte) error
	// CloseSend says that no more messages follow.
	CloseSend()
	// Recv returns the next message, which is valid until the next Recv, and
	// io.EOF when the call has ended, whatever its status.
	Recv() ([]byte, error)
	// Header waits for the response's headers. It is empty when the call ended
	// without them.
	Header() metadata.MD
	// Trailer is that of a call that has ended.
	Trailer() metadata.MD
	// Status is that of a call that has ended, with its details.
	Status() *status.Status
	// Cancel ends the call, unless it has ended.
	Cancel()
}
