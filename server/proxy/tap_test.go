package proxy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"touchstone/server/proxy"
)

// told collects what a tap tells, a line each.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) add(t proxy.Tap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%d %s", t.Stream, t.Kind)
	for _, h := range t.Header {
		if !strings.HasPrefix(h.Name, ":") || h.Name == ":path" {
			line += " " + h.Name + "=" + h.Value
		}
	}
	if t.Message != nil {
		line += fmt.Sprintf(" %q %v", t.Message, t.Compressed)
	}
	if t.Ended != "" {
		line += fmt.Sprintf(" by %s: %s", t.Ended, t.How)
	}
	l.lines = append(l.lines, line)
}

// TestTap has calls that end in each of the ways there are, with messages cut
// into frames anywhere.
func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got told
		w := newWire(t, proxy.Config{Tap: got.add}, "")
		client, target := w.both()
		synctest.Wait()
		got.lines = nil // of the call that both made
		open := func(id uint32) {
			client.headers(id, false, request("x", "1")...)
			target.fields()
		}
		head := []string{":status", "200", "content-type", "application/grpc"}

		open(3)
		compressed := append([]byte{1}, message("hello")[1:]...)
		for _, b := range append(compressed, message("")...) {
			client.must(client.framer.WriteData(3, false, []byte{b}))
		}
		client.must(client.framer.WriteData(3, true, nil))
		synctest.Wait() // else the answer may be read before the question
		target.headers(3, false, head...)
		target.must(target.framer.WriteData(3, false, append(message("a"), message("bc")...)))
		target.headers(3, true, "grpc-status", "0", "x-t", "2")
		synctest.Wait()

		open(5)
		target.headers(5, true, append(head, "grpc-status", "5")...) // Trailers-Only
		synctest.Wait()
		client.must(client.framer.WriteRSTStream(5, http2.ErrCodeCancel))

		open(7)
		client.must(client.framer.WriteRSTStream(7, http2.ErrCodeCancel))
		synctest.Wait()

		open(9)
		target.must(target.framer.WriteRSTStream(9, http2.ErrCodeRefusedStream))
		synctest.Wait()

		open(11)
		target.conn.Close()
		synctest.Wait()
		client.conn.Close()
		w.close()

		want := []string{
			"3 start :path=/HelloService/SayHello content-type=application/grpc te=trailers x=1",
			`3 send "hello" true`, `3 send "" false`, "3 half-close",
			"3 headers content-type=application/grpc", `3 recv "a" false`, `3 recv "bc" false`, "3 end grpc-status=0 x-t=2",
			"5 start :path=/HelloService/SayHello content-type=application/grpc te=trailers x=1",
			"5 end content-type=application/grpc grpc-status=5",
			"7 start :path=/HelloService/SayHello content-type=application/grpc te=trailers x=1",
			"7 cancel", "7 end by client: rst CANCEL",
			"9 start :path=/HelloService/SayHello content-type=application/grpc te=trailers x=1",
			"9 end by target: rst REFUSED_STREAM",
			"11 start :path=/HelloService/SayHello content-type=application/grpc te=trailers x=1",
			"11 end by connection: close",
		}
		if diff := cmp.Diff(want, got.lines); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
