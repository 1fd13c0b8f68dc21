package inject

import (
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	"touchstone/server/fault"
)

// untilPoint runs the handler until the point at which the fault comes, and
// returns o.end.err when it has been reached. A handler that ends earlier ends
// the call as usual.
func (in *Injector) untilPoint(srv any, ss grpc.ServerStream, o order, handler grpc.StreamHandler) error {
	if o.action.AfterRequests == 0 && o.action.AfterMessages == 0 {
		return o.end.err
	}
	s := &counted{ServerStream: ss, end: o.end.err, requests: o.action.AfterRequests, messages: o.action.AfterMessages}
	err := handler(srv, s)
	if s.reached() {
		return o.end.err
	}
	return err
}

// counted is a stream that fails at a point. Like any ServerStream, it allows
// one caller of SendMsg beside one of RecvMsg.
type counted struct {
	grpc.ServerStream
	end error // what handlers are told once the point is reached

	mu       sync.Mutex // guards what follows
	requests int        // still to be read before the point
	messages int        // still to be sent before the point
}

// SendMsg sends a message, and fails if it was the last before the point: the
// handler has to end at once, not at its next message.
func (s *counted) SendMsg(m any) error {
	if s.reached() {
		return s.end
	}
	if err := s.ServerStream.SendMsg(m); err != nil {
		return err
	}
	return s.count(&s.messages)
}

// RecvMsg reads a message, and fails if it was the last before the point.
func (s *counted) RecvMsg(m any) error {
	if s.reached() {
		return s.end
	}
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return s.ended(err)
	}
	return s.count(&s.requests)
}

// ended takes the end of the request, which is the point of
// [fault.AllRequests].
func (s *counted) ended(err error) error {
	s.mu.Lock()
	if errors.Is(err, io.EOF) && s.requests > fault.AllRequests/2 {
		s.requests = 0
	}
	s.mu.Unlock()
	if s.reached() {
		return s.end
	}
	return err
}

// count takes one off, and fails if that reached the point.
func (s *counted) count(left *int) error {
	s.mu.Lock()
	*left--
	s.mu.Unlock()
	if s.reached() {
		return s.end
	}
	return nil
}

func (s *counted) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests <= 0 && s.messages <= 0
}
