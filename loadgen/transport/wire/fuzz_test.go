package wire_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// pieces are what a hostile target of FuzzFrames makes its frames of: a byte
// of the input picks one.
var pieces = [][]byte{
	nil,
	message,
	message[:3],
	message[3:],
	{1, 0, 0, 0, 9},
	{0, 255, 255, 255, 255},
	block(":status", "200", "content-type", "application/grpc"),
	block(":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip"),
	block(":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "%41%"),
	block(":status", "103"),
	block(":status", "503"),
	block("grpc-status", "0"),
	block("grpc-status", "7", "grpc-status-details-bin", "CAcSAnh4"),
	{0x88, 0x20, 0xbe},
	{0, 0, 0, 0}, {0, 0, 0, 8}, {127, 255, 255, 255},
	{0, 0, 0, 1, 0, 0, 0, 11}, {0, 0, 0, 0, 0, 0, 0, 0},
	{0, 1, 0, 0, 0, 0}, {0, 3, 0, 0, 0, 0}, {0, 4, 0, 0, 0, 0}, {0, 4, 127, 255, 255, 255}, {0, 5, 0, 0, 64, 0}, {0, 6, 0, 0, 0, 1},
	make([]byte, 16<<10),
}

// framesOf makes frames of a fuzzer's input: kind, flags, stream and piece of
// each are a byte.
func framesOf(input []byte) []byte {
	f := newFrames()
	for ; len(input) >= 4 && f.out.Len() < 1<<20; input = input[4:] {
		f.WriteRawFrame(http2.FrameType(input[0]%11), http2.Flags(input[1]), uint32(input[2]%16), pieces[int(input[3])%len(pieces)])
	}
	return f.out.Bytes()
}

// FuzzFrames has a target send any sequence of frames to calls of all kinds
// and a stream on one connection. All of them end, once, by their deadline;
// what is OK has the messages that its kind asks for.
func FuzzFrames(f *testing.F) {
	const headers, data, end = 1, 0, 5
	f.Add([]byte{headers, 4, 1, 6, data, 0, 1, 1, headers, end, 1, 11})
	f.Add([]byte{headers, 4, 3, 7, data, 0, 3, 4, 7, 0, 0, 17, headers, 0, 5, 6, 9, 4, 5, 0})
	f.Add([]byte{4, 0, 0, 21, 8, 0, 0, 16, 3, 0, 1, 15, 4, 0, 0, 20, headers, end, 9, 8})
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) { survive(t, framesOf(input)) })
	})
}

func survive(t *testing.T, answer []byte) {
	w := scripted(t, wire.Config{MaxMessage: 1 << 20}, nil, func(p *peer) {
		go func() { _, _ = io.Copy(io.Discard, p.conn) }()
		time.Sleep(time.Second) // all calls are there
		_, _ = p.conn.Write(answer)
		time.Sleep(time.Hour)
	})
	reqs := []*transport.Request{
		{Messages: [][]byte{{1}}},
		{Kind: transport.ServerStream, Messages: [][]byte{{1}}},
		{Kind: transport.ClientStream, Messages: [][]byte{{1}, make([]byte, 100_000)}},
		{Kind: transport.BidiStream, Messages: [][]byte{{1}, {2}, {3}}, Turns: true, Interval: time.Millisecond},
	}
	results, ended := make([]transport.Result, len(reqs)), make([]int, len(reqs))
	for i, req := range reqs {
		req.Method, req.Timeout = "/s/m", time.Minute
		w.Start(t.Context(), req, &results[i], endedFunc(func() { ended[i]++ }))
	}
	s := w.Open(t.Context(), &transport.Request{Method: "/s/m", Kind: transport.BidiStream, Timeout: time.Minute})
	for s.Send([]byte{1}) == nil {
		if _, err := s.Recv(); err != nil {
			break
		}
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	for i := range results {
		r := &results[i]
		one := reqs[i].Kind == transport.Unary || reqs[i].Kind == transport.ClientStream
		if ended[i] != 1 || r.Done.Sub(r.Start) > time.Minute || r.Status == codes.OK && one && r.Received != 1 {
			t.Errorf("%s ended %d times: %+v", reqs[i].Kind, ended[i], *r)
		}
	}
	if s.Status() == nil {
		t.Error("the stream has not ended")
	}
}
