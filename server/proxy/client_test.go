package proxy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"touchstone/server/proxy"
)

// TestClientsThatBreakTheConnection has clients that the proxy has to leave:
// what it tells them, and that nothing of them stays.
func TestClientsThatBreakTheConnection(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *peer)
		want string
	}{
		{"HTTP/1", func(c *peer) { c.write("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n") }, "closed"},
		{"nothing, until the proxy loses patience", func(*peer) {}, "closed"},
		{"half a preface", func(c *peer) { c.write(http2.ClientPreface[:10]) }, "closed"},
		{"no SETTINGS first", func(c *peer) {
			c.write(http2.ClientPreface)
			c.must(c.framer.WritePing(false, [8]byte{}))
		}, "goaway 0 PROTOCOL_ERROR"},
		{"DATA on a stream that was never opened", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteData(7, true, []byte("x")))
		}, "goaway 0 PROTOCOL_ERROR"},
		{"RST_STREAM likewise", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteRSTStream(7, http2.ErrCodeCancel))
		}, "goaway 0 PROTOCOL_ERROR"},
		{"WINDOW_UPDATE likewise", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteWindowUpdate(7, 1))
		}, "goaway 0 PROTOCOL_ERROR"},
		{"the id of a server", func(c *peer) {
			c.greet(true)
			c.headers(2, true, request()...)
		}, "goaway 0 PROTOCOL_ERROR"},
		{"PUSH_PROMISE", func(c *peer) {
			c.greet(true)
			c.headers(1, false, request()...)
			c.must(c.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: c.encode(request()...), EndHeaders: true}))
		}, "goaway 1 PROTOCOL_ERROR"},
		{"a frame that is too long", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 16<<10+1)))
		}, "goaway 0 FRAME_SIZE_ERROR"},
		{"a header block that cannot be decoded", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true}))
		}, "goaway 0 COMPRESSION_ERROR"},
		{"a window of more than 2^31-1", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteWindowUpdate(0, 1<<31-1))
		}, "goaway 0 FLOW_CONTROL_ERROR"},
		{"an initial window of more than that", func(c *peer) {
			c.greet(true, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, "goaway 0 FLOW_CONTROL_ERROR"},
		{"a maximum frame size that is not allowed", func(c *peer) {
			c.greet(true, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1})
		}, "goaway 0 PROTOCOL_ERROR"},
		{"HEADERS that another frame interrupts", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.encode(request()...)}))
			c.must(c.framer.WritePing(false, [8]byte{}))
		}, "goaway 0 PROTOCOL_ERROR"},
		{"CONTINUATION without end", func(c *peer) {
			c.greet(true)
			c.must(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.encode(request()...)}))
			for range 1000 { // 16 MB
				if c.framer.WriteContinuation(1, false, c.encode("x", strings.Repeat("\x01", 16000))) != nil {
					break
				}
			}
		}, "goaway 0 PROTOCOL_ERROR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, proxy.Config{}, "")
				defer w.close()
				c := w.connect()
				defer c.conn.Close()
				go test.do(c)
				c.wants(test.want)
				if test.want != "closed" {
					c.wants("closed")
				}
				if d := time.Since(bubbleStart); d > 10*time.Second {
					t.Errorf("took %v, want 10s at most", d)
				}
			})
		})
	}
}

// bubbleStart is the time at which every bubble of synctest begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestStreamsThatClientsBreak has mistakes of one stream: it ends, and the
// connection goes on.
func TestStreamsThatClientsBreak(t *testing.T) {
	long := strings.Repeat("v", 1<<20)
	tests := []struct {
		name string
		do   func(c *peer) // with stream 3
		want []string      // frames that the client sees
	}{
		{"an upper-case name", func(c *peer) { c.headers(3, true, request("X-Bad", "1")...) }, []string{"3 rst PROTOCOL_ERROR"}},
		{"no :path", func(c *peer) { c.headers(3, true, ":method", "POST") }, []string{"3 rst PROTOCOL_ERROR"}},
		{"a pseudo-header field in trailers", func(c *peer) {
			c.headers(3, false, request()...)
			c.headers(3, true, ":method", "POST")
		}, []string{"3 rst PROTOCOL_ERROR"}},
		{"HEADERS in the middle of a request", func(c *peer) {
			c.headers(3, false, request()...)
			c.headers(3, false, "x-more", "1")
		}, []string{"3 rst PROTOCOL_ERROR"}},
		{"HEADERS after the end", func(c *peer) {
			c.headers(3, true, request()...)
			c.headers(3, true, "x-more", "1")
		}, []string{"3 rst STREAM_CLOSED"}},
		{"an empty WINDOW_UPDATE", func(c *peer) {
			c.headers(3, true, request()...)
			c.must(c.framer.WriteWindowUpdate(3, 0))
		}, []string{"3 rst PROTOCOL_ERROR"}},
		{"a stream's window of more than 2^31-1", func(c *peer) {
			c.headers(3, true, request()...)
			c.must(c.framer.WriteWindowUpdate(3, 1<<31-1))
		}, []string{"3 rst FLOW_CONTROL_ERROR"}},
		{"more DATA than the window takes", func(c *peer) {
			c.headers(3, false, request()...)
			for range 5 { // the window is 64 KiB, and the target gives no more
				c.must(c.framer.WriteData(3, false, make([]byte, 16<<10)))
			}
		}, []string{"3 rst FLOW_CONTROL_ERROR"}},
		{"headers of 1 MiB: a status that says so", func(c *peer) { c.headers(3, true, request("x-long", long)...) },
			[]string{"3 headers :status=200 content-type=application/grpc grpc-status=8 grpc-message=the proxy takes request headers of up to 1024 KiB end"}},
		{"the same, and the request goes on", func(c *peer) {
			c.headers(3, false, request("x-long", long)...)
			c.must(c.framer.WriteData(3, false, message("x")))
		}, []string{"3 headers :status=200", "3 rst NO_ERROR"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, proxy.Config{}, "")
				defer w.close()
				client, target := w.both(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
				defer client.conn.Close()
				go target.serve()
				test.do(client)
				client.wants(test.want...)
				client.headers(5, true, request("x-answer", "1")...)
				client.wants("5 headers :status=200", "5 data 7", "5 headers grpc-status=0 end")
				synctest.Wait()
				a := w.seen()
				if test.name == "an upper-case name" { // nothing that could be described
					a = append(a, proxy.Attempt{Stream: 3, Ended: proxy.ByClient, How: "-"})
				}
				if !slices.ContainsFunc(a, func(a proxy.Attempt) bool { return a.Stream == 3 && a.Ended != "" && a.How != "" }) {
					t.Errorf("attempts = %+v, want one of stream 3", a)
				}
			})
		})
	}
}

// TestAttemptIsReportedWhenItsEndIsWritten has clients that go on while the
// proxy still writes its fault: the attempt must not be reported without it.
func TestAttemptIsReportedWhenItsEndIsWritten(t *testing.T) {
	tests := map[string]func(client *peer){
		"the rest of the request": func(c *peer) { c.must(c.framer.WriteData(1, true, message("late"))) },
		"a reset":                 func(c *peer) { c.must(c.framer.WriteRSTStream(1, http2.ErrCodeCancel)) },
	}
	for name, then := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newNarrowWire(t, 64, proxy.Config{}, "- inject: {status: UNAVAILABLE, message: "+strings.Repeat("long", 100)+"}")
				defer w.close()
				client := w.client()
				client.must(client.framer.WritePing(false, [8]byte{}))
				client.wants("ping true")
				client.headers(1, false, request()...)
				synctest.Wait() // the proxy is writing, and the client does not read
				then(client)
				synctest.Wait()
				if seen := w.seen(); len(seen) > 0 {
					t.Fatalf("reported before its end was written: %+v", seen)
				}
				client.wants("1 headers :status=200")
				synctest.Wait()
				seen := w.seen()
				if len(seen) != 1 || seen[0].Fault.IsZero() || seen[0].Ended != proxy.ByFault || seen[0].GRPCStatus != "14" {
					t.Errorf("attempts = %+v, want one that a fault ended, with its time", seen)
				}
				client.conn.Close()
			})
		})
	}
}
