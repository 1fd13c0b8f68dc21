package wire

import (
	"context"
	"io"
	"sync"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/transport"
)

// Open opens a call on the next connection.
func (t *Transport) Open(ctx context.Context, req *transport.Request) transport.Stream {
	s := t.slot(0)
	st := &stream{slot: s, req: *req, changed: sync.NewCond(&s.mu)}
	st.req.Messages, st.req.Turns, st.req.Interval = nil, false, 0
	st.res.Each = st.received
	s.open(ctx, st)
	return st
}

// stream is a call whose messages are sent and received one by one.
type stream struct {
	slot    *slot
	req     transport.Request
	res     transport.Result
	changed *sync.Cond // of what follows, all of it guarded by slot.mu

	call     handle
	closing  bool // CloseSend was called
	inbox    [][]byte
	unread   int64 // bytes of inbox
	answered bool  // header came
	header   metadata.MD
	trailer  metadata.MD
	over     bool // the memory of the call may be in other use
}

// wait waits for a change. mu is held before and after.
func (st *stream) wait() {
	st.slot.left() // what we did must go out meanwhile
	st.changed.Wait()
}

// Send implements transport.Stream.
func (st *stream) Send(message []byte) error {
	s := st.slot
	s.lock()
	defer s.unlock()
	for !st.over && st.call.call.sending {
		st.wait()
	}
	if st.over || st.closing {
		return io.EOF
	}
	c := st.call.call
	c.load(message)
	if c.id != 0 {
		c.conn.pump(c)
	}
	for !st.over && st.call.call.sending {
		st.wait()
	}
	if st.over {
		return io.EOF
	}
	return nil
}

// CloseSend implements transport.Stream.
func (st *stream) CloseSend() {
	s := st.slot
	s.lock()
	defer s.unlock()
	for !st.over && st.call.call.sending {
		st.wait()
	}
	if st.over || st.closing {
		return
	}
	st.closing = true
	c := st.call.call
	c.last = true
	if c.id != 0 {
		c.conn.pump(c)
	}
}

// Recv implements transport.Stream.
func (st *stream) Recv() ([]byte, error) {
	s := st.slot
	s.lock()
	defer s.unlock()
	for !st.over && len(st.inbox) == 0 {
		st.wait()
	}
	if len(st.inbox) == 0 {
		return nil, io.EOF
	}
	m := st.inbox[0]
	st.inbox[0] = nil
	st.inbox = st.inbox[1:]
	st.unread -= int64(len(m))
	if !st.over {
		st.call.call.conn.replenish(st.call.call)
	}
	return m, nil
}

// received takes a message in.
func (st *stream) received(message []byte) {
	st.inbox = append(st.inbox, append([]byte(nil), message...))
	st.unread += int64(len(message))
	st.changed.Broadcast()
}

// Header implements transport.Stream.
func (st *stream) Header() metadata.MD {
	s := st.slot
	s.lock()
	defer s.unlock()
	for !st.over && !st.answered {
		st.wait()
	}
	return st.header
}

// Trailer implements transport.Stream.
func (st *stream) Trailer() metadata.MD {
	st.slot.lock()
	defer st.slot.unlock()
	return st.trailer
}

// Status implements transport.Stream.
func (st *stream) Status() *status.Status {
	st.slot.lock()
	defer st.slot.unlock()
	if !st.over {
		return nil
	}
	return statusOf(st.res.Status, st.res.Message, st.trailer)
}

// Cancel implements transport.Stream. What was not received is dropped, and
// who has not seen the end of the call sees this one.
func (st *stream) Cancel() {
	st.call.cancel(context.Canceled)
	st.slot.lock()
	defer st.slot.unlock()
	if len(st.inbox) > 0 {
		st.inbox, st.unread = nil, 0
		st.res.Status, st.res.Message = codes.Canceled, context.Canceled.Error()
	}
}

// concluded notes that the call has ended; its result says how.
func (st *stream) concluded() {
	st.over = true
	st.changed.Broadcast()
}

// headers notes the response's headers.
func (st *stream) headers(md metadata.MD) {
	st.answered, st.header = true, md
	st.changed.Broadcast()
}

// detailsKey is the trailer that carries a status with its details.
const detailsKey = "grpc-status-details-bin"

// statusOf is a status with the details that the trailer carries, unless they
// are of another one.
func statusOf(code codes.Code, text string, trailer metadata.MD) *status.Status {
	var details spb.Status
	for _, data := range trailer[detailsKey] {
		if proto.Unmarshal([]byte(data), &details) == nil && details.Code == int32(code) {
			return status.FromProto(&details)
		}
	}
	return status.New(code, text)
}
