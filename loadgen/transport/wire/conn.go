package wire

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// Limits of a connection.
const (
	frameSize    = 16 << 10 // largest frame that we take, HTTP/2's default
	initialWin   = 65535    // windows before any SETTINGS
	streamWin    = 4 << 20  // what a target may send on one stream
	connWin      = 16 << 20 // and on all
	maxOut       = 1 << 20  // bytes waiting for the writer beyond which calls wait
	maxReplies   = 8 << 20  // bytes waiting beyond which the target is abusive
	maxStreamID  = 1<<31 - 1
	maxWindow    = 1<<31 - 1
	maxHeader    = 1 << 20 // bytes of a response's header list
	closingGrace = time.Second
)

// conn is one HTTP/2 connection. All but what says otherwise is guarded by the
// slot's mu.
type conn struct {
	slot      *slot
	transport *Transport
	net       net.Conn
	raw       *rawWriter    // nil: writes may wait, and are the writer's
	ready     chan struct{} // closed by the first SETTINGS
	kick      chan struct{} // wakes the writer
	dead      chan struct{} // closed with the connection

	err       error  // why it is closed
	broken    error  // of a write
	settled   bool   // ready is closed
	out       []byte // frames to write
	spare     []byte // the buffer that takes its place
	unwritten []byte // what a write that could not wait has left to the writer
	writing   bool   // somebody writes
	idle      bool   // the writer waits for a kick
	streams   table
	nextID    uint32
	waiting   queue // for a stream of their own
	blocked   queue // for a window
	sendWin   int64
	recvWin   int64
	initial   int64 // window of new streams
	maxFrame  int
	maxCalls  int64
	maxFields int64 // the peer's limit on header lists
	scratch   []byte
	shrink    bool // the next header block says that we keep no table

	leaving bool // the target sent GOAWAY

	decoder decoder
	block   block
	gunzip  gzip.Reader
}

// connect dials and waits for the target's SETTINGS.
func (t *Transport) connect(s *slot) (*conn, error) {
	c, err := t.handshake(s)
	if err != nil {
		err = fmt.Errorf("dial %s: %w", t.cfg.Authority, err)
		t.tell(s.number, DialFailed, err.Error())
		return nil, err
	}
	t.dialled.Add(1)
	t.tell(s.number, Connected, "")
	return c, nil
}

func (t *Transport) handshake(s *slot) (*conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, t.cfg.DialTimeout)
	defer cancel()
	nc, err := t.cfg.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := agreed(ctx, nc); err != nil {
		nc.Close()
		return nil, err
	}
	c := newConn(s, nc)
	s.add(c)
	t.goroutines.Go(c.read)
	t.goroutines.Go(c.write)
	select {
	case <-c.ready:
		return c, nil
	case <-c.dead:
		return nil, c.err
	case <-ctx.Done():
		c.close(ctx.Err())
		return nil, fmt.Errorf("no HTTP/2 SETTINGS from the target: %w", ctx.Err())
	}
}

// agreed makes sure that a TLS connection speaks HTTP/2.
func agreed(ctx context.Context, nc net.Conn) error {
	secure, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	if got := secure.ConnectionState().NegotiatedProtocol; got != "h2" {
		return fmt.Errorf("the target agreed on the protocol %q by ALPN, not on h2", got)
	}
	return nil
}

// newConn returns a connection whose first write is HTTP/2's preface. It
// starts nothing.
func newConn(s *slot, nc net.Conn) *conn {
	c := &conn{
		slot: s, transport: s.transport, net: nc, raw: newRawWriter(nc),
		ready: make(chan struct{}), kick: make(chan struct{}, 1), dead: make(chan struct{}),
		nextID: 1, sendWin: initialWin, recvWin: connWin, initial: initialWin,
		maxFrame: frameSize, maxCalls: maxStreamID, maxFields: maxStreamID,
	}
	c.decoder.init()
	c.out = append(c.out, http2.ClientPreface...)
	c.out = appendFrame(c.out, http2.FrameSettings, 0, 0, 18)
	c.out = appendSetting(c.out, http2.SettingEnablePush, 0)
	c.out = appendSetting(c.out, http2.SettingInitialWindowSize, streamWin)
	c.out = appendSetting(c.out, http2.SettingMaxHeaderListSize, maxHeader)
	c.out = appendUint32(appendFrame(c.out, http2.FrameWindowUpdate, 0, 0, 4), connWin-initialWin)
	return c
}

// close ends the connection and all its calls.
func (c *conn) close(err error) {
	c.slot.lock()
	c.fail(err)
	c.slot.unlock()
}

// fail is close for those who hold mu.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	s := c.slot
	if c.settled && err != errLeft && err != errClosed {
		c.transport.tell(s.number, Lost, err.Error())
	}
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		c.out = appendFrame(c.out, http2.FrameGoAway, 0, 0, 8)
		c.out = appendUint32(appendUint32(c.out, 0), uint32(code))
	}
	s.conns = slices.DeleteFunc(slices.Clone(s.conns), func(each *conn) bool { return each == c })
	c.streams.each(func(each *call) { s.finish(each, codes.Unavailable, "the connection ended: "+err.Error()) })
	s.leave(c)
	close(c.dead)
	c.flush()
	// A writer that is blocked must not hold the connection open.
	_ = c.net.SetWriteDeadline(time.Now().Add(closingGrace))
	_ = c.net.SetReadDeadline(time.Now())
}

var errLeft = errors.New("the target sent GOAWAY")

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, id uint32, length int) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return appendUint32(b, id)
}

func appendUint32(b []byte, v uint32) []byte {
	return append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func appendSetting(b []byte, id http2.SettingID, v uint32) []byte {
	return appendUint32(append(b, byte(id>>8), byte(id)), v)
}
