package wire_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
)

// greeter is a target: the greeting says what SayHello does.
type greeter struct {
	hello.UnimplementedHelloServiceServer
	seen func(metadata.MD)
}

func (g greeter) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	if g.seen != nil {
		md, _ := metadata.FromIncomingContext(ctx)
		g.seen(md)
	}
	switch what := in.Greeting; {
	case what == "fail":
		return nil, status.Error(codes.NotFound, "nobody: 100 % – no")
	case what == "late":
		<-ctx.Done()
		return nil, ctx.Err()
	case what == "slow":
		time.Sleep(time.Second)
	case what == "gzip":
		if err := grpc.SetSendCompressor(ctx, "gzip"); err != nil {
			return nil, err
		}
		return &hello.HelloResponse{Reply: strings.Repeat("z", 10_000)}, nil
	}
	return &hello.HelloResponse{Reply: in.Greeting}, nil
}

func (greeter) LotsOfReplies(in *hello.HelloRequest, out grpc.ServerStreamingServer[hello.HelloResponse]) error {
	for range 5 {
		if err := out.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
	return nil
}

func (greeter) LotsOfGreetings(in grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	n := 0
	for {
		m, err := in.Recv()
		if err != nil {
			return in.SendAndClose(&hello.HelloResponse{Reply: strings.Repeat("x", n)})
		}
		n += len(m.Greeting)
	}
}

func (greeter) BidiHello(s grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		m, err := s.Recv()
		if err != nil {
			return nil
		}
		if err := s.Send(&hello.HelloResponse{Reply: m.Greeting}); err != nil {
			return err
		}
	}
}

// target serves in memory until the test's end, and returns a transport to it.
func target(t testing.TB, g hello.HelloServiceServer, cfg wire.Config, options ...grpc.ServerOption) (*wire.Transport, *grpc.Server) {
	listener := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(options...)
	hello.RegisterHelloServiceServer(srv, g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(listener) })
	cfg.Dial = func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) }
	cfg.Authority = "target"
	w, err := wire.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); srv.Stop(); serving.Wait() })
	return w, srv
}

func encode(t testing.TB, greetings ...string) [][]byte {
	var all [][]byte
	for _, g := range greetings {
		b, err := proto.Marshal(&hello.HelloRequest{Greeting: g})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// outcome is the part of a result that does not depend on time.
type outcome struct {
	Status         codes.Code
	Message        string
	Sent, Received int
	Bytes          int
}

func do(t testing.TB, w *wire.Transport, req *transport.Request) outcome {
	var res transport.Result
	w.Do(t.Context(), req, &res)
	if res.Attempts != 1 || res.Done.Before(res.Start) {
		t.Errorf("Do = %+v, want one attempt that ends after its start", res)
	}
	return outcome{res.Status, res.Message, res.Sent, res.Received, res.Bytes}
}

const service = "/HelloService/"

func TestDo(t *testing.T) {
	big := strings.Repeat("b", 3<<20)
	late := context.DeadlineExceeded.Error()
	tests := []struct {
		name string
		req  transport.Request
		want outcome
	}{
		{"a unary call", transport.Request{Method: "SayHello", Messages: encode(t, "hi")}, outcome{codes.OK, "", 1, 1, 4}},
		{"a message of several windows, both ways", transport.Request{Method: "SayHello", Messages: encode(t, big)},
			outcome{codes.OK, "", 1, 1, 3<<20 + 5}},
		{"a status with a message that is percent-encoded", transport.Request{Method: "SayHello", Messages: encode(t, "fail")},
			outcome{codes.NotFound, "nobody: 100 % – no", 1, 0, 0}},
		{"a response that is compressed counts as it was before", transport.Request{Method: "SayHello", Messages: encode(t, "gzip")},
			outcome{codes.OK, "", 1, 1, 10_003}},
		{"a deadline that passes", transport.Request{Method: "SayHello", Messages: encode(t, "late"), Timeout: time.Second},
			outcome{codes.DeadlineExceeded, late, 1, 0, 0}},
		{"no such method", transport.Request{Method: "Nothing", Messages: encode(t, "")},
			outcome{codes.Unimplemented, "unknown method Nothing for service HelloService", 1, 0, 0}},
		{"a unary call of two messages is not sent", transport.Request{Method: "SayHello", Messages: encode(t, "a", "b")},
			outcome{codes.InvalidArgument, "unary takes one message", 0, 0, 0}},
		{"a stream of responses", transport.Request{Method: "LotsOfReplies", Kind: transport.ServerStream, Messages: encode(t, "hi")},
			outcome{codes.OK, "", 1, 5, 20}},
		{"a stream of requests", transport.Request{Method: "LotsOfGreetings", Kind: transport.ClientStream, Messages: encode(t, "a", "bc", "d")},
			outcome{codes.OK, "", 3, 1, 6}},
		{"a stream of no requests", transport.Request{Method: "LotsOfGreetings", Kind: transport.ClientStream}, outcome{codes.OK, "", 0, 1, 0}},
		{"both sides stream, with pauses", transport.Request{Method: "BidiHello", Kind: transport.BidiStream,
			Messages: encode(t, "a", "b", "c"), Interval: time.Second}, outcome{codes.OK, "", 3, 3, 9}},
		{"both sides stream in turns", transport.Request{Method: "BidiHello", Kind: transport.BidiStream,
			Messages: encode(t, "a", "b", "c"), Turns: true}, outcome{codes.OK, "", 3, 3, 9}},
		{"a stream whose deadline passes in a pause", transport.Request{Method: "BidiHello", Kind: transport.BidiStream,
			Messages: encode(t, "a", "b"), Interval: time.Hour, Timeout: time.Second}, outcome{codes.DeadlineExceeded, late, 1, 1, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := target(t, greeter{}, wire.Config{})
				test.req.Method = service + test.req.Method
				if diff := cmp.Diff(test.want, do(t, w, &test.req)); diff != "" {
					t.Errorf("Do (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got metadata.MD
		w, _ := target(t, greeter{seen: func(md metadata.MD) { got = md }}, wire.Config{})
		long := strings.Repeat("v", 50_000) // takes CONTINUATION
		do(t, w, &transport.Request{Method: service + "SayHello", Messages: encode(t, "hi"),
			Metadata: metadata.MD{"k": {"1", "2"}, "raw-bin": {"\x00\xff"}, "long": {long}, "te": {"no"}}})
		for key, want := range map[string][]string{"k": {"1", "2"}, "raw-bin": {"\x00\xff"}, "long": {long}, ":authority": {"target"}} {
			if diff := cmp.Diff(want, got[key]); diff != "" {
				t.Errorf("metadata %q (-want +got):\n%s", key, diff)
			}
		}
	})
}

// A target that takes two calls at a time gets no more: the others wait, and
// none of them is refused.
func TestMaxConcurrentStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{}, grpc.MaxConcurrentStreams(2))
		req := &transport.Request{Method: service + "SayHello", Messages: encode(t, "slow")}
		start := time.Now()
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				if got := do(t, w, req).Status; got != codes.OK {
					t.Errorf("status %v, want OK", got)
				}
			})
		}
		calls.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("10 calls of 1 s, 2 at a time, took %v, want 5 s", took)
		}
	})
}

// Connections that the target ends with GOAWAY are replaced, and cost no call.
func TestGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, srv := target(t, greeter{}, wire.Config{})
		slow := &transport.Request{Method: service + "SayHello", Messages: encode(t, "slow")}
		var first outcome
		var call sync.WaitGroup
		call.Go(func() { first = do(t, w, slow) })
		synctest.Wait()
		srv.GracefulStop()
		call.Wait()
		if first.Status != codes.OK {
			t.Errorf("the call under way ended %v %q, want OK", first.Status, first.Message)
		}
		if got := do(t, w, slow); got.Status != codes.Unavailable {
			t.Errorf("a call with no target ended %v, want Unavailable", got.Status)
		}
		if got := w.Stats(); got != (wire.Stats{Dialled: 1}) {
			t.Errorf("Stats = %+v, want one connection and no call unprocessed", got)
		}
	})
}

func TestCancelAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := target(t, greeter{}, wire.Config{})
		req := &transport.Request{Method: service + "SayHello", Messages: encode(t, "late")}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var res transport.Result
		w.Do(ctx, req, &res)
		if res.Status != codes.Canceled {
			t.Errorf("a call whose context ends: %v, want Canceled", res.Status)
		}
		time.AfterFunc(time.Second, func() { w.Close() })
		if got := do(t, w, req); got.Status != codes.Unavailable {
			t.Errorf("a call under way at Close: %v, want Unavailable", got.Status)
		}
		if got := do(t, w, req); got.Status != codes.Unavailable {
			t.Errorf("a call after Close: %v, want Unavailable", got.Status)
		}
	})
}
