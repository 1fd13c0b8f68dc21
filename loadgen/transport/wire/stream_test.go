package wire_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
)

// talker is a target for streams.
type talker struct {
	greeter
	sent atomic.Int64 // bytes that LotsOfReplies has got rid of
}

// LotsOfReplies sends without end.
func (t *talker) LotsOfReplies(_ *hello.HelloRequest, out grpc.ServerStreamingServer[hello.HelloResponse]) error {
	big := &hello.HelloResponse{Reply: strings.Repeat("x", 1<<20)}
	for out.Send(big) == nil {
		t.sent.Add(1 << 20)
	}
	return nil
}

// BidiHello answers each message and ends with a status that has details.
func (t *talker) BidiHello(s grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	_ = s.SetHeader(metadata.Pairs("room", "lobby", "raw-bin", "\x00\x01"))
	s.SetTrailer(metadata.Pairs("left", "yes"))
	if err := t.greeter.BidiHello(s); err != nil {
		return err
	}
	end, err := status.New(codes.OutOfRange, "enough").WithDetails(&errdetails.RetryInfo{})
	if err != nil {
		return err
	}
	return end.Err()
}

func open(t *testing.T, w *wire.Transport, method string, kind transport.Kind) transport.Stream {
	return w.Open(t.Context(), &transport.Request{Method: service + method, Kind: kind, Timeout: time.Hour})
}

func TestStreamTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, &talker{}, wire.Config{})
		s := open(t, w, "BidiHello", transport.BidiStream)
		if s.Status() != nil {
			t.Error("a stream under way has a status")
		}
		for _, m := range encode(t, "a", strings.Repeat("b", 300_000), "c") {
			if err := s.Send(m); err != nil {
				t.Fatal(err)
			}
			var got hello.HelloResponse
			data, err := s.Recv()
			if err != nil || proto.Unmarshal(data, &got) != nil || len(data) != len(m) {
				t.Fatalf("received %d bytes, %v; want %d", len(data), err, len(m))
			}
		}
		s.CloseSend()
		if _, err := s.Recv(); err != io.EOF {
			t.Errorf("the end: %v, want EOF", err)
		}
		if err := s.Send(nil); err != io.EOF {
			t.Errorf("a message after the end: %v, want EOF", err)
		}
		if room, raw := s.Header().Get("room"), s.Header().Get("raw-bin"); len(room) != 1 || len(raw) != 1 || raw[0] != "\x00\x01" {
			t.Errorf("header %v, want the target's", s.Header())
		}
		if left := s.Trailer().Get("left"); len(left) != 1 {
			t.Errorf("trailer %v, want the target's", s.Trailer())
		}
		if got := s.Status(); got.Code() != codes.OutOfRange || got.Message() != "enough" || len(got.Details()) != 1 {
			t.Errorf("status %v, want OutOfRange with a detail", got)
		}
	})
}

// A target that sends what nobody takes is stopped by the stream's window, and
// another stream of the connection goes on.
func TestStreamThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &talker{}
		w, _ := target(t, g, wire.Config{})
		s := open(t, w, "LotsOfReplies", transport.ServerStream)
		if err := s.Send(nil); err != nil {
			t.Fatal(err)
		}
		s.CloseSend()
		synctest.Wait()
		ahead := g.sent.Load()
		if ahead > 12<<20 {
			t.Errorf("%d bytes came that nobody took, want a few million", ahead)
		}
		for range 30 {
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if g.sent.Load() < ahead+20<<20 {
			t.Errorf("the target sent %d bytes after 30 messages were taken, want as many more", g.sent.Load()-ahead)
		}
		if got := do(t, w, &transport.Request{Method: service + "SayHello", Messages: encode(t, "hi")}); got.Status != codes.OK {
			t.Errorf("another call: %v, want OK", got.Status)
		}
		s.Cancel()
		if _, err := s.Recv(); err != io.EOF || s.Status().Code() != codes.Canceled {
			t.Errorf("after Cancel: %v, %v; want EOF, Canceled", err, s.Status())
		}
	})
}

// Who waits on a stream is woken by its end, whatever that is.
func TestStreamEnds(t *testing.T) {
	ends := map[string]struct {
		end  func(transport.Stream, context.CancelFunc, *wire.Transport)
		want codes.Code
	}{
		"Cancel":      {func(s transport.Stream, _ context.CancelFunc, _ *wire.Transport) { s.Cancel() }, codes.Canceled},
		"its context": {func(_ transport.Stream, cancel context.CancelFunc, _ *wire.Transport) { cancel() }, codes.Canceled},
		"Close":       {func(_ transport.Stream, _ context.CancelFunc, w *wire.Transport) { w.Close() }, codes.Unavailable},
		"its timeout": {func(transport.Stream, context.CancelFunc, *wire.Transport) { time.Sleep(time.Hour) }, codes.DeadlineExceeded},
	}
	for name, test := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := scripted(t, wire.Config{}, nil, func(p *peer) { p.rest() })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s := w.Open(ctx, &transport.Request{Method: "/s/m", Kind: transport.BidiStream, Timeout: time.Hour})
				woken := make(chan error, 3)
				go func() {
					_, err := s.Recv()
					woken <- err
				}()
				go func() { woken <- s.Send(make([]byte, 1<<20)) }() // more than the window
				go func() {
					s.Header()
					woken <- io.EOF
				}()
				synctest.Wait()
				test.end(s, cancel, w)
				for range 3 {
					if err := <-woken; err != io.EOF {
						t.Errorf("woken with %v, want EOF", err)
					}
				}
				if got := s.Status().Code(); got != test.want {
					t.Errorf("status %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A stream that cannot be opened has a status.
func TestStreamWithoutTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := scripted(t, wire.Config{}, nil)
		s := open(t, w, "SayHello", transport.Unary)
		if _, err := s.Recv(); err != io.EOF || s.Status().Code() != codes.Unavailable {
			t.Errorf("Recv: %v, status %v; want EOF, Unavailable", err, s.Status())
		}
	})
}
