package wire

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
)

// dial is an attempt to connect, shared by those who wait for it.
type dial struct {
	done chan struct{} // closed at the end; err is then set
	err  error
}

// connected waits for the connection.
func (s *slot) connected(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	if s.conn != nil {
		s.mu.Unlock()
		return nil
	}
	d := s.redial()
	s.mu.Unlock()
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// redial starts to connect, unless that is under way.
func (s *slot) redial() *dial {
	if s.dial == nil {
		s.dial = &dial{done: make(chan struct{})}
		s.spawn(s.connect)
	}
	return s.dial
}

// connect carries a dial out, on a goroutine of the transport.
func (s *slot) connect() {
	c, err := s.transport.connect(s)
	s.lock()
	d := s.dial
	s.dial, d.err = nil, err
	switch {
	case err != nil || c.err != nil:
	case c.leaving:
		c.fail(errLeft)
	default:
		s.conn = c
	}
	for range s.pending.n { // place may let one wait again
		each := s.pending.first
		each.unqueue()
		if err != nil {
			s.finish(each, codes.Unavailable, err.Error())
		} else {
			s.place(each)
		}
	}
	close(d.done)
	s.unlock()
}

// add adds a connection, which takes no calls yet.
func (s *slot) add(c *conn) {
	s.lock()
	s.conns = append(slices.Clip(s.conns), c)
	if s.closed {
		c.fail(errClosed)
	}
	s.unlock()
}

// leave takes a connection from new calls; those that wait for a stream on it
// go to the next one.
func (s *slot) leave(c *conn) {
	c.leaving = true
	if s.conn != c {
		return
	}
	s.conn = nil
	for range c.waiting.n {
		each := c.waiting.first
		each.unqueue()
		each.conn = nil
		s.place(each)
	}
	if c.streams.n == 0 {
		c.fail(errLeft)
	}
}
