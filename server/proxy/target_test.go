package proxy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"touchstone/server/proxy"
)

// ok are the response headers of a call that goes well.
var ok = []string{":status", "200", "content-type", "application/grpc"}

// TestTargets has a target that does all sorts of things with stream 3, of
// which the client has sent headers and one message: what the client sees of
// it.
func TestTargets(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *peer)
		want []string // ends with "closed" where the client's connection ends
		how  string   // of the attempt
	}{
		{"DATA before HEADERS", func(p *peer) { p.must(p.framer.WriteData(3, false, message("x"))) },
			[]string{"3 rst PROTOCOL_ERROR"}, "broken: PROTOCOL_ERROR"},
		{"headers without a status", func(p *peer) { p.headers(3, false, "content-type", "application/grpc") },
			[]string{"3 rst PROTOCOL_ERROR"}, "broken: PROTOCOL_ERROR"},
		{"headers twice", func(p *peer) {
			p.headers(3, false, ok...)
			p.headers(3, false, ok...)
		}, []string{"... 3 rst PROTOCOL_ERROR"}, "broken: PROTOCOL_ERROR"},
		{"a status in trailers", func(p *peer) {
			p.headers(3, false, ok...)
			p.headers(3, true, ok...)
		}, []string{"... 3 rst PROTOCOL_ERROR"}, "broken: PROTOCOL_ERROR"},
		{"an informational end", func(p *peer) { p.headers(3, true, ":status", "103") },
			[]string{"3 rst PROTOCOL_ERROR"}, "broken: PROTOCOL_ERROR"},
		{"more DATA than the window takes", func(p *peer) {
			p.headers(3, false, ok...)
			for range 9 { // 64 KiB here, and what the client takes before
				p.must(p.framer.WriteData(3, false, make([]byte, 16<<10)))
			}
		}, []string{"... 3 rst FLOW_CONTROL_ERROR"}, "broken: FLOW_CONTROL_ERROR"},
		{"response headers of more than 1 MiB", func(p *peer) { p.headers(3, false, append(slices.Clone(ok), "x", strings.Repeat("x", 1<<20))...) },
			[]string{"3 headers :status=200 content-type=application/grpc grpc-status=8", "3 rst NO_ERROR"}, "broken: header list too large"},

		{"informational responses first", func(p *peer) {
			p.headers(3, false, ":status", "103", "link", "x")
			p.headers(3, false, ":status", "102")
			p.answer(3, "x")
		}, []string{"3 headers :status=103 link=x", "3 headers :status=102", "3 headers :status=200", "3 data 6", "3 headers grpc-status=0 end"}, "trailers"},
		{"a Trailers-Only response", func(p *peer) {
			p.headers(3, true, append(slices.Clone(ok), "grpc-status", "5", "x-b", "2", "x-a", "1")...)
		},
			[]string{"3 headers :status=200 content-type=application/grpc grpc-status=5 x-b=2 x-a=1 end"}, "trailers-only"},
		{"a response before the request's end, and a reset", func(p *peer) {
			p.answer(3, "x")
			p.must(p.framer.WriteRSTStream(3, http2.ErrCodeNo))
		}, []string{"3 headers :status=200", "3 data 6", "3 headers grpc-status=0 end", "3 rst NO_ERROR"}, "trailers"},
		{"the end on DATA", func(p *peer) {
			p.headers(3, false, ok...)
			p.must(p.framer.WriteData(3, true, message("x")))
		}, []string{"3 headers :status=200", "3 data 6 end"}, "no trailers"},
		{"padding, which is not passed on", func(p *peer) {
			p.headers(3, false, ok...)
			p.must(p.framer.WriteDataPadded(3, false, message("x"), make([]byte, 200)))
			p.headers(3, true, "grpc-status", "0")
		}, []string{"3 headers :status=200", "3 data 6", "3 headers grpc-status=0 end"}, "trailers"},
		{"a reset", func(p *peer) { p.must(p.framer.WriteRSTStream(3, http2.ErrCodeEnhanceYourCalm)) },
			[]string{"3 rst ENHANCE_YOUR_CALM"}, "rst ENHANCE_YOUR_CALM"},
		{"GOAWAY below", func(p *peer) { p.must(p.framer.WriteGoAway(1, http2.ErrCodeNo, []byte("why"))) },
			[]string{"goaway 3 NO_ERROR", "3 rst REFUSED_STREAM"}, "goaway"},
		{"GOAWAY in two steps, and the answer", func(p *peer) {
			p.must(p.framer.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil))
			p.must(p.framer.WriteGoAway(3, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings")))
			p.answer(3, "x")
		}, []string{"goaway 2147483647 NO_ERROR", "goaway 3 ENHANCE_YOUR_CALM", "3 headers :status=200", "3 data 6", "3 headers grpc-status=0 end"}, "trailers"},
		{"the answer, and nobody there any more", func(p *peer) {
			p.answer(3, "x")
			p.conn.Close()
		}, []string{"+goaway 3 NO_ERROR", "3 headers :status=200", "3 data 6", "3 headers grpc-status=0 end", "3 rst NO_ERROR", "closed"}, "trailers"},
		{"half an answer, and nobody there any more", func(p *peer) {
			p.headers(3, false, ok...)
			p.must(p.framer.WriteData(3, false, message("half")))
			p.conn.Close()
		}, []string{"+goaway 3 NO_ERROR", "3 headers :status=200", "3 data 9", "closed"}, "close"},
		{"HTTP/1", func(p *peer) { p.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") }, []string{"goaway 3 NO_ERROR", "closed"}, "close"},
		{"PUSH_PROMISE", func(p *peer) {
			p.must(p.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 3, PromiseID: 2, BlockFragment: p.encode(request()...), EndHeaders: true}))
		}, []string{"goaway 3 NO_ERROR", "closed"}, "close"},
		{"a stream that the proxy never opened", func(p *peer) { p.headers(99, false, ok...) }, []string{"goaway 3 NO_ERROR", "closed"}, "close"},
		{"a stream of its own", func(p *peer) { p.headers(2, false, ok...) }, []string{"goaway 3 NO_ERROR", "closed"}, "close"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, proxy.Config{}, "")
				defer w.close()
				client, target := w.both()
				defer client.conn.Close()
				defer target.conn.Close()
				client.headers(3, false, request()...)
				client.must(client.framer.WriteData(3, false, message("x")))
				target.wants("3 headers", "3 data 6")
				test.do(target)
				synctest.Wait()
				client.wants(test.want...)
				synctest.Wait()
				a := w.seen()
				if len(a) != 2 || a[1].How != test.how {
					t.Errorf("attempts = %+v, want %q", a[1:], test.how)
				}
			})
		})
	}
}

// TestTargetThatSaysNothing has a target that takes connections and says
// nothing, not even SETTINGS: calls reach it, and end as their clients like.
func TestTargetThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client := w.client()
		defer client.conn.Close()
		client.call(1, "x")
		target := w.accept()
		target.wants("1 headers", "1 data 6 end")
		client.must(client.framer.WriteRSTStream(1, http2.ErrCodeCancel))
		target.wants("1 rst CANCEL")
	})
}

// TestCancelAfterTheRequest cancels a call whose request is complete: the
// target is told, whatever it has answered so far.
func TestCancelAfterTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		defer target.conn.Close()
		client.call(3, "x")
		target.wants("3 headers", "3 data 6 end")
		target.headers(3, false, ok...)
		client.wants("3 headers")
		client.must(client.framer.WriteRSTStream(3, http2.ErrCodeCancel))
		target.wants("3 rst CANCEL")
		alive(client, target, 5, 5)
	})
}

// TestStreamsBeyondWhatTheTargetTakes has more calls under way than the target
// allows: they wait at the proxy, and the client is told the limit.
func TestStreamsBeyondWhatTheTargetTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
		defer client.conn.Close()
		defer target.conn.Close()
		for id := uint32(3); id <= 11; id += 2 {
			client.headers(id, true, request()...)
		}
		target.wants("3 headers", "5 headers")
		synctest.Wait()
		client.must(client.framer.WriteRSTStream(7, http2.ErrCodeCancel)) // while it waits: never seen
		synctest.Wait()
		target.answer(5, "x") // makes room for 9
		target.wants("7 headers")
		client.wants("5 headers", "5 data", "5 headers grpc-status=0 end")
		client.must(client.framer.WriteRSTStream(3, http2.ErrCodeCancel)) // makes room for 11
		target.wants("3 rst CANCEL", "9 headers")
		target.must(target.framer.WriteRSTStream(9, http2.ErrCodeCancel)) // room, and nobody waits
		client.wants("11 rst CANCEL")
		target.answer(7, "x")
		client.wants("9 headers", "9 data", "9 headers grpc-status=0 end")
		alive(client, target, 13, 11)
	})
}
