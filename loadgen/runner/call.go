package runner

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/dynamic"
)

// call is one RPC of any kind, as a stream. A receiver takes messages off the
// stream as they come: their arrival times are the network's own, and a script
// that reads late does not hold up the server. Messages stay encoded until an
// operation looks at them.
//
// A call belongs to one goroutine. Its receiver ends with close.
type call struct {
	stream grpc.ClientStream // nil when the call failed at its start
	cancel context.CancelFunc
	inbox  *inbox
	start  time.Time

	exchange exchange // what was said, for the report

	header, trailer metadata.MD    // written by grpc before the receiver ends
	receiver        sync.WaitGroup // the goroutine of receive

	sent       int
	halfClosed bool
	cancelled  bool // by the script
	// sendErr is an error that the client itself made while sending, such as a
	// message beyond the size limit. The stream only knows that it was cut.
	sendErr error
}

// callConfig says which call to make.
type callConfig struct {
	conn     grpc.ClientConnInterface
	method   string // "/pkg.Service/Method"
	metadata metadata.MD
	timeout  time.Duration // the RPC's deadline; 0 is none
	bound    time.Duration // how long to wait for a connection
}

// anyKind makes grpc-go leave the kind of the call to the script: nothing is
// half-closed unasked, and a message too many or too few is found by the
// script's own checks.
var anyKind = grpc.StreamDesc{StreamName: "scenario", ClientStreams: true, ServerStreams: true}

// newCall starts a call. A call that could not be started has ended, with the
// status that tells why; stuck says that there was no connection for it within
// the bound. Either way, close it.
func newCall(ctx context.Context, cfg callConfig) (c *call, stuck bool) {
	ctx, cancel := withTimeout(metadata.NewOutgoingContext(ctx, cfg.metadata), cfg.timeout)
	c = &call{cancel: cancel, inbox: newInbox(), start: time.Now()}
	var stream grpc.ClientStream
	err, stuck := c.bounded(cfg.bound, func() (err error) {
		stream, err = cfg.conn.NewStream(ctx, &anyKind, cfg.method,
			grpc.ForceCodecV2(dynamic.RawCodec{}), grpc.Header(&c.header), grpc.Trailer(&c.trailer))
		return err
	})
	if err != nil {
		c.inbox.end(ending{status: status.Convert(err), at: time.Since(c.start)})
		return c, stuck
	}
	c.stream = stream
	c.receiver.Go(func() { c.receive(ctx) })
	return c, stuck
}

// withTimeout is context.WithTimeout, without a deadline for 0.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// bounded carries out something that may block. At the bound it cancels the
// call, which ends whatever blocks, and reports that it was stuck.
func (c *call) bounded(bound time.Duration, act func() error) (err error, stuck bool) {
	timer := time.AfterFunc(bound, c.cancel)
	err = act()
	return err, !timer.Stop()
}

// receive moves messages into the inbox until the call ends.
func (c *call) receive(ctx context.Context) {
	for {
		var raw []byte
		if err := c.stream.RecvMsg(&raw); err != nil {
			c.inbox.end(ending{status: statusOf(err), header: c.header, trailer: c.trailer, at: time.Since(c.start)})
			return
		}
		a := arrival{raw: raw, at: time.Since(c.start)}
		c.exchange.add(directionIn, a.at, raw)
		c.inbox.put(ctx, a)
	}
}

// statusOf returns the status that an error of a stream stands for.
func statusOf(err error) *status.Status {
	if err == io.EOF {
		return status.New(codes.OK, "")
	}
	return status.Convert(err)
}

// send sends one encoded message. It does nothing when the call has ended: how
// it ended is then for the script to judge.
func (c *call) send(raw []byte, bound time.Duration) (stuck bool) {
	if c.stream == nil || c.sendErr != nil {
		return false
	}
	at := time.Since(c.start)
	err, stuck := c.bounded(bound, func() error { return c.stream.SendMsg(raw) })
	switch {
	case err == nil:
		c.sent++
		c.exchange.add(directionOut, at, raw)
	case err != io.EOF && !stuck:
		c.sendErr = err
	}
	return stuck
}

// status returns the status that the call ended with.
func (c *call) status(ended *ending) *status.Status {
	if c.sendErr != nil {
		return status.Convert(c.sendErr)
	}
	return ended.status
}

// halfClose tells the server that no message follows.
func (c *call) halfClose() {
	c.halfClosed = true
	if c.stream != nil {
		_ = c.stream.CloseSend() // an error shows in the status of the call
	}
}

// next returns the oldest unread message. When there is none left it is the
// ending of the call, and nil when the deadline passed before either.
func (c *call) next(deadline time.Time) (a arrival, ok bool, ended *ending) {
	a, ok, ended = c.inbox.take()
	if ok || ended != nil {
		return a, ok, ended
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case <-c.inbox.changed:
		case <-timer.C:
			return c.inbox.take() // what came at this very moment is in time
		}
		if a, ok, ended = c.inbox.take(); ok || ended != nil {
			return a, ok, ended
		}
	}
}

// end waits for the end of the call, which takes no more messages from now on.
// It is nil when the deadline passed before it.
func (c *call) end(deadline time.Time) *ending {
	c.inbox.finish()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		if ended := c.inbox.ending(); ended != nil {
			return ended
		}
		select {
		case <-c.inbox.changed:
		case <-timer.C:
			return c.inbox.ending()
		}
	}
}

// close cancels the call, if it still runs, and waits for its receiver.
func (c *call) close() {
	c.cancel()
	c.receiver.Wait()
}
