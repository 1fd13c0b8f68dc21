package wire

import (
	"context"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// cancelled is the code of a reset that ends a call from our side.
const cancelled = http2.ErrCodeCancel

// place opens the call's stream, or queues the call until it may have one.
func (c *conn) place(each *call) {
	each.conn = c
	if c.waiting.first == nil && c.room() {
		c.open(each)
	} else {
		c.waiting.push(each)
	}
}

// room reports whether another stream may be opened now.
func (c *conn) room() bool {
	return int64(c.streams.n) < c.maxCalls && len(c.out) < maxOut
}

// open sends the headers of a call and its first message.
func (c *conn) open(each *call) {
	s := c.slot
	var timeout time.Duration
	if !each.deadline.IsZero() {
		if timeout = each.deadline.Sub(s.now); timeout <= 0 {
			s.finish(each, codes.DeadlineExceeded, context.DeadlineExceeded.Error())
			return
		}
	}
	c.scratch = c.scratch[:0]
	if c.shrink {
		c.scratch, c.shrink = append(c.scratch, tableSizeZero), false
	}
	c.scratch = appendHeaders(c.scratch, c.transport, each.req, timeout)
	if c.maxFields < maxStreamID && tooLong(c.scratch, c.maxFields) {
		s.finish(each, codes.Internal, "the request's headers are more than the target takes")
		return
	}
	each.id, each.sendWin, each.recvWin = c.nextID, c.initial, streamWin
	c.streams.put(each)
	c.headers(each.id, c.scratch)
	c.proceed(each)
	if c.nextID += 2; c.nextID > maxStreamID {
		s.leave(c)
	}
}

// tooLong reports whether the header list that a block encodes is larger than
// the target takes it.
func tooLong(block []byte, limit int64) bool {
	// A field takes two bytes of the block at least, or one for a field of the
	// static table; no name in there that we use is longer than 20.
	if int64(len(block))*(32+20) <= limit {
		return false
	}
	var size int64
	d := hpack.NewDecoder(4096, func(h hpack.HeaderField) { size += int64(h.Size()) })
	_, err := d.Write(block)
	return err != nil || size > limit
}

// tableSizeZero starts a header block whose encoder keeps no table (RFC 7541,
// section 6.3).
const tableSizeZero = 0x20

// headers writes a header block, in as many frames as it takes.
func (c *conn) headers(id uint32, block []byte) {
	kind := http2.FrameHeaders
	for first := true; first || len(block) > 0; first = false {
		n := min(len(block), c.maxFrame)
		var flags http2.Flags
		if n == len(block) {
			flags = http2.FlagHeadersEndHeaders
		}
		c.out = append(appendFrame(c.out, kind, flags, id, n), block[:n]...)
		block, kind = block[n:], http2.FrameContinuation
	}
}

// proceed hands over messages, and then the half-close, as far as the call may
// go now.
func (c *conn) proceed(each *call) {
	if each.stream != nil { // others hand over
		if each.sending || each.last {
			c.pump(each)
		}
		return
	}
	for !each.sending && !each.endSent && c.may(each) {
		if each.next == len(each.req.Messages) {
			each.last = true
		} else {
			c.message(each)
		}
		c.pump(each)
	}
}

// may reports whether the call may go on to its next message: with turns it
// waits for as many responses, and between two messages for the interval.
func (c *conn) may(each *call) bool {
	if each.req.Turns && each.res.Received < each.next {
		return false
	}
	if each.req.Interval <= 0 || each.next == 0 || each.next == len(each.req.Messages) {
		return true
	}
	if each.due.IsZero() {
		each.due = c.slot.now.Add(each.req.Interval)
		c.slot.schedule(each)
		return false
	}
	if c.slot.now.Before(each.due) {
		return false
	}
	each.due = time.Time{}
	c.slot.schedule(each)
	return true
}

// message makes the next message the current one.
func (c *conn) message(each *call) {
	each.load(each.req.Messages[each.next])
	each.next++
	// With turns, the half-close must wait for the last answer.
	each.last = each.next == len(each.req.Messages) && !each.req.Turns
}

// prefixSize is the length of the flag and length before each message.
const prefixSize = 5

// pump sends as much of the current message as the windows let through.
func (c *conn) pump(each *call) {
	for left := each.prefix + len(each.rest); left > 0; left = each.prefix + len(each.rest) {
		n := int(min(int64(left), int64(c.maxFrame), each.sendWin, c.sendWin))
		if n <= 0 || len(c.out) > maxOut {
			if each.in == nil {
				c.blocked.push(each)
			}
			return
		}
		each.sendWin -= int64(n)
		c.sendWin -= int64(n)
		var flags http2.Flags
		if each.last && n == left {
			flags, each.endSent = http2.FlagDataEndStream, true
		}
		c.out = appendFrame(c.out, http2.FrameData, flags, each.id, n)
		c.piece(each, n)
	}
	each.unqueue()
	if each.sending {
		each.sending = false
		each.res.Sent++
		if each.stream != nil {
			each.stream.changed.Broadcast()
		}
	}
	if each.last && !each.endSent {
		each.endSent = true
		c.out = appendFrame(c.out, http2.FrameData, http2.FlagDataEndStream, each.id, 0)
	}
}

// piece appends the next n bytes of the message and its prefix.
func (c *conn) piece(each *call, n int) {
	if each.prefix > 0 {
		length := uint32(each.length)
		prefix := [prefixSize]byte{0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}
		if each.packed {
			prefix[0] = 1
		}
		head := min(n, each.prefix)
		c.out = append(c.out, prefix[prefixSize-each.prefix:][:head]...)
		each.prefix, n = each.prefix-head, n-head
	}
	c.out = append(c.out, each.rest[:n]...)
	each.rest = each.rest[n:]
}

// advance goes on with the calls that had to wait. A call that still has to
// stays where it is in the queue.
func (c *conn) advance() {
	if c.sendWin > 0 {
		c.blocked.each(func(each *call) {
			if len(c.out) <= maxOut && c.sendWin > 0 {
				c.pump(each)
				c.proceed(each)
			}
		})
	}
	for each := c.waiting.first; each != nil && c.err == nil && c.room(); each = c.waiting.first {
		each.unqueue()
		c.open(each)
	}
}

// reset sends RST_STREAM.
func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.out = appendUint32(appendFrame(c.out, http2.FrameRSTStream, 0, id, 4), uint32(code))
}
