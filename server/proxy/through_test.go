package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"touchstone/server/proxy"
)

// fields reads the next header block.
func (p *peer) fields() []hpack.HeaderField {
	p.t.Helper()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Fatal(err)
		}
		if f, ok := f.(*http2.MetaHeadersFrame); ok {
			return f.Fields
		}
	}
}

// send sends a header list as it stands, with fields that are never indexed.
func (p *peer) send(id uint32, end bool, fields []hpack.HeaderField) {
	p.t.Helper()
	p.block.Reset()
	for _, f := range fields {
		p.must(p.hpack.WriteField(f))
	}
	p.must(p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block.Bytes(), EndStream: end, EndHeaders: true}))
}

// TestHeaderListsPassUnchanged compares header lists at both ends, field by
// field: order, duplicates, binary values in each of their forms, compression,
// deadlines, what must not be indexed.
func TestHeaderListsPassUnchanged(t *testing.T) {
	asked := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/a.b.C/Method"}, {Name: ":authority", Value: "example.com:1"},
		{Name: "content-type", Value: "application/grpc+proto"}, {Name: "te", Value: "trailers"},
		{Name: "grpc-timeout", Value: "4999999u"}, {Name: "grpc-encoding", Value: "gzip"}, {Name: "grpc-accept-encoding", Value: "identity,gzip"},
		{Name: "grpc-previous-rpc-attempts", Value: "2"}, {Name: "user-agent", Value: "grpc-c++/1.60 (linux)"},
		{Name: "x-twice", Value: "1"}, {Name: "x-raw-bin", Value: "AAEC/w"}, {Name: "x-twice", Value: "2"}, {Name: "x-raw-bin", Value: "AAEC/w=="},
		{Name: "x-empty", Value: ""}, {Name: "x-list-bin", Value: "AA,AQ"}, {Name: "x-spaces", Value: "a  b"},
		{Name: "authorization", Value: "Bearer secret", Sensitive: true}, {Name: "cookie", Value: "a=1"}, {Name: "cookie", Value: "b=2"},
		{Name: "x-long", Value: strings.Repeat("long ", 2000)},
	}
	headers := []hpack.HeaderField{
		{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}, {Name: "grpc-encoding", Value: "gzip"},
		{Name: "z", Value: "1"}, {Name: "a", Value: "2"}, {Name: "z", Value: "3"}, {Name: "set-cookie", Value: "s", Sensitive: true},
	}
	trailers := []hpack.HeaderField{
		{Name: "grpc-status", Value: "0"}, {Name: "grpc-message", Value: "100%25 %E8%AF%B4"}, {Name: "grpc-status-details-bin", Value: "CAU"},
		{Name: "x", Value: "1"}, {Name: "x", Value: ""},
	}
	ends := []hpack.HeaderField{{Name: "x-client-trailer", Value: "1"}, {Name: "x-client-trailer", Value: "0"}}
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		defer target.conn.Close()
		check := func(what string, got, want []hpack.HeaderField) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		for range 2 { // the second time from the tables of HPACK
			client.send(3, false, asked)
			check("request headers", target.fields(), asked)
			client.send(3, true, ends)
			check("request trailers", target.fields(), ends)
			target.send(3, false, headers)
			check("response headers", client.fields(), headers)
			target.send(3, true, trailers)
			check("response trailers", client.fields(), trailers)
			client.must(client.framer.WritePing(false, [8]byte{}))
			client.wants("ping true")
			client, target = w.both2(client, target)
		}
	})
}

// TestTablesOfAnySize changes the size of the tables of HPACK, on either side.
func TestTablesOfAnySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		defer target.conn.Close()
		id := uint32(3)
		for _, size := range []uint32{0, 4096, 100, 1 << 20, 50} {
			for _, p := range []*peer{client, target} {
				p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}))
			}
			synctest.Wait() // acknowledged
			for _, p := range []*peer{client, target} {
				p.framer.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(size)
			}
			for range 3 {
				alive(client, target, id, id)
				id += 2
			}
		}
	})
}

// TestWindowsOfAnySize changes the windows of a stream under way, below nothing
// and back.
func TestWindowsOfAnySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		defer target.conn.Close()
		setWindow := func(n uint32) {
			client.must(client.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: n}))
			synctest.Wait()
		}
		client.headers(3, true, request()...)
		target.wants("3 headers")
		target.headers(3, false, ok...)
		client.wants("3 headers")
		setWindow(10)
		target.must(target.framer.WriteData(3, false, make([]byte, 25)))
		client.wants("3 data 10")
		setWindow(0) // the stream's window is -10 now
		target.headers(3, true, "grpc-status", "0")
		client.must(client.framer.WriteWindowUpdate(3, 12))
		client.wants("3 data 2")
		client.headers(5, true, request()...)
		target.wants("5 headers")
		target.headers(5, false, ok...)
		target.must(target.framer.WriteData(5, true, nil)) // needs no window
		client.wants("5 headers", "5 data 0 end")
		setWindow(1 << 20)
		client.wants("3 data 13", "3 headers grpc-status=0 end")
	})
}

// TestManyFramesOfOneMessage sends a message byte by byte: it passes, in fewer
// frames.
func TestManyFramesOfOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{KeepRequest: 1000}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		client.headers(3, false, request()...)
		for _, b := range message("byte by byte") {
			client.must(client.framer.WriteDataPadded(3, false, []byte{b}, []byte{0, 0, 0}))
		}
		client.must(client.framer.WriteData(3, true, nil))
		for got := ""; !strings.HasSuffix(got, " end"); {
			if got = target.next(); got == "closed" {
				t.Fatal("the request did not end")
			}
		}
		target.answer(3, "ok")
		client.wants("3 headers", "3 data", "3 headers grpc-status=0 end")
		synctest.Wait()
		a := w.seen()[1]
		if a.Messages != 1 || a.Bytes != 17 || len(a.Request) != 1 || string(a.Request[0]) != "byte by byte" {
			t.Errorf("attempt = %+v", a)
		}
	})
}

// both2 makes a new pair of connections once a pair has been used.
func (w *wire) both2(client, target *peer) (*peer, *peer) {
	client.conn.Close()
	target.wants("closed")
	target.conn.Close()
	return w.both()
}
