package proxy_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"touchstone/server/proxy"
)

// liveHeap returns the bytes that are reachable.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFloodsThatArePaidFor has peers that read what they make the proxy
// answer: all is answered, and nothing of it stays.
func TestFloodsThatArePaidFor(t *testing.T) {
	const n = 20_000
	tests := []struct {
		name  string
		frame func(p *peer, i uint32)
		seen  string // what the client counts
	}{
		{"PING", func(p *peer, _ uint32) { p.must(p.framer.WritePing(false, [8]byte{})) }, "true"},
		{"SETTINGS", func(p *peer, i uint32) {
			p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000 + i}))
		}, "true"},
		{"PRIORITY", func(p *peer, i uint32) { p.must(p.framer.WritePriority(i*2+3, http2.PriorityParam{StreamDep: 1})) }, ""},
		{"empty DATA", func(p *peer, i uint32) {
			if i == 0 {
				p.headers(3, false, request()...)
			}
			p.must(p.framer.WriteData(3, false, nil))
		}, ""},
		{"frames of a type that nobody knows", func(p *peer, _ uint32) { p.must(p.framer.WriteRawFrame(99, 0, 0, make([]byte, 100))) }, ""},
		{"WINDOW_UPDATE", func(p *peer, _ uint32) { p.must(p.framer.WriteWindowUpdate(0, 1)) }, ""},
		{"reset after reset", func(p *peer, i uint32) {
			p.headers(i*2+3, false, request()...)
			p.must(p.framer.WriteRSTStream(i*2+3, http2.ErrCodeCancel))
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, proxy.Config{}, "")
				defer w.close()
				client, target := w.both()
				go target.serve()
				seen := make(chan map[string]int)
				go func() { seen <- client.drain() }()
				synctest.Wait()
				before := liveHeap()
				for i := range uint32(n) {
					test.frame(client, i)
				}
				synctest.Wait()
				attempts := len(w.seen())
				w.mu.Lock()
				w.attempts = nil
				w.mu.Unlock()
				if grown := liveHeap() - before; grown > 4<<20 {
					t.Errorf("%d bytes stay", grown)
				}
				if strings.HasPrefix(test.name, "reset") && attempts != n+1 {
					t.Errorf("%d attempts, want %d", attempts, n+1)
				}
				client.headers(2*n+5, true, request("x-answer", "1")...)
				synctest.Wait()
				client.conn.Close()
				got := <-seen
				if got["headers"] != 2 || got["data"] != 1 {
					t.Errorf("the call after it: %v", got)
				}
				if test.seen != "" && got[test.seen] < n {
					t.Errorf("frames seen = %v, want %d answers", got, n)
				}
			})
		})
	}
}

// TestFloodsWithoutReading has peers that make the proxy answer and do not
// read the answers: at some point nothing more is taken from them.
func TestFloodsWithoutReading(t *testing.T) {
	tests := []struct {
		name  string
		end   string
		frame func(p *peer, i uint32) error
	}{
		{"PING", "client", func(p *peer, _ uint32) error { return p.framer.WritePing(false, [8]byte{}) }},
		{"PING", "target", func(p *peer, _ uint32) error { return p.framer.WritePing(false, [8]byte{}) }},
		{"SETTINGS", "client", func(p *peer, _ uint32) error { return p.framer.WriteSettings() }},
		{"SETTINGS", "target", func(p *peer, _ uint32) error {
			return p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		}},
		{"refused streams", "client", func(p *peer, i uint32) error {
			block := p.encode("X-UPPER", "case")
			return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: i*2 + 3, BlockFragment: block, EndHeaders: true})
		}},
	}
	for _, test := range tests {
		t.Run(test.name+" of a "+test.end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, proxy.Config{}, "")
				defer w.close()
				client, target := w.both()
				flooder, other := client, target
				if test.end == "target" {
					flooder, other = target, client
				}
				go other.drain()
				before := liveHeap()
				count := uint32(0)
				done := make(chan struct{})
				go func() {
					defer close(done)
					for ; count < 1_000_000 && test.frame(flooder, count) == nil; count++ {
					}
				}()
				synctest.Wait()
				if grown := liveHeap() - before; grown > 4<<20 {
					t.Errorf("%d bytes are held", grown)
				}
				client.conn.Close()
				target.conn.Close()
				<-done
				if count == 1_000_000 {
					t.Errorf("a million frames were taken")
				}
			})
		})
	}
}

// TestRapidResetOfATargetThatDoesNotRead resets streams that could not be
// passed on: they leave nothing behind, neither here nor there.
func TestRapidResetOfATargetThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer target.conn.Close()
		go client.drain()
		open := func(from, n uint32) {
			for i := range n {
				client.headers(from+2*i, false, request("x-filler", strings.Repeat("f", 1000))...)
				client.must(client.framer.WriteRSTStream(from+2*i, http2.ErrCodeCancel))
			}
			synctest.Wait()
			w.mu.Lock()
			w.attempts = nil
			w.mu.Unlock()
		}
		open(3, 2000) // fills what lies between proxy and target
		before := liveHeap()
		open(5003, 20_000)
		if grown := liveHeap() - before; grown > 4<<20 {
			t.Errorf("%d bytes stay", grown)
		}
		client.conn.Close()
	})
}

// TestHeaderBombs opens streams whose header lists are small on the wire and
// large when decoded. What the session holds of them is bounded.
func TestHeaderBombs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer target.conn.Close()
		refused := make(chan int)
		go func() { refused <- client.drain()["headers"] }()
		bomb := request()
		for range 200 {
			bomb = append(bomb, "x-bomb", strings.Repeat("b", 3000)) // indexed: one byte each
		}
		for i := range uint32(1000) { // 600 MB in all, if they were kept
			client.headers(3+2*i, false, bomb...)
		}
		synctest.Wait()
		client.conn.Close()
		if n := <-refused; n < 500 {
			t.Errorf("%d of 1000 streams were refused", n)
		}
	})
}
