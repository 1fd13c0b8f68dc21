package wire

import (
	"context"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// call is one call under way, or one that is over and may be used for another.
// Everything is guarded by the slot's mu.
type call struct {
	slot   *slot
	serial uint64 // of the calls that this memory has been
	req    *transport.Request
	res    *transport.Result
	end    transport.Ender // or
	stream *stream
	watch  *watch

	deadline time.Time // zero: none
	due      time.Time // of the next message, after a pause; zero: no pause
	alarm    time.Time // when alarms wake it
	place    int       // among alarms, from 1

	in            *queue // where it waits, if it does
	before, after *call
	moves         int // connections that it has waited for

	conn    *conn
	id      uint32 // 0: not opened
	chain   *call  // in the connection's table
	ended   bool
	sendWin int64 // what the target lets us send
	recvWin int64 // what we let the target send

	next    int    // messages handed over, the current one included
	prefix  int    // bytes of the current message's prefix that are left
	rest    []byte // of the current message
	length  int    // of the current message
	packed  bool   // the current message is compressed
	sending bool   // the current message is not out
	last    bool   // no message follows the current one
	endSent bool   // half-closed

	answered bool // response headers came
	http     int  // their :status
	gzip     bool // their grpc-encoding
	message  message
	lastTime time.Time // of the last message
}

// begin makes c the given call.
func (c *call) begin(ctx context.Context, req *transport.Request, res *transport.Result) {
	*c = call{slot: c.slot, serial: c.serial + 1, req: req, res: res, message: message{data: c.message.data}}
	if req.Timeout > 0 {
		c.deadline = res.Start.Add(req.Timeout)
	}
	if d, ok := ctx.Deadline(); ok && (c.deadline.IsZero() || d.Before(c.deadline)) {
		c.deadline = d
	}
}

// forget leaves nothing behind of a call that is over.
func (c *call) forget() {
	c.req, c.res, c.end, c.stream, c.watch, c.rest, c.conn = nil, nil, nil, nil, nil, nil, nil
	c.message.keep()
}

// one reports whether the call takes exactly one response.
func (c *call) one() bool {
	return c.req.Kind == transport.Unary || c.req.Kind == transport.ClientStream
}

// load makes a message the current one.
func (c *call) load(message []byte) {
	if c.packed = c.req.Compression != ""; c.packed {
		message = c.slot.pack(message)
	}
	c.rest, c.length, c.prefix, c.sending = message, len(message), prefixSize, true
}

// received counts a message of n bytes.
func (c *call) received(n int) {
	now := c.slot.now
	if c.res.Received == 0 {
		c.res.FirstMessage = now
	} else if c.res.Gap != nil {
		c.res.Gap(now.Sub(c.lastTime))
	}
	c.res.Received++
	c.res.Bytes += n
	c.lastTime = now
}

// failure ends a call for what the target did to its stream.
type failure struct {
	reset http2.ErrCode // sent to the target
	code  codes.Code
	text  string
}
