package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// policy is the seed's service config.
const policy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// server answers HelloService; say decides on unary calls.
type server struct {
	hello.UnimplementedHelloServiceServer
	say func(ctx context.Context, greeting string) (string, error)
}

func (s *server) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	reply, err := s.say(ctx, in.Greeting)
	return &hello.HelloResponse{Reply: reply}, err
}

// LotsOfReplies sends three replies, 10 ms apart, and then the status that
// the greeting names.
func (s *server) LotsOfReplies(in *hello.HelloRequest, stream grpc.ServerStreamingServer[hello.HelloResponse]) error {
	for range 3 {
		time.Sleep(10 * time.Millisecond)
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
	if in.Greeting == "abort" {
		return status.Error(codes.Aborted, "as asked")
	}
	return nil
}

func (s *server) LotsOfGreetings(stream grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	var all []string
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&hello.HelloResponse{Reply: strings.Join(all, ",")})
		}
		if err != nil {
			return err
		}
		if in.Greeting == "abort" {
			return status.Error(codes.Aborted, "as asked")
		}
		all = append(all, in.Greeting)
	}
}

// BidiHello answers each greeting, one of "end" by ending the call with OK.
func (s *server) BidiHello(stream grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		in, err := stream.Recv()
		switch {
		case err == io.EOF, err == nil && in.Greeting == "end":
			return nil
		case err != nil:
			return err
		case in.Greeting == "abort":
			return status.Error(codes.Aborted, "as asked")
		}
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

// dial serves s in memory and returns a connection to it.
func dial(t testing.TB, s *server, options ...grpc.DialOption) *grpc.ClientConn {
	listener := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, s)
	go srv.Serve(listener)
	t.Cleanup(srv.Stop)
	return connect(t, func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) }, options...)
}

func connect(t testing.TB, dialer func(context.Context) (net.Conn, error), options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:memory", append([]grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialer(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(policy),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// watched makes a connection tell of its attempts.
func watched() grpc.DialOption { return grpc.WithStatsHandler(transport.AttemptHandler{}) }

func encode(t testing.TB, greetings ...string) [][]byte {
	var out [][]byte
	for _, g := range greetings {
		data, err := proto.Marshal(&hello.HelloRequest{Greeting: g})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}

func echo(_ context.Context, greeting string) (string, error) { return greeting, nil }

func TestKinds(t *testing.T) {
	const (
		reply = 2 + 2 // bytes of a response with "hi": tag, length, text
		unary = "/HelloService/SayHello"
		each  = "/HelloService/LotsOfReplies"
		all   = "/HelloService/LotsOfGreetings"
		both  = "/HelloService/BidiHello"
	)
	long := slices.Repeat([]string{"hi"}, 200)
	tests := []struct {
		name           string
		method         string
		kind           transport.Kind
		send           []string
		turns          bool
		interval       time.Duration
		want           codes.Code
		sent, received int
		bytes          int
		took           time.Duration
	}{
		{"unary", unary, transport.Unary, []string{"hi"}, false, 0, codes.OK, 1, 1, reply, 0},
		{"unary of no such method", "/HelloService/Nothing", transport.Unary, []string{"hi"}, false, 0, codes.Unimplemented, 1, 0, 0, 0},
		{"unary without a message", unary, transport.Unary, nil, false, 0, codes.InvalidArgument, 0, 0, 0, 0},
		{"server streaming is drained", each, transport.ServerStream, []string{"hi"}, false, 0, codes.OK, 1, 3, 3 * reply, 30 * time.Millisecond},
		{"server streaming that fails late", each, transport.ServerStream, []string{"abort"}, false, 0, codes.Aborted, 1, 3, 21, 30 * time.Millisecond},
		{"server streaming with two messages", each, transport.ServerStream, []string{"a", "b"}, false, 0, codes.InvalidArgument, 0, 0, 0, 0},
		{"client streaming sends all", all, transport.ClientStream, []string{"a", "b", "c"}, false, 0, codes.OK, 3, 1, 7, 0},
		{"client streaming of nothing", all, transport.ClientStream, nil, false, 0, codes.OK, 0, 1, 0, 0},
		{"client streaming at an interval", all, transport.ClientStream, []string{"a", "b", "c"}, false, time.Second, codes.OK, 3, 1, 7, 2 * time.Second},
		{"client streaming that is refused", all, transport.ClientStream, []string{"a", "abort"}, false, 0, codes.Aborted, 2, 0, 0, 0},
		{"bidi in both directions at once", both, transport.BidiStream, long, false, 0, codes.OK, 200, 200, 200 * reply, 0},
		{"bidi in turns", both, transport.BidiStream, long, true, 0, codes.OK, 200, 200, 200 * reply, 0},
		{"bidi in turns at an interval", both, transport.BidiStream, []string{"hi", "hi"}, true, time.Second, codes.OK, 2, 2, 2 * reply, time.Second},
		{"bidi of nothing", both, transport.BidiStream, nil, false, 0, codes.OK, 0, 0, 0, 0},
		{"bidi that is aborted", both, transport.BidiStream, []string{"hi", "abort"}, true, 0, codes.Aborted, 2, 1, reply, 0},
		{"bidi that ends before all is sent", both, transport.BidiStream, []string{"hi", "end", "hi"}, false, time.Second, codes.OK, 2, 1, reply, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				channel := transport.NewChannel(dial(t, &server{say: echo}, watched()))
				defer channel.Close()
				var res transport.Result
				channel.Do(t.Context(), &transport.Request{
					Method: tt.method, Kind: tt.kind, Messages: encode(t, tt.send...), Turns: tt.turns, Interval: tt.interval,
				}, &res)
				if res.Status != tt.want || res.Sent != tt.sent || res.Received != tt.received || res.Bytes != tt.bytes {
					t.Errorf("%v %q, sent %d, received %d, %d bytes; want %v, %d, %d, %d",
						res.Status, res.Message, res.Sent, res.Received, res.Bytes, tt.want, tt.sent, tt.received, tt.bytes)
				}
				if took := res.Done.Sub(res.Start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

func TestMessageTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := transport.NewChannel(dial(t, &server{say: echo}))
		var gaps []time.Duration
		res := transport.Result{Gap: func(d time.Duration) { gaps = append(gaps, d) }}
		req := &transport.Request{Method: "/HelloService/LotsOfReplies", Kind: transport.ServerStream, Messages: encode(t, "hi")}
		for range 2 { // a result is reused
			gaps = nil
			channel.Do(t.Context(), req, &res)
			const step = 10 * time.Millisecond
			if first := res.FirstMessage.Sub(res.Start); first != step || !slices.Equal(gaps, []time.Duration{step, step}) {
				t.Errorf("first message after %v, gaps %v; want %v and two of the same", first, gaps, step)
			}
			if res.Received != 3 || res.Attempts != 0 {
				t.Errorf("received %d, attempts %d; want 3, and 0 for unknown", res.Received, res.Attempts)
			}
		}
	})
}

func TestTimeoutMetadataAndConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string // where calls arrived, with what
		at := func(name string) *server {
			return &server{say: func(ctx context.Context, greeting string) (string, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				seen = append(seen, name+fmt.Sprint(md.Get("x-room")))
				if greeting == "slow" {
					<-ctx.Done()
				}
				return greeting, ctx.Err()
			}}
		}
		channel := transport.NewChannel(dial(t, at("a")), dial(t, at("b")))
		var res transport.Result
		req := transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi"), Metadata: metadata.Pairs("x-room", "lobby")}
		for range 3 {
			channel.Do(t.Context(), &req, &res)
		}
		if want := []string{"a[lobby]", "b[lobby]", "a[lobby]"}; !slices.Equal(seen, want) {
			t.Errorf("calls arrived at %v, want %v", seen, want)
		}
		slow := transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "slow"), Timeout: 3 * time.Second}
		channel.Do(t.Context(), &slow, &res)
		if took := res.Done.Sub(res.Start); res.Status != codes.DeadlineExceeded || took != 3*time.Second {
			t.Errorf("%v after %v, want DeadlineExceeded after 3s", res.Status, took)
		}
	})
}

func TestKindNames(t *testing.T) {
	for want, streams := range map[string][2]bool{
		"unary": {false, false}, "server_stream": {false, true}, "client_stream": {true, false}, "bidi_stream": {true, true},
	} {
		if got := transport.KindOf(streams[0], streams[1]).String(); got != want {
			t.Errorf("KindOf(%v) = %s, want %s", streams, got, want)
		}
	}
}
