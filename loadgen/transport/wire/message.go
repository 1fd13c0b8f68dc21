package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// message is where a call is within the stream of length-prefixed messages.
// The bytes of a message are counted, and kept only while a compressed one is
// incomplete.
type message struct {
	prefix     [5]byte
	have       int // bytes of prefix
	left       int64
	length     int64
	compressed bool
	data       *bytes.Buffer
}

// maxKept is the largest buffer that is kept from call to call.
const maxKept = 64 << 10

// keep frees what is too large to be kept.
func (m *message) keep() {
	if m.data != nil && m.data.Cap() > maxKept {
		m.data = nil
	}
}

// partial reports whether a message is incomplete.
func (m *message) partial() bool { return m.have > 0 }

// take reads a piece of the stream of messages.
func (c *call) take(p []byte, gunzip *gzip.Reader) *failure {
	m := &c.message
	for len(p) > 0 || m.have == 5 && m.left == 0 {
		if m.have < 5 {
			n := copy(m.prefix[m.have:], p)
			m.have, p = m.have+n, p[n:]
			if m.have < 5 {
				return nil
			}
			if f := c.openMessage(); f != nil {
				return f
			}
		}
		n := min(int64(len(p)), m.left)
		piece := p[:n]
		p, m.left = p[n:], m.left-n
		if c.keeps() && n < m.length {
			piece = m.add(piece)
		}
		if m.left > 0 {
			return nil
		}
		if f := c.closeMessage(piece, gunzip); f != nil {
			return f
		}
	}
	return nil
}

// openMessage checks a prefix.
func (c *call) openMessage() *failure {
	m := &c.message
	flag := m.prefix[0]
	m.length = int64(binary.BigEndian.Uint32(m.prefix[1:]))
	m.left, m.compressed = m.length, flag == 1
	if m.data != nil {
		m.data.Reset()
	}
	switch {
	case flag > 1:
		return &failure{http2.ErrCodeCancel, codes.Internal, fmt.Sprintf("a message has the compression flag %d", flag)}
	case m.compressed && !c.gzip:
		return &failure{http2.ErrCodeCancel, codes.Internal, "a message is compressed, but there is no grpc-encoding"}
	case m.length > int64(c.slot.transport.cfg.MaxMessage):
		return c.tooLong()
	case c.one() && c.res.Received > 0:
		return &failure{http2.ErrCodeCancel, codes.Unimplemented, "more than one response to a " + c.req.Kind.String() + " call"}
	}
	return nil
}

func (c *call) tooLong() *failure {
	return &failure{http2.ErrCodeCancel, codes.ResourceExhausted,
		fmt.Sprintf("a message is longer than %d bytes", c.slot.transport.cfg.MaxMessage)}
}

// keeps reports whether the bytes of the current message are needed.
func (c *call) keeps() bool { return c.message.compressed || c.res.Each != nil }

// add keeps a piece of a message that comes in several, and returns those that
// came so far.
func (m *message) add(piece []byte) []byte {
	if m.data == nil {
		m.data = new(bytes.Buffer)
	}
	m.data.Write(piece)
	return m.data.Bytes()
}

// closeMessage takes a complete message. data is all of it, if it is needed.
func (c *call) closeMessage(data []byte, gunzip *gzip.Reader) *failure {
	m := &c.message
	m.have = 0
	n := int(m.length)
	if m.compressed {
		var f *failure
		if data, n, f = c.decompress(data, gunzip); f != nil {
			return f
		}
	}
	c.received(n)
	if c.res.Each != nil {
		c.res.Each(data)
	}
	return nil
}

// decompress returns what a message was and its length; the bytes only if
// somebody wants them.
func (c *call) decompress(data []byte, gunzip *gzip.Reader) ([]byte, int, *failure) {
	var kept bytes.Buffer
	var into io.Writer = io.Discard
	if c.res.Each != nil {
		into = &kept
	}
	limit := int64(c.slot.transport.cfg.MaxMessage)
	err := gunzip.Reset(bytes.NewReader(data))
	var n int64
	if err == nil {
		n, err = io.Copy(into, io.LimitReader(gunzip, limit+1))
	}
	switch {
	case err != nil:
		return nil, 0, &failure{http2.ErrCodeCancel, codes.Internal, "a message is not gzip: " + err.Error()}
	case n > limit:
		return nil, 0, c.tooLong()
	}
	return kept.Bytes(), int(n), nil
}
