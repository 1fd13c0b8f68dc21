package wire_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// A deadline is told to the target, and kept by a reset.
func TestDeadlineIsToldAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var timeout string
		var reset http2.ErrCode
		var after time.Duration
		w := scripted(t, wire.Config{}, nil, func(p *peer) {
			_, fields := p.request()
			start := time.Now()
			timeout = fields["grpc-timeout"]
			if f, ok := p.wait(http2.FrameRSTStream).(*http2.RSTStreamFrame); ok {
				reset, after = f.ErrCode, time.Since(start)
			}
			p.rest()
		})
		req := unary(1)
		req.Timeout = 1500 * time.Millisecond
		got := do(t, w, req)
		synctest.Wait()
		if got.Status != codes.DeadlineExceeded || timeout != "1500000u" || reset != http2.ErrCodeCancel || after != req.Timeout {
			t.Errorf("%v, grpc-timeout %q, reset %v after %v; want DeadlineExceeded, 1500000u, CANCEL after 1.5s", got.Status, timeout, reset, after)
		}
	})
}

// The target's windows are kept to, also when its SETTINGS change them under
// a call, below zero even.
func TestSendWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := false // without a window
		var lengths []int
		w := scripted(t, wire.Config{}, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 3}}, func(p *peer) {
			id, _ := p.request()
			lengths, _ = p.data(3)
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) // the window is -2
			p.WriteWindowUpdate(id, 2)                                                 // and 0
			quiet = p.quiet(time.Second)
			p.WriteWindowUpdate(id, 5)
			second, _ := p.data(5)
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
			third, _ := p.data(7)
			lengths = append(append(lengths, second...), third...)
			p.answer(id)
			p.rest()
		})
		if got := do(t, w, unary(10)); got.Status != codes.OK {
			t.Errorf("%v %q, want OK", got.Status, got.Message)
		}
		if want := []int{3, 5, 7}; !quiet || !slices.Equal(lengths, want) {
			t.Errorf("DATA of %v bytes, quiet %v; want %v", lengths, quiet, want)
		}
	})
}

// The connection's window binds too, and frames are as long as the target
// takes them.
func TestConnectionWindowAndFrameSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100_000
		var longest, before int
		settings := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1 << 20}, {ID: http2.SettingMaxFrameSize, Val: 20_000}}
		w := scripted(t, wire.Config{}, settings, func(p *peer) {
			id, _ := p.request()
			first, all := p.data(65535)
			before = len(all)
			p.WriteWindowUpdate(0, size)
			second, _ := p.data(size + 5 - before)
			longest = slices.Max(append(first, second...))
			p.answer(id)
			p.rest()
		})
		if got := do(t, w, unary(size)); got.Status != codes.OK || before != 65535 || longest != 20_000 {
			t.Errorf("%v, %d bytes in the first window, frames of up to %d; want OK, 65535, 20000", got.Status, before, longest)
		}
	})
}

// The limit on streams may change at any time; calls wait for it.
func TestStreamLimitChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var atOnce []int
		w := scripted(t, wire.Config{}, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(p *peer) {
			time.Sleep(time.Second)
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
			a, _ := p.request()
			b, _ := p.request()
			p.data(6)
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
			p.answer(a)
			if !p.quiet(time.Second) {
				return
			}
			atOnce = append(atOnce, int(a), int(b))
			p.answer(b)
			c, _ := p.request()
			atOnce = append(atOnce, int(c))
			p.answer(c)
			p.rest()
		})
		start := time.Now()
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				if got := do(t, w, unary(1)); got.Status != codes.OK {
					t.Errorf("%v %q, want OK", got.Status, got.Message)
				}
			})
		}
		calls.Wait()
		if took := time.Since(start); took != 2*time.Second || !slices.Equal(atOnce, []int{1, 3, 5}) {
			t.Errorf("streams %v in %v, want 1, 3, 5 in 2s", atOnce, took)
		}
	})
}

// A target that takes a smaller header table is told that we keep none, once.
func TestHeaderTableSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []byte
		w := scripted(t, wire.Config{}, []http2.Setting{{ID: http2.SettingHeaderTableSize, Val: 0}}, func(p *peer) {
			for range 2 {
				f, ok := p.wait(http2.FrameHeaders).(*http2.HeadersFrame)
				if !ok {
					return
				}
				starts = append(starts, f.HeaderBlockFragment()[0])
				p.answer(f.StreamID)
			}
			p.rest()
		})
		do(t, w, unary(1))
		do(t, w, unary(1))
		if want := []byte{0x20, 0x83}; !slices.Equal(starts, want) {
			t.Errorf("header blocks start with %x, want %x", starts, want)
		}
	})
}

// The answers to PING and SETTINGS carry what they must.
func TestReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pong [8]byte
		var ack, acks bool
		w := scripted(t, wire.Config{}, nil, func(p *peer) {
			id, _ := p.request()
			p.WritePing(false, [8]byte{1, 2, 3})
			p.WriteSettings()
			if f, ok := p.wait(http2.FramePing).(*http2.PingFrame); ok {
				pong, ack = f.Data, f.IsAck()
			}
			if f, ok := p.wait(http2.FrameSettings).(*http2.SettingsFrame); ok {
				acks = f.IsAck()
			}
			p.answer(id)
			p.rest()
		})
		do(t, w, unary(1))
		if pong != [8]byte{1, 2, 3} || !ack || !acks {
			t.Errorf("PING was answered with %v, ack %v; SETTINGS with ack %v", pong, ack, acks)
		}
	})
}

// A target that makes us answer and never reads the answers is hung up on.
func TestFloodOfReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch = 1000
		pings := newFrames()
		for range batch {
			pings.WritePing(false, [8]byte{})
		}
		written := 0
		w := scripted(t, wire.Config{}, nil, func(p *peer) {
			p.request()
			for err := error(nil); err == nil; written += batch {
				_, err = p.conn.Write(pings.out.Bytes())
			}
		})
		got := do(t, w, unary(1))
		synctest.Wait()
		if got.Status != codes.Unavailable || written > 1_000_000 {
			t.Errorf("%v after %d PINGs, want Unavailable before a million", got.Status, written)
		}
	})
}

// Requests with messages that are compressed say so.
func TestCompressedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{})
		big := encode(t, string(make([]byte, 100_000)))
		req := &transport.Request{Method: service + "SayHello", Messages: big, Compression: "gzip"}
		if got, want := do(t, w, req), (outcome{codes.OK, "", 1, 1, len(big[0])}); got != want {
			t.Errorf("Do = %+v, want %+v", got, want)
		}
	})
}

// Header lists longer than the target takes them are not sent.
func TestHeaderListSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: 600}}
		w := scripted(t, wire.Config{}, limit, func(p *peer) {
			p.answer(first(p.request()))
			p.rest()
		})
		for name, want := range map[string]codes.Code{"a": codes.OK, string(bytes.Repeat([]byte("a"), 300)): codes.Internal} {
			req := unary(1)
			req.Metadata = metadata.Pairs(name, "b")
			if got := do(t, w, req); got.Status != want {
				t.Errorf("a field with a name of %d bytes: %v %q, want %v", len(name), got.Status, got.Message, want)
			}
		}
	})
}

// A call that takes turns waits for an answer before each message, and before
// it half-closes.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var early int
		var ends bool
		w := scripted(t, wire.Config{}, nil, func(p *peer) {
			id, _ := p.request()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true,
				BlockFragment: block(":status", "200", "content-type", "application/grpc")})
			for range 2 {
				p.data(6)
				if !p.quiet(time.Second) {
					early++
				}
				_ = p.WriteData(id, false, message)
			}
			if f, ok := p.wait(http2.FrameData).(*http2.DataFrame); ok {
				ends = f.StreamEnded() && len(f.Data()) == 0
			}
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
			p.rest()
		})
		req := &transport.Request{Method: "/s/m", Kind: transport.BidiStream, Messages: [][]byte{{1}, {2}}, Turns: true}
		if got, want := do(t, w, req), (outcome{codes.OK, "", 2, 2, 4}); got != want || early > 0 || !ends {
			t.Errorf("%+v, %d messages before their turn, half-closed %v; want %+v, 0, true", got, early, ends, want)
		}
	})
}

// A target that answers before it has the whole request is told that it need
// not wait for the rest.
func TestEarlyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := http2.ErrCode(99)
		w := scripted(t, wire.Config{}, nil, func(p *peer) {
			p.answer(first(p.request()))
			if f, ok := p.wait(http2.FrameRSTStream).(*http2.RSTStreamFrame); ok {
				reset = f.ErrCode
			}
			p.rest()
		})
		req := &transport.Request{Method: "/s/m", Kind: transport.ClientStream, Messages: [][]byte{{1}, {2}}, Interval: time.Second}
		got := do(t, w, req)
		synctest.Wait()
		if got.Status != codes.OK || got.Sent != 1 || reset != http2.ErrCodeNo {
			t.Errorf("%v, %d messages sent, reset %v; want OK, 1, NO_ERROR", got.Status, got.Sent, reset)
		}
	})
}

// A grpc-timeout has eight digits at most, and is never too short.
func TestTimeoutIsRoundedUp(t *testing.T) {
	for timeout, want := range map[time.Duration]string{
		1: "1n", 99_999_999: "99999999n", 100_000_001: "100001u", 100 * time.Second: "100000m",
		100*time.Second + 1: "100001m", 100_000 * time.Second: "100000S", 30_000 * time.Hour: "1800000M",
		2_000_000 * time.Hour: "2000000H",
	} {
		synctest.Test(t, func(t *testing.T) {
			var got string
			w := scripted(t, wire.Config{}, nil, func(p *peer) {
				id, fields := p.request()
				got = fields["grpc-timeout"]
				p.answer(id)
				p.rest()
			})
			req := unary(1)
			req.Timeout = timeout
			do(t, w, req)
			if got != want {
				t.Errorf("grpc-timeout of %v: %q, want %q", timeout, got, want)
			}
		})
	}
}
