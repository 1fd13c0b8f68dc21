package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// What one read may bring in, in bytes. The buffer starts small, since there
// may be thousands of connections, and grows when a read fills it. The largest
// holds a whole frame and more.
const (
	leastRead = 4 << 10
	mostRead  = 64 << 10
)

// read takes the target's frames until the connection ends.
func (c *conn) read() {
	s := c.slot
	in, have := make([]byte, leastRead), 0
	for {
		n, err := c.net.Read(in[have:])
		now := time.Now()
		have += n
		s.mu.Lock()
		s.now = now
		used, bad := c.takeAll(in[:have])
		switch {
		case bad != nil:
			c.fail(bad)
		case err != nil && c.broken != nil && errors.Is(err, os.ErrDeadlineExceeded):
			c.fail(c.broken)
		case err != nil:
			c.fail(err)
		}
		over := c.err != nil
		s.unlockWriting()
		if over {
			return
		}
		full := have == len(in)
		have = copy(in, in[used:have])
		if full && len(in) < mostRead {
			in = append(in, make([]byte, len(in))...)
		}
	}
}

// takeAll handles the whole frames at the start of p and returns their length.
// The calls that wait for windows or streams go on when all are handled.
func (c *conn) takeAll(p []byte) (used int, err error) {
	for len(p)-used >= frameHead && c.err == nil {
		head := p[used:]
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if length > frameSize {
			return used, errSize
		}
		if len(head) < frameHead+length {
			break
		}
		f := frame{
			kind: http2.FrameType(head[3]), flags: http2.Flags(head[4]),
			id: binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), payload: head[frameHead : frameHead+length],
		}
		if err := c.take(f); err != nil {
			return used, err
		}
		used += frameHead + length
	}
	c.advance()
	return used, nil
}

// frameHead is the length of what precedes the payload of every frame.
const frameHead = 9

// frame is one frame of the target. The payload is valid until the next.
type frame struct {
	kind    http2.FrameType
	flags   http2.Flags
	id      uint32
	payload []byte
}

// Errors of a whole connection.
var (
	errProtocol = http2.ConnectionError(http2.ErrCodeProtocol)
	errSize     = http2.ConnectionError(http2.ErrCodeFrameSize)
	errFlow     = http2.ConnectionError(http2.ErrCodeFlowControl)
	errFlood    = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
)

// take handles a frame; mu is held. An error ends the connection.
func (c *conn) take(f frame) error {
	if c.block.id != 0 && (f.kind != http2.FrameContinuation || f.id != c.block.id) {
		return errProtocol // a header block cannot be interrupted
	}
	if !c.settled && f.kind != http2.FrameSettings {
		return errProtocol // SETTINGS come first
	}
	if f.id != 0 && (f.id%2 == 0 || f.id >= c.nextID) && f.kind != http2.FramePriority && f.kind <= http2.FrameContinuation {
		return errProtocol // a stream that we have not opened
	}
	switch f.kind {
	case http2.FrameData:
		return c.data(f)
	case http2.FrameHeaders:
		return c.responseHeaders(f)
	case http2.FrameContinuation:
		return c.continuation(f)
	case http2.FrameRSTStream:
		return c.wasReset(f)
	case http2.FrameSettings:
		return c.settings(f)
	case http2.FramePing:
		return c.ping(f)
	case http2.FrameGoAway:
		return c.goAway(f)
	case http2.FrameWindowUpdate:
		return c.windowUpdate(f)
	case http2.FramePushPromise:
		return errProtocol // our SETTINGS forbid it
	}
	return nil // PRIORITY, and what later versions may add
}

// unpad strips a frame's padding.
func unpad(f frame, padded http2.Flags) ([]byte, error) {
	p := f.payload
	if !f.flags.Has(padded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, errSize
	}
	if n := int(p[0]); n < len(p) {
		return p[1 : len(p)-n], nil
	}
	return nil, errProtocol
}

// data takes a piece of a response. Padding counts in the windows too.
func (c *conn) data(f frame) error {
	if f.id == 0 {
		return errProtocol
	}
	n := int64(len(f.payload))
	if c.recvWin -= n; c.recvWin < 0 {
		return errFlow
	}
	if c.recvWin < connWin/2 {
		c.grant(0, connWin-c.recvWin)
		c.recvWin = connWin
	}
	p, err := unpad(f, http2.FlagDataPadded)
	each := c.streams.get(f.id)
	if err != nil || each == nil {
		return err
	}
	if each.recvWin -= n; each.recvWin < 0 {
		c.abort(each, &failure{http2.ErrCodeFlowControl, codes.Internal, "the target sent more than the window lets it"})
		return nil
	}
	if !each.answered {
		c.abort(each, &failure{http2.ErrCodeProtocol, codes.Internal, "DATA before the response's headers"})
		return nil
	}
	if failed := each.take(p, &c.gunzip); failed != nil {
		c.abort(each, failed)
		return nil
	}
	if each.req.Turns {
		c.proceed(each)
	}
	if f.flags.Has(http2.FlagDataEndStream) {
		c.over(each, transport.CodeOfHTTP(each.http), "the target ended the response without a grpc-status")
	} else {
		c.replenish(each)
	}
	return nil
}

// replenish opens the window of a call again, unless what came on it waits to
// be taken.
func (c *conn) replenish(each *call) {
	if each.recvWin < streamWin/2 && (each.stream == nil || each.stream.unread < streamWin) {
		c.grant(each.id, streamWin-each.recvWin)
		each.recvWin = streamWin
	}
}

// grant lets the target send n bytes more.
func (c *conn) grant(id uint32, n int64) {
	c.out = appendUint32(appendFrame(c.out, http2.FrameWindowUpdate, 0, id, 4), uint32(n))
}

// abort resets a call's stream and ends the call.
func (c *conn) abort(each *call, f *failure) {
	c.reset(each.id, f.reset)
	c.slot.finish(each, f.code, f.text)
}

// over ends a call whose response is complete.
func (c *conn) over(each *call, code codes.Code, text string) {
	if !each.endSent {
		c.reset(each.id, http2.ErrCodeNo) // the target needs no more of the request
	}
	switch {
	case code != codes.OK:
	case each.message.partial():
		code, text = codes.Internal, "the response ends within a message"
	case each.one() && each.res.Received == 0:
		code, text = codes.Unimplemented, "OK without a response message"
	}
	c.slot.finish(each, code, text)
}

func (c *conn) wasReset(f frame) error {
	if f.id == 0 {
		return errProtocol
	}
	if len(f.payload) != 4 {
		return errSize
	}
	each := c.streams.get(f.id)
	if each == nil {
		return nil
	}
	reason := http2.ErrCode(binary.BigEndian.Uint32(f.payload))
	code, text := fromReset(reason), fmt.Sprintf("the target reset the stream with %v", reason)
	switch {
	case reason == http2.ErrCodeRefusedStream:
		c.transport.unprocessed.Add(1)
	case reason == http2.ErrCodeCancel && !each.deadline.IsZero() && !c.slot.now.Before(each.deadline):
		// The target's clock was a moment ahead.
		code, text = codes.DeadlineExceeded, context.DeadlineExceeded.Error()
	}
	c.slot.finish(each, code, text)
	return nil
}

// ping answers, unless the answers pile up.
func (c *conn) ping(f frame) error {
	switch {
	case f.id != 0:
		return errProtocol
	case len(f.payload) != 8:
		return errSize
	case f.flags.Has(http2.FlagPingAck):
		return nil
	case len(c.out) > maxReplies:
		return errFlood
	}
	c.out = append(appendFrame(c.out, http2.FramePing, http2.FlagPingAck, 0, 8), f.payload...)
	return nil
}

// goAway ends the calls that the target has not looked at. The others go on.
func (c *conn) goAway(f frame) error {
	if f.id != 0 {
		return errProtocol
	}
	if len(f.payload) < 8 {
		return errSize
	}
	last := binary.BigEndian.Uint32(f.payload) &^ (1 << 31)
	reason := http2.ErrCode(binary.BigEndian.Uint32(f.payload[4:]))
	c.transport.tell(c.slot.number, GoAway, fmt.Sprint(reason))
	c.streams.each(func(each *call) {
		if each.id > last {
			c.transport.unprocessed.Add(1)
			c.slot.finish(each, codes.Unavailable, fmt.Sprintf("the target sent GOAWAY %v before it took the call", reason))
		}
	})
	c.slot.leave(c)
	return nil
}

func (c *conn) windowUpdate(f frame) error {
	if len(f.payload) != 4 {
		return errSize
	}
	n := int64(binary.BigEndian.Uint32(f.payload) &^ (1 << 31))
	each := c.streams.get(f.id)
	switch {
	case f.id == 0 && (n == 0 || c.sendWin+n > maxWindow):
		return errFlow
	case f.id == 0:
		c.sendWin += n
	case each == nil:
		return nil
	case n == 0 || each.sendWin+n > maxWindow:
		c.abort(each, &failure{http2.ErrCodeFlowControl, codes.Internal, "the target overflowed a window"})
		return nil
	default:
		each.sendWin += n
	}
	return nil
}

// settings takes over the target's settings.
func (c *conn) settings(f frame) error {
	switch {
	case f.id != 0:
		return errProtocol
	case f.flags.Has(http2.FlagSettingsAck):
		if len(f.payload) != 0 || !c.settled {
			return errSize
		}
		return nil
	case len(f.payload)%6 != 0:
		return errSize
	case len(c.out) > maxReplies:
		return errFlood
	}
	for p := f.payload; len(p) > 0; p = p[6:] {
		s := http2.Setting{ID: http2.SettingID(binary.BigEndian.Uint16(p)), Val: binary.BigEndian.Uint32(p[2:])}
		if err := s.Valid(); err != nil {
			return err
		}
		if err := c.apply(s); err != nil {
			return err
		}
	}
	c.out = appendFrame(c.out, http2.FrameSettings, http2.FlagSettingsAck, 0, 0)
	if !c.settled {
		c.settled = true
		close(c.ready)
	}
	return nil
}

// apply takes over one setting.
func (c *conn) apply(s http2.Setting) error {
	switch s.ID {
	case http2.SettingInitialWindowSize:
		delta := int64(s.Val) - c.initial
		c.initial = int64(s.Val)
		overflow := false
		c.streams.each(func(each *call) {
			each.sendWin += delta
			overflow = overflow || each.sendWin > maxWindow
		})
		if overflow {
			return errFlow
		}
	case http2.SettingEnablePush:
		if s.Val != 0 {
			return errProtocol // not the target's to say
		}
	case http2.SettingHeaderTableSize:
		// Our requests do not use the table, but a smaller one must be owned to
		// (RFC 9113, section 4.3.1).
		c.shrink = true
	case http2.SettingMaxFrameSize:
		c.maxFrame = min(int(s.Val), 64<<10) // larger ones would delay the other calls
	case http2.SettingMaxConcurrentStreams:
		c.maxCalls = int64(s.Val)
	case http2.SettingMaxHeaderListSize:
		c.maxFields = int64(s.Val)
	}
	return nil
}
