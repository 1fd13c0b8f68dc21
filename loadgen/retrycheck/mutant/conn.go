package mutant

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Limits of HTTP/2 that hold until the server's settings say otherwise (RFC
// 9113, 6.5.2).
const (
	defaultWindow = 65535
	defaultFrame  = 16384
	prefixLen     = 5 // of a gRPC message: a flag and a length
)

// conn is one HTTP/2 connection.
type conn struct {
	net.Conn
	framer *http2.Framer // reads; writes with mu held
	does   behaviour
	tasks  sync.WaitGroup

	mu      sync.Mutex // guards what follows, the framer's writes and the streams' fields
	changed *sync.Cond // of mu: windows, or how a stream stands
	block   bytes.Buffer
	encoder *hpack.Encoder
	streams map[uint32]*stream
	next    uint32
	window  int64 // of the connection
	initial int64 // of new streams
	leaving bool  // the server has said GOAWAY
	dead    bool
}

// dial connects and starts to read. The conn is closed with close.
func dial(ctx context.Context, target string, b behaviour) (*conn, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, framer: http2.NewFramer(raw, raw), does: b, streams: map[uint32]*stream{}, next: 1, window: defaultWindow, initial: defaultWindow}
	c.changed = sync.NewCond(&c.mu)
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := raw.Write([]byte(http2.ClientPreface)); err != nil {
		raw.Close()
		return nil, err
	}
	if err := c.framer.WriteSettings(); err != nil {
		raw.Close()
		return nil, err
	}
	c.tasks.Go(c.read)
	return c, nil
}

func (c *conn) close() {
	c.Close()
	c.tasks.Wait()
}

// usable reports whether new streams may be opened.
func (c *conn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead && !c.leaving
}

// read handles frames until the connection is lost, which ends its streams.
func (c *conn) read() {
	for {
		frame, err := c.framer.ReadFrame()
		if _, ok := errors.AsType[http2.StreamError](err); ok {
			continue
		}
		c.mu.Lock()
		if err != nil {
			c.dead = true
			for _, st := range c.streams {
				st.finish(ending{code: unavailable})
			}
			c.changed.Broadcast()
			c.mu.Unlock()
			return
		}
		c.handle(frame)
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}

// handle takes one frame, with the mutex held.
func (c *conn) handle(frame http2.Frame) {
	st := c.streams[frame.Header().StreamID] // nil: it is over
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.framer.WritePing(true, f.Data) // a lost connection shows in read
		}
	case *http2.GoAwayFrame:
		c.goAway(f)
	case *http2.WindowUpdateFrame:
		if st != nil {
			st.window += int64(f.Increment)
		} else if f.StreamID == 0 {
			c.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		if st != nil {
			st.header(f)
		}
	case *http2.DataFrame:
		c.giveBack(f)
		if st != nil {
			st.data(f)
		}
	case *http2.RSTStreamFrame:
		if st != nil {
			st.finish(ending{code: resetCode(f.ErrCode), unseen: f.ErrCode == http2.ErrCodeRefusedStream && !st.responded})
		}
	}
}

func (c *conn) settings(f *http2.SettingsFrame) {
	if f.IsAck() {
		return
	}
	if size, ok := f.Value(http2.SettingInitialWindowSize); ok {
		for _, st := range c.streams {
			st.window += int64(size) - c.initial
		}
		c.initial = int64(size)
	}
	_ = c.framer.WriteSettingsAck()
}

// goAway ends the streams that the server has not seen.
func (c *conn) goAway(f *http2.GoAwayFrame) {
	c.leaving = true
	for id, st := range c.streams {
		if id > f.LastStreamID || c.does.goAwayEndsAll {
			st.finish(ending{code: unavailable, unseen: id > f.LastStreamID})
		}
	}
}

// giveBack opens the windows again by what has been read.
func (c *conn) giveBack(f *http2.DataFrame) {
	if f.Length == 0 {
		return
	}
	_ = c.framer.WriteWindowUpdate(0, f.Length)
	if !f.StreamEnded() && c.streams[f.StreamID] != nil {
		_ = c.framer.WriteWindowUpdate(f.StreamID, f.Length)
	}
}

// ending is how a stream ended.
type ending struct {
	code     uint32
	unseen   bool     // no server application has seen the call
	pushback []string // grpc-retry-pushback-ms
}

// stream is one attempt.
type stream struct {
	conn      *conn
	id        uint32
	window    int64
	responded bool // response headers have come: the call is committed
	received  []byte
	status    string // :status
	over      bool
	end       ending
}

// open starts a stream with request headers. False: the connection takes no
// more.
func (c *conn) open(fields []hpack.HeaderField) (*stream, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.leaving {
		return nil, false
	}
	st := &stream{conn: c, id: c.next, window: c.initial}
	c.next += 2
	c.streams[st.id] = st
	c.block.Reset()
	for _, f := range fields {
		_ = c.encoder.WriteField(f) // to memory
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: c.block.Bytes(), EndHeaders: true})
	return st, err == nil
}

// finish ends the stream, with the mutex held. The first end counts.
func (st *stream) finish(e ending) {
	if !st.over {
		st.over, st.end = true, e
	}
	delete(st.conn.streams, st.id)
}

// header takes response headers or trailers.
func (st *stream) header(f *http2.MetaHeadersFrame) {
	status := f.PseudoValue("status")
	if !f.StreamEnded() {
		if len(status) == 3 && status[0] == '1' && !st.conn.does.informationalCommits {
			return
		}
		st.responded, st.status = true, status
		return
	}
	if !st.responded {
		st.status = status
	}
	e := ending{code: unknown}
	for _, field := range f.RegularFields() {
		switch field.Name {
		case "grpc-status":
			if n, err := strconv.ParseUint(field.Value, 10, 32); err == nil {
				e.code = uint32(n)
			}
		case "grpc-retry-pushback-ms":
			e.pushback = append(e.pushback, field.Value)
		}
	}
	st.finish(e)
}

// data takes a piece of the response. DATA that ends the stream is one without
// trailers.
func (st *stream) data(f *http2.DataFrame) {
	st.received = append(st.received, f.Data()...)
	if f.StreamEnded() {
		st.finish(ending{code: internal})
	}
}

// messages returns how many messages have been received whole.
func (st *stream) messages() int {
	n := 0
	for rest := st.received; len(rest) >= prefixLen; n++ {
		size := prefixLen + int(binary.BigEndian.Uint32(rest[1:prefixLen]))
		if len(rest) < size {
			break
		}
		rest = rest[size:]
	}
	return n
}

// send writes one message, as far as windows allow, and waits where they do
// not. False: the stream is over, or ctx is.
func (st *stream) send(ctx context.Context, message []byte) bool {
	rest := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	rest = append(rest, message...)
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(rest) > 0 {
		room := min(int64(len(rest)), c.window, st.window, defaultFrame)
		switch {
		case st.over || ctx.Err() != nil:
			return false
		case room <= 0:
			c.changed.Wait()
			continue
		}
		c.window, st.window = c.window-room, st.window-room
		if c.framer.WriteData(st.id, false, rest[:room]) != nil {
			return false
		}
		rest = rest[room:]
	}
	return true
}

// closeSend half-closes.
func (st *stream) closeSend() {
	st.conn.mu.Lock()
	defer st.conn.mu.Unlock()
	if !st.over {
		_ = st.conn.framer.WriteData(st.id, true, nil)
	}
}

// wait returns when the stream is over. When ctx ends first it resets the
// stream, unless told not to.
func (st *stream) wait(ctx context.Context, reset bool) ending {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for !st.over && ctx.Err() == nil {
		c.changed.Wait()
	}
	if !st.over {
		if reset {
			_ = c.framer.WriteRSTStream(st.id, http2.ErrCodeCancel)
		}
		st.finish(ending{code: cancelled})
	}
	return st.end
}

// resetCode is the status that a reset stands for (gRPC over HTTP/2, Errors).
func resetCode(code http2.ErrCode) uint32 {
	switch code {
	case http2.ErrCodeRefusedStream:
		return unavailable
	case http2.ErrCodeCancel:
		return cancelled
	case http2.ErrCodeEnhanceYourCalm:
		return exhausted
	}
	return internal
}
