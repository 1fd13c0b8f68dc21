package wire_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// hostile is a transport to a target that answers the first request with raw
// bytes and then says nothing, or hangs up.
func hostile(t testing.TB, answer []byte, hangUp bool) *wire.Transport {
	var serving sync.WaitGroup
	w, err := wire.New(wire.Config{Authority: "hostile", MaxMessage: 4 << 20, DialTimeout: time.Second, Dial: func(context.Context) (net.Conn, error) {
		client, server := net.Pipe()
		serving.Go(func() { misbehave(server, answer, hangUp) })
		return client, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); serving.Wait() })
	return w
}

func misbehave(server net.Conn, answer []byte, hangUp bool) {
	defer server.Close()
	if _, err := io.ReadFull(server, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	requests, opened := make(chan struct{}), false
	var reading sync.WaitGroup
	defer reading.Wait()
	defer server.Close()
	reading.Go(func() {
		defer func() {
			if !opened {
				close(requests)
			}
		}()
		framer := http2.NewFramer(io.Discard, server)
		for {
			f, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if f.Header().Type == http2.FrameHeaders && !opened {
				opened = true
				close(requests)
			}
		}
	})
	if http2.NewFramer(server, nil).WriteSettings() != nil {
		return
	}
	<-requests
	_, _ = server.Write(answer)
	if !hangUp {
		reading.Wait()
	}
}

// frames writes frames of a target into a buffer.
type frames struct {
	*http2.Framer
	out *bytes.Buffer
}

func newFrames() frames {
	out := new(bytes.Buffer)
	f := frames{http2.NewFramer(out, nil), out}
	f.AllowIllegalWrites = true
	return f
}

// block encodes a header block from names and values in turn.
func block(pairs ...string) []byte {
	var out bytes.Buffer
	e := hpack.NewEncoder(&out)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return out.Bytes()
}

// headers writes a whole header block on stream 1.
func (f frames) headers(end bool, pairs ...string) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(pairs...), EndHeaders: true, EndStream: end})
}

// start writes the headers of a proper response, more among them.
func (f frames) start(more ...string) {
	f.headers(false, append([]string{":status", "200", "content-type", "application/grpc"}, more...)...)
}

// zeros returns n bytes of nothing, compressed.
func zeros(n int) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for ; n > 0; n -= 1 << 20 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	return out.Bytes()
}

var message = []byte{0, 0, 0, 0, 2, 'o', 'k'}

func TestHostile(t *testing.T) {
	tests := []struct {
		name   string
		answer func(f frames)
		want   codes.Code
	}{
		{"a proper answer", func(f frames) { f.start(); f.WriteData(1, false, message); f.headers(true, "grpc-status", "0") }, codes.OK},
		{"padding, a split prefix, 1xx and CONTINUATION are no mistakes", func(f frames) {
			f.headers(false, ":status", "103")
			b := block(":status", "200", "content-type", "application/grpc+proto")
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:3], PadLength: 9})
			f.WriteContinuation(1, false, nil)
			f.WriteContinuation(1, true, b[3:])
			f.WriteDataPadded(1, false, message[:2], make([]byte, 200))
			f.WriteData(1, false, message[2:])
			f.headers(true, "grpc-status", "0")
		}, codes.OK},
		{"Trailers-Only", func(f frames) {
			f.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "8")
		}, codes.ResourceExhausted},
		{"a smaller header table in the middle", func(f frames) {
			f.start()
			f.WriteData(1, false, message)
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true,
				BlockFragment: append([]byte{0x20}, block("grpc-status", "0")...)})
		}, codes.OK},
		{"OK without a message", func(f frames) { f.start(); f.headers(true, "grpc-status", "0") }, codes.Unimplemented},
		{"two messages", func(f frames) { f.start(); f.WriteData(1, false, append(message, message...)) }, codes.Unimplemented},
		{"half a message", func(f frames) { f.start(); f.WriteData(1, false, message[:6]); f.headers(true, "grpc-status", "0") }, codes.Internal},
		{"no trailers", func(f frames) { f.start(); f.WriteData(1, true, message) }, codes.Unknown},
		{"trailers without a status", func(f frames) { f.start(); f.WriteData(1, false, message); f.headers(true, "a", "b") }, codes.Unknown},
		{"a status that is no number", func(f frames) { f.start(); f.headers(true, "grpc-status", "fine") }, codes.Unknown},
		{"a status that gRPC does not have", func(f frames) { f.start(); f.headers(true, "grpc-status", "17") }, codes.Unknown},
		{"a compression flag of 2", func(f frames) { f.start(); f.WriteData(1, false, []byte{2, 0, 0, 0, 0}) }, codes.Internal},
		{"compressed without an encoding", func(f frames) { f.start(); f.WriteData(1, false, []byte{1, 0, 0, 0, 0}) }, codes.Internal},
		{"compressed, but not gzip", func(f frames) {
			f.start("grpc-encoding", "gzip")
			f.WriteData(1, false, append([]byte{1}, message[1:]...))
		}, codes.Internal},
		{"8 MiB within 8 kB of gzip, with a limit of 4", func(f frames) {
			f.start("grpc-encoding", "gzip")
			bomb := zeros(8 << 20)
			f.WriteData(1, false, append([]byte{1, 0, 0, byte(len(bomb) >> 8), byte(len(bomb))}, bomb...))
		}, codes.ResourceExhausted},
		{"an encoding that was not asked for", func(f frames) { f.start("grpc-encoding", "br") }, codes.Internal},
		{"4 GiB announced", func(f frames) { f.start(); f.WriteData(1, false, []byte{0, 255, 255, 255, 255}) }, codes.ResourceExhausted},
		{"HTTP 503 with a page", func(f frames) { f.headers(false, ":status", "503", "content-type", "text/html") }, codes.Unavailable},
		{"HTTP 404 without a body", func(f frames) { f.headers(true, ":status", "404") }, codes.Unimplemented},
		{"HTTP 200 with a page", func(f frames) { f.headers(false, ":status", "200", "content-type", "text/html") }, codes.Unknown},
		{"no :status", func(f frames) { f.headers(true, "grpc-status", "0") }, codes.Internal},
		{"DATA first", func(f frames) { f.WriteData(1, false, message) }, codes.Internal},
		{"headers twice", func(f frames) { f.start(); f.start() }, codes.Internal},
		{"REFUSED_STREAM", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, codes.Unavailable},
		{"CANCEL", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeCancel) }, codes.Canceled},
		{"ENHANCE_YOUR_CALM", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeEnhanceYourCalm) }, codes.ResourceExhausted},
		{"INADEQUATE_SECURITY", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeInadequateSecurity) }, codes.PermissionDenied},
		{"PROTOCOL_ERROR", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeProtocol) }, codes.Internal},
		{"a reset without a reason", func(f frames) { f.WriteRSTStream(1, http2.ErrCodeNo) }, codes.Internal},
		{"a window that overflows", func(f frames) { f.WriteWindowUpdate(1, 1<<31-1) }, codes.Internal},
		{"a connection's window that overflows", func(f frames) { f.WriteWindowUpdate(0, 1<<31-1) }, codes.Unavailable},
		{"GOAWAY that leaves the call out", func(f frames) { f.WriteGoAway(0, http2.ErrCodeNo, nil) }, codes.Unavailable},
		{"a stream that nobody opened", func(f frames) { f.WriteData(7, false, message) }, codes.Unavailable},
		{"a promise", func(f frames) { f.WriteRawFrame(http2.FramePushPromise, 4, 1, []byte{0, 0, 0, 2}) }, codes.Unavailable},
		{"an interrupted header block", func(f frames) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(":status", "200")})
			f.WriteData(1, false, message)
		}, codes.Unavailable},
		{"hpack that is none", func(f frames) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}, codes.Unavailable},
		{"endless CONTINUATION", func(f frames) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			for range 3000 {
				f.WriteContinuation(1, false, nil)
			}
		}, codes.Unavailable},
		{"a header list of 4 MB", func(f frames) {
			b := block("x", strings.Repeat("\x01", 12_000))
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b})
			for range 300 {
				f.WriteContinuation(1, false, b)
			}
		}, codes.Unavailable},
		{"a frame that is too long", func(f frames) { f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 20_000)) }, codes.Unavailable},
		{"padding longer than the frame", func(f frames) { f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 1}) }, codes.Unavailable},
		{"HTTP/1", func(f frames) { f.out.WriteString("HTTP/1.1 400 Bad Request\r\n\r\n") }, codes.Unavailable},
		{"silence", func(frames) {}, codes.DeadlineExceeded},
		{"PING without end", func(f frames) {
			for range 10_000 {
				f.WritePing(false, [8]byte{})
			}
		}, codes.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFrames()
				test.answer(f)
				got := call(t, hostile(t, f.out.Bytes(), false))
				if got.Status != test.want {
					t.Errorf("status %v %q, want %v", got.Status, got.Message, test.want)
				}
			})
		})
	}
}

// call makes a unary call with a deadline of a minute, and checks that it is
// kept.
func call(t *testing.T, w *wire.Transport) transport.Result {
	var res transport.Result
	w.Do(t.Context(), &transport.Request{Method: "/s/m", Messages: [][]byte{{1}}, Timeout: time.Minute}, &res)
	if took := res.Done.Sub(res.Start); took > time.Minute {
		t.Errorf("a call with a deadline of a minute took %v", took)
	}
	return res
}

// FuzzAnswer feeds any bytes to a call: it ends by its deadline, and what is
// counted as OK has its message.
func FuzzAnswer(f *testing.F) {
	good := newFrames()
	good.start("grpc-encoding", "gzip")
	good.WriteData(1, false, message)
	good.headers(true, "grpc-status", "0")
	f.Add(good.out.Bytes(), true)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, answer []byte, hangUp bool) {
		synctest.Test(t, func(t *testing.T) {
			res := call(t, hostile(t, answer, hangUp))
			if res.Status == codes.OK && res.Received != 1 {
				t.Errorf("OK with %d messages, want 1", res.Received)
			}
		})
	})
}
