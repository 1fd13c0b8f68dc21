package proxy_test

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"touchstone/server/proxy"
)

// everything is a plan with an action of each sort, by method.
const everything = `
- {match: {method: "*/a"}, inject: {status: ABORTED, after_messages: 1, with_headers: true}}
- {match: {method: "*/b"}, inject: {corrupt: payload, truncate: 3}}
- {match: {method: "*/c"}, inject: {blackhole: {after_bytes: 3}}}
- {match: {method: "*/d"}, inject: {bandwidth: 100, drop_trailers: true}}
- {match: {method: "*/e"}, inject: {goaway: [{last: max}, {last: below}], rst: CANCEL}}
- {match: {method: "*/f"}, inject: {half_open: {after_messages: 1}, informational: 103}}
- {match: {method: "*/g"}, inject: {status: ABORTED, after_requests: 2}}
- {match: {method: "*/h"}, inject: {delay: 1s, settings: {initial_window_size: 1, header_table_size: 0}, http: {status: 503, body: x}}}
- {match: {method: "*/i"}, inject: {close: {after_messages: 1}}}
`

// script records what a peer writes, as a seed.
func script(t testing.TB, write func(p *peer)) []byte {
	var out bytes.Buffer
	p := newPeer(t, nil)
	p.framer = http2.NewFramer(&out, nil)
	p.framer.AllowIllegalWrites = true
	write(p)
	return out.Bytes()
}

// FuzzClient lets a client send anything after its preface, to a proxy whose
// target echoes DATA: nothing panics, and everything ends with the client.
func FuzzClient(f *testing.F) {
	for _, method := range "abcdefghij" {
		f.Add(script(f, func(p *peer) {
			list := request()
			list[5] = "/s/" + string(method)
			p.headers(1, false, list...)
			p.must(p.framer.WriteData(1, false, append(message("one"), message("two")...)))
			p.must(p.framer.WriteWindowUpdate(1, 5))
			p.headers(3, true, request()...)
			p.must(p.framer.WriteDataPadded(1, true, message("three"), []byte{0}))
			p.must(p.framer.WritePing(false, [8]byte{1}))
		}))
	}
	f.Add(script(f, func(p *peer) {
		p.headers(1, false, request()...)
		p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}))
		p.must(p.framer.WriteData(1, false, message("one")))
		p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
		p.must(p.framer.WriteRSTStream(1, http2.ErrCodeCancel))
		p.must(p.framer.WriteSettingsAck())
		p.must(p.framer.WriteGoAway(1, http2.ErrCodeNo, nil))
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, proxy.Config{KeepRequest: 10}, everything)
			defer w.close()
			go func() {
				for {
					conn, err := w.back.Accept()
					if err != nil {
						return
					}
					go newPeer(t, conn).echo()
				}
			}()
			client := w.connect()
			client.write(http2.ClientPreface)
			_ = client.framer.WriteSettings()
			go func() {
				_, _ = client.conn.Write(data) // the proxy may hang up before its end
			}()
			go io.Copy(io.Discard, client.conn)
			synctest.Wait()
			time.Sleep(time.Minute) // whatever was delayed
			client.conn.Close()
			synctest.Wait()
			w.close()
			w.back.Close()
			checkEnds(t, w.seen())
		})
	})
}

// checkEnds wants every attempt to say how it ended.
func checkEnds(t *testing.T, attempts []proxy.Attempt) {
	t.Helper()
	for _, a := range attempts {
		if a.Ended == "" || a.How == "" || a.End.IsZero() {
			t.Errorf("attempt without end: %+v", a)
		}
	}
}

// echo is a target that sends back what it gets, with trailers at the end.
func (p *peer) echo() {
	defer p.conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(p.conn, preface); err != nil || p.framer.WriteSettings() != nil {
		return
	}
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			if _, ok := err.(http2.StreamError); ok {
				continue
			}
			return
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			err = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: p.encode(ok...), EndHeaders: true})
		case *http2.DataFrame:
			err = p.framer.WriteData(f.StreamID, false, f.Data())
		}
		if d, ok := f.(interface{ StreamEnded() bool }); ok && d.StreamEnded() && err == nil {
			err = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: f.Header().StreamID, BlockFragment: p.encode("grpc-status", "0"), EndHeaders: true, EndStream: true})
		}
		if err != nil {
			return
		}
	}
}

// FuzzTarget lets a target send anything after its SETTINGS, to a proxy whose
// client has calls of each sort under way.
func FuzzTarget(f *testing.F) {
	f.Add(script(f, func(p *peer) {
		for id := uint32(1); id < 12; id += 2 {
			p.answer(id, "hello")
		}
	}))
	f.Add(script(f, func(p *peer) {
		p.headers(1, false, ":status", "103")
		p.headers(1, true, append(append([]string{}, ok...), "grpc-status", "5")...)
		p.headers(3, false, ok...)
		p.must(p.framer.WriteDataPadded(3, true, append(message("a"), message("b")...), []byte{0, 0}))
		p.must(p.framer.WriteRSTStream(5, http2.ErrCodeInternal))
		p.must(p.framer.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil))
		p.must(p.framer.WriteGoAway(7, http2.ErrCodeNo, []byte("debug")))
	}))
	f.Add(script(f, func(p *peer) {
		p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2}))
		p.headers(1, false, ok...)
		p.must(p.framer.WriteWindowUpdate(1, 100))
		p.must(p.framer.WriteWindowUpdate(0, 100))
		p.must(p.framer.WritePing(false, [8]byte{}))
	}))
	calls := script(f, func(p *peer) {
		for i, method := range "jabcdfgi" {
			list := request()
			list[5] = "/s/" + string(method)
			p.headers(uint32(2*i+1), false, list...)
			p.must(p.framer.WriteData(uint32(2*i+1), i%2 == 0, message("one")))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, proxy.Config{}, everything)
			defer w.close()
			client := w.client()
			go func() {
				conn, err := w.back.Accept()
				if err != nil {
					return
				}
				go io.Copy(io.Discard, conn)
				target := newPeer(t, conn)
				_ = target.framer.WriteSettings()
				_, _ = conn.Write(data) // the proxy may hang up before its end
			}()
			go func() {
				_, _ = client.conn.Write(calls) // the proxy may hang up before its end
			}()
			go io.Copy(io.Discard, client.conn)
			synctest.Wait()
			time.Sleep(time.Minute)
			client.conn.Close()
			synctest.Wait()
			w.close()
			w.back.Close()
			checkEnds(t, w.seen())
		})
	})
}
