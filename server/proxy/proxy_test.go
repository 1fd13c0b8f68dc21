package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// greeter is the target behind the proxy.
type greeter struct {
	hello.UnimplementedHelloServiceServer
	replies int // of LotsOfReplies
	size    int // of each reply, in bytes
	md      func(metadata.MD)
}

func (g *greeter) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if g.md != nil {
		g.md(md)
	}
	if code := md.Get("fail"); len(code) > 0 {
		return nil, status.Error(codes.FailedPrecondition, "说 100% no\n")
	}
	grpc.SetHeader(ctx, metadata.Pairs("x-header", "h", "x-raw-bin", "\x00\xff"))
	grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "1", "x-trailer", "2"))
	return &hello.HelloResponse{Reply: "hello " + in.Greeting}, nil
}

func (g *greeter) LotsOfReplies(in *hello.HelloRequest, stream hello.HelloService_LotsOfRepliesServer) error {
	for i := range g.replies {
		if err := stream.Send(&hello.HelloResponse{Reply: fmt.Sprint(i, strings.Repeat("x", g.size))}); err != nil {
			return err
		}
	}
	return nil
}

func (g *greeter) LotsOfGreetings(stream hello.HelloService_LotsOfGreetingsServer) error {
	var all []string
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&hello.HelloResponse{Reply: strings.Join(all, ",")})
		}
		if err != nil {
			return err
		}
		all = append(all, in.Greeting)
	}
}

func (g *greeter) BidiHello(stream hello.HelloService_BidiHelloServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

// path is a client, the proxy and a target, in memory.
type path struct {
	client   hello.HelloServiceClient
	conn     *grpc.ClientConn
	mu       sync.Mutex
	attempts []proxy.Attempt
	close    func()
}

// seen returns the attempts that have been reported, in the order in which
// they were opened.
func (p *path) seen() []proxy.Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return inOrder(p.attempts)
}

// noRetry is a service config without a retry policy.
const noRetry = `{}`

// seedPolicy is the retry policy of the seed.
const seedPolicy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// newPath starts the stack; a test ends it with close, within its bubble.
func newPath(t *testing.T, target *greeter, plan, serviceConfig string) *path {
	t.Helper()
	p := &path{}
	backend, front := bufconn.Listen(1<<20), bufconn.Listen(1<<20)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(200 << 20))
	hello.RegisterHelloServiceServer(server, target)
	var decider *fault.Decider
	if plan != "" {
		parsed, err := fault.Parse("plan.yaml", []byte(plan))
		if err != nil {
			t.Fatal(err)
		}
		decider = fault.NewDecider(parsed, 1)
	}
	between, err := proxy.New(proxy.Config{
		Dial:        func(ctx context.Context) (net.Conn, error) { return backend.DialContext(ctx) },
		Decider:     decider,
		KeepRequest: 1 << 10,
		Attempts: func(a proxy.Attempt) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.attempts = append(p.attempts, a)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Serve(backend) })
	running.Go(func() { between.Serve(ctx, front) })
	p.conn, err = grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return front.DialContext(ctx) }),
		grpc.WithDefaultServiceConfig(serviceConfig), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(200<<20)))
	if err != nil {
		t.Fatal(err)
	}
	p.client = hello.NewHelloServiceClient(p.conn)
	p.close = func() {
		p.conn.Close()
		cancel()
		server.Stop()
		running.Wait()
	}
	return p
}

func TestIdleProxyChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got metadata.MD
		p := newPath(t, &greeter{replies: 3, md: func(md metadata.MD) { got = md }}, "", noRetry)
		defer p.close()
		var header, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-one", "a", "x-one", "b", "x-raw-bin", "\x01\x00\xfe")
		reply, err := p.client.SayHello(ctx, &hello.HelloRequest{Greeting: "you"}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil || reply.Reply != "hello you" {
			t.Fatalf("SayHello = %v, %v", reply, err)
		}
		for _, want := range []struct{ what, got, want string }{
			{"duplicate metadata in order", strings.Join(got["x-one"], ","), "a,b"},
			{"binary metadata", got["x-raw-bin"][0], "\x01\x00\xfe"},
			{"a header", strings.Join(header["x-header"], ","), "h"},
			{"a binary header", header["x-raw-bin"][0], "\x00\xff"},
			{"duplicate trailers in order", strings.Join(trailer["x-trailer"], ","), "1,2"},
		} {
			if want.got != want.want {
				t.Errorf("%s: got %q, want %q", want.what, want.got, want.want)
			}
		}
		_, err = p.client.SayHello(metadata.AppendToOutgoingContext(t.Context(), "fail", "1"), &hello.HelloRequest{})
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "说 100% no\n" {
			t.Errorf("a failing call = %v", err)
		}
		synctest.Wait()
		attempts := p.seen()
		if len(attempts) != 2 || attempts[0].How != "trailers" || attempts[1].How != "trailers-only" || attempts[1].GRPCStatus != "9" {
			t.Errorf("attempts = %+v", attempts)
		}
		if a := attempts[0]; a.Method != "HelloService/SayHello" || a.Messages != 1 || a.ResponseMessages != 1 || a.Ended != proxy.ByTarget || a.EndStream.IsZero() {
			t.Errorf("attempt = %+v", a)
		}
	})
}

func TestStreamsPassInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, &greeter{replies: 100, size: 5000}, "", noRetry)
		defer p.close()
		down, err := p.client.LotsOfReplies(t.Context(), &hello.HelloRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			reply, err := down.Recv()
			if err != nil || !strings.HasPrefix(reply.Reply, fmt.Sprint(i, "x")) {
				t.Fatalf("reply %d = %.10s, %v", i, reply.GetReply(), err)
			}
		}
		if _, err := down.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last reply: %v", err)
		}
		up, err := p.client.LotsOfGreetings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []string{"a", "b", "c"} {
			up.Send(&hello.HelloRequest{Greeting: g})
		}
		if reply, err := up.CloseAndRecv(); err != nil || reply.Reply != "a,b,c" {
			t.Errorf("LotsOfGreetings = %v, %v", reply, err)
		}
		both, err := p.client.BidiHello(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []string{"x", "y"} {
			both.Send(&hello.HelloRequest{Greeting: g})
			if reply, err := both.Recv(); err != nil || reply.Reply != g {
				t.Errorf("BidiHello = %v, %v", reply, err)
			}
		}
		both.CloseSend()
		if _, err := both.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("after half-close: %v", err)
		}
	})
}

// TestActionsAsClientsSeeThem runs each action against a grpc-go client
// without a retry policy.
func TestActionsAsClientsSeeThem(t *testing.T) {
	tests := []struct {
		name, inject string
		code         codes.Code
		how          string // or the one, or the other, as "a|b"
		took         time.Duration
	}{
		{"a status", "{status: UNAVAILABLE, message: planned}", codes.Unavailable, "trailers-only", 0},
		{"a status after headers", "{status: ABORTED, with_headers: {x-a: b}}", codes.Aborted, "trailers", 0},
		{"a status when the request is read", "{status: ABORTED, after_requests: 1}", codes.Aborted, "trailers-only", 0},
		{"a status when the client has half-closed", "{status: ABORTED, after_requests: all}", codes.Aborted, "trailers-only", 0},
		{"a status after the response", "{status: ABORTED, after_messages: 1}", codes.Aborted, "trailers", 0},
		{"a delay is exact", "{delay: 700ms}", codes.OK, "trailers", 700 * time.Millisecond},
		{"a delayed status", "{delay: 250ms, status: NOT_FOUND}", codes.NotFound, "trailers-only", 250 * time.Millisecond},
		{"reset with CANCEL", "{rst: CANCEL}", codes.Canceled, "rst CANCEL", 0},
		{"reset with INTERNAL_ERROR", "{rst: INTERNAL_ERROR}", codes.Internal, "rst INTERNAL_ERROR", 0},
		{"reset with ENHANCE_YOUR_CALM", "{rst: ENHANCE_YOUR_CALM}", codes.ResourceExhausted, "rst ENHANCE_YOUR_CALM", 0},
		{"a gateway's 503", "{http: {status: 503, content_type: text/html, body: <h1>busy</h1>}}", codes.Unavailable, "http", 0},
		{"a gateway's 404", "{http: {status: 404}}", codes.Unimplemented, "http", 0},
		{"no trailers", "{drop_trailers: true}", codes.Internal, "no trailers", 0},
		{"a truncated message", "{truncate: 3}", codes.Internal, "truncated", 0},
		{"a damaged flag", "{corrupt: flag}", codes.Internal, "trailers|rst CANCEL", 0},     // the client gives up, maybe before the trailers
		{"a damaged length", "{corrupt: length}", codes.Internal, "trailers|rst CANCEL", 0}, // the client gives up, maybe before the trailers
		{"the connection closes", "{close: headers}", codes.Unavailable, "close", 0},
		{"the connection closes after bytes", "{close: {after_bytes: 3}}", codes.Unavailable, "close", 0},
		{"the connection is reset after the message", "{reset: {after_messages: 1}}", codes.Unavailable, "reset", 0},
		{"nothing comes until the deadline", "{blackhole: headers}", codes.DeadlineExceeded, "blackhole", 5 * time.Second},
		{"nothing but the message comes", "{blackhole: {after_messages: 1}}", codes.DeadlineExceeded, "blackhole", 5 * time.Second},
		{"the connection hangs", "{half_open: headers}", codes.DeadlineExceeded, "half-open", 5 * time.Second},
		{"an early hint", "{informational: 103}", codes.OK, "trailers", 0},
		{"fewer streams", "{settings: {max_concurrent_streams: 1}}", codes.OK, "trailers", 0},
		{"going away twice", "{goaway: [{last: max}, {last: this}]}", codes.OK, "trailers", 0},
		{"going away, this stream served", "{goaway: {last: this}}", codes.OK, "trailers", 0},
		{"going away, then closed", "{goaway: {last: this}, close: headers}", codes.Unavailable, "close", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(t, &greeter{}, "- {match: {call: 1}, inject: "+test.inject+"}", noRetry)
				defer p.close()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				_, err := p.client.SayHello(ctx, &hello.HelloRequest{Greeting: "you"})
				if status.Code(err) != test.code {
					t.Errorf("status = %v, want %v", err, test.code)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				synctest.Wait()
				attempts := p.seen()
				if len(attempts) != 1 || !slices.Contains(strings.Split(test.how, "|"), attempts[0].How) || attempts[0].Rule != 0 {
					t.Errorf("attempts = %+v, want one that ended with %q", attempts, test.how)
				}
				if test.how == "half-open" {
					return // the client finds no fault with the connection, without keepalive
				}
				if _, err := p.client.SayHello(t.Context(), &hello.HelloRequest{}, grpc.WaitForReady(true)); err != nil {
					t.Errorf("the call after it: %v", err)
				}
			})
		})
	}
}

func TestRetriesSeenInThePath(t *testing.T) {
	tests := []struct {
		name, plan string
		policy     string
		code       codes.Code
		previous   string // grpc-previous-rpc-attempts of each attempt
		conns      int
	}{
		{"two UNAVAILABLE, then OK", "[{match: {attempt: 1-2}, inject: {status: UNAVAILABLE}}]", seedPolicy, codes.OK, "-12", 1},
		{"always UNAVAILABLE", "[{inject: {status: UNAVAILABLE}}]", seedPolicy, codes.Unavailable, "-1234", 1},
		{"headers commit the call", "[{inject: {status: UNAVAILABLE, with_headers: true}}]", seedPolicy, codes.Unavailable, "-", 1},
		{"pushback forbids", "[{inject: {status: UNAVAILABLE, pushback: -1}}]", seedPolicy, codes.Unavailable, "-", 1},
		{"a refused stream is retried once, unnumbered", "[{match: {call: 1}, inject: {refused: true}}]", noRetry, codes.OK, "--", 1},
		{"GOAWAY below: retried on a new connection", "[{match: {call: 1}, inject: {goaway: {last: below}}}]", noRetry, codes.OK, "--", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(t, &greeter{}, test.plan, test.policy)
				defer p.close()
				_, err := p.client.SayHello(t.Context(), &hello.HelloRequest{Greeting: "you"}, grpc.WaitForReady(true))
				if status.Code(err) != test.code {
					t.Errorf("status = %v, want %v", err, test.code)
				}
				synctest.Wait()
				previous, conns := "", map[int]bool{}
				for _, a := range p.seen() {
					value, ok := a.Get("grpc-previous-rpc-attempts")
					if !ok {
						value = "-"
					}
					previous += value
					conns[a.Conn] = true
				}
				if previous != test.previous || len(conns) != test.conns {
					t.Errorf("attempts %q over %d connections, want %q over %d", previous, len(conns), test.previous, test.conns)
				}
			})
		})
	}
}

func TestUnreachableTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front := bufconn.Listen(1 << 20)
		between, err := proxy.New(proxy.Config{Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("nobody home") }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		running.Go(func() { between.Serve(ctx, front) })
		conn, err := grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return front.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = hello.NewHelloServiceClient(conn).SayHello(t.Context(), &hello.HelloRequest{})
		if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "nobody home") {
			t.Errorf("SayHello = %v, want UNAVAILABLE with the cause", err)
		}
	})
}

// TestStalledStreamStallsAlone lets a client leave one stream unread, while
// others go on; the target is held back by it.
func TestStalledStreamStallsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, &greeter{replies: 1000, size: 10_000}, "", noRetry)
		defer p.close()
		stalled, err := p.client.LotsOfReplies(t.Context(), &hello.HelloRequest{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 3 {
			if _, err := p.client.SayHello(t.Context(), &hello.HelloRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		count := 0
		for {
			if _, err := stalled.Recv(); err != nil {
				break
			}
			count++
		}
		if count != 1000 {
			t.Errorf("the stalled stream brought %d replies, want 1000", count)
		}
	})
}
