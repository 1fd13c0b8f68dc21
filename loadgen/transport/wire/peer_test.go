package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// peer is one connection of a target whose frames a test writes and reads.
type peer struct {
	*http2.Framer
	conn    net.Conn
	decoder *hpack.Decoder // of requests, over all of the connection's blocks
}

// scripted is a transport to a target that plays one script a connection, in
// order; a connection that has none is refused. settings come first.
func scripted(t *testing.T, cfg wire.Config, settings []http2.Setting, scripts ...func(*peer)) *wire.Transport {
	var serving sync.WaitGroup
	var mu sync.Mutex // guards scripts
	cfg.Authority = "peer"
	cfg.Dial = func(context.Context) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(scripts) == 0 {
			return nil, errors.New("refused")
		}
		script := scripts[0]
		scripts = scripts[1:]
		client, server := net.Pipe()
		serving.Go(func() {
			defer server.Close()
			if p := newPeer(server, settings); p != nil {
				script(p)
			}
		})
		return client, nil
	}
	w, err := wire.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); serving.Wait() })
	return w
}

func newPeer(conn net.Conn, settings []http2.Setting) *peer {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return nil
	}
	p := &peer{http2.NewFramer(conn, conn), conn, hpack.NewDecoder(4096, nil)}
	p.SetMaxReadFrameSize(1 << 20)
	if p.WriteSettings(settings...) != nil {
		return nil
	}
	return p
}

// wait returns the next frame of a kind and passes over all before it; nil
// when the connection ends first.
func (p *peer) wait(kind http2.FrameType) http2.Frame {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return nil
		}
		if f.Header().Type == kind {
			return f
		}
	}
}

// request returns the next request's stream and fields.
func (p *peer) request() (uint32, map[string]string) {
	f, ok := p.wait(http2.FrameHeaders).(*http2.HeadersFrame)
	if !ok {
		return 0, nil
	}
	list, err := p.decoder.DecodeFull(f.HeaderBlockFragment())
	if err != nil {
		return 0, nil
	}
	fields := map[string]string{}
	for _, h := range list {
		fields[h.Name] = h.Value
	}
	return f.StreamID, fields
}

// answer answers a unary call with OK.
func (p *peer) answer(id uint32) {
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true,
		BlockFragment: block(":status", "200", "content-type", "application/grpc")})
	_ = p.WriteData(id, false, message)
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
}

// rest reads until the connection ends.
func (p *peer) rest() { p.wait(0xff) }

// data reads n bytes of DATA, and returns the lengths of the frames.
func (p *peer) data(n int) (lengths []int, all []byte) {
	for len(all) < n {
		f, ok := p.wait(http2.FrameData).(*http2.DataFrame)
		if !ok {
			break
		}
		lengths, all = append(lengths, len(f.Data())), append(all, f.Data()...)
	}
	return lengths, all
}

// quiet reports whether nothing of a call comes for a while.
func (p *peer) quiet(d time.Duration) bool {
	_ = p.conn.SetReadDeadline(time.Now().Add(d))
	defer func() { _ = p.conn.SetReadDeadline(time.Time{}) }()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return true
		}
		if kind := f.Header().Type; kind == http2.FrameData || kind == http2.FrameHeaders {
			return false
		}
	}
}

// unary is a request with one message of n bytes.
func unary(n int) *transport.Request {
	return &transport.Request{Method: "/s/m", Messages: [][]byte{bytes.Repeat([]byte{7}, n)}}
}
