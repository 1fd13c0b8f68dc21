package inject_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/inject"
)

// seedPolicy is the retry policy that the project's clients use by default.
const seedPolicy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// greeter answers with what it got, on every kind of call.
type greeter struct {
	hello.UnimplementedHelloServiceServer
}

func (greeter) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
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
	for {
		_, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&hello.HelloResponse{Reply: "all"})
		}
		if err != nil {
			return err
		}
	}
}

func (greeter) BidiHello(s grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		in, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

// attempts notes when each attempt reached the server.
type attempts struct {
	mu    sync.Mutex
	start time.Time
	at    []time.Duration
}

func (a *attempts) note() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = append(a.at, time.Since(a.start))
}

// times returns when the attempts so far came, from the start.
func (a *attempts) times() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.at)
}

func (a *attempts) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	a.note()
	return h(ctx, req)
}

func (a *attempts) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	a.note()
	return h(srv, ss)
}

// world is a client and a server with faults, within a bubble.
type world struct {
	client   hello.HelloServiceClient
	injector *inject.Injector
	attempts *attempts
}

// start runs the test in a bubble of fake time.
func start(t *testing.T, cfg inject.Config, test func(*testing.T, *world)) {
	t.Helper()
	cfg.Services = []*grpc.ServiceDesc{&hello.HelloService_ServiceDesc}
	synctest.Test(t, func(t *testing.T) {
		injector, err := inject.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{injector: injector, attempts: &attempts{start: time.Now()}}
		server := grpc.NewServer(grpc.ChainUnaryInterceptor(w.attempts.unary, injector.Unary), grpc.ChainStreamInterceptor(w.attempts.stream, injector.Stream))
		hello.RegisterHelloServiceServer(server, greeter{})
		listener := bufconn.Listen(1 << 16)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(seedPolicy),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		w.client = hello.NewHelloServiceClient(conn)
		test(t, w)
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
}

func plan(t testing.TB, text string) inject.Config {
	t.Helper()
	p, err := fault.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return inject.Config{Plan: p}
}

func (w *world) hello(t *testing.T, pairs ...string) error {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), pairs...)
	_, err := w.client.SayHello(ctx, &hello.HelloRequest{Greeting: "hi"})
	return err
}

// want compares the outcome of a call and the number of attempts so far.
func (w *world) want(t *testing.T, err error, code codes.Code, attempts int) {
	t.Helper()
	if got := status.Code(err); got != code {
		t.Errorf("status %s (%v), want %s", got, err, code)
	}
	if got := len(w.attempts.times()); got != attempts {
		t.Errorf("%d attempts, want %d", got, attempts)
	}
}

func TestTwoUnavailableThenOKIsThreeAttempts(t *testing.T) {
	start(t, plan(t, "- {match: {method: HelloService/SayHello, attempt: 1-2}, inject: {status: UNAVAILABLE}}"), func(t *testing.T, w *world) {
		w.want(t, w.hello(t), codes.OK, 3)
		if got := w.injector.Hits(); !slices.Equal(got, []int{2}) {
			t.Errorf("hits %v, want 2", got)
		}
	})
}

func TestAlwaysUnavailableIsFiveAttempts(t *testing.T) {
	start(t, plan(t, "- inject: {status: UNAVAILABLE, message: planned}"), func(t *testing.T, w *world) {
		err := w.hello(t)
		w.want(t, err, codes.Unavailable, 5)
		if got := status.Convert(err).Message(); !strings.Contains(got, "planned") { // grpc-go adds words of its own
			t.Errorf("message %q, want planned in it", got)
		}
		at := w.attempts.times()
		for i, backoff := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond} {
			gap := at[i+1] - at[i]
			if gap < backoff*8/10 || gap > backoff*12/10 {
				t.Errorf("gap %d is %s, want %s within a fifth", i+1, gap, backoff)
			}
		}
	})
}

func TestStreamsAreRetriedToo(t *testing.T) {
	start(t, plan(t, "- {match: {attempt: 1-2}, inject: {status: UNAVAILABLE}}"), func(t *testing.T, w *world) {
		stream, err := w.client.LotsOfReplies(t.Context(), &hello.HelloRequest{Greeting: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				n++
			}
		}
		if n != 5 || !errors.Is(err, io.EOF) {
			t.Errorf("%d messages, then %v; want 5, then the end", n, err)
		}
		w.want(t, nil, codes.OK, 3)
	})
}

func TestOtherCodesAreNotRetried(t *testing.T) {
	start(t, plan(t, "- inject: {status: INTERNAL}"), func(t *testing.T, w *world) {
		w.want(t, w.hello(t), codes.Internal, 1)
	})
}

func TestHeadersCommitTheCall(t *testing.T) {
	start(t, plan(t, "- inject: {status: UNAVAILABLE, with_headers: {x-region: eu}}"), func(t *testing.T, w *world) {
		var header metadata.MD
		_, err := w.client.SayHello(t.Context(), &hello.HelloRequest{}, grpc.Header(&header))
		w.want(t, err, codes.Unavailable, 1)
		if got := header.Get("x-region"); !slices.Equal(got, []string{"eu"}) {
			t.Errorf("header x-region = %q, want eu", got)
		}
	})
}

func TestPushbackIsFollowed(t *testing.T) {
	tests := []struct {
		name, pushback string
		attempts       int
		gap            time.Duration // of the second attempt
	}{
		{"milliseconds are waited exactly", "300", 2, 300 * time.Millisecond},
		{"minus one stops retries", "-1", 1, 0},
		{"nonsense stops retries", "abc", 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, plan(t, "- {match: {attempt: 1}, inject: {status: UNAVAILABLE, pushback: "+test.pushback+"}}"), func(t *testing.T, w *world) {
				_ = w.hello(t)
				at := w.attempts.times()
				if len(at) != test.attempts {
					t.Fatalf("%d attempts, want %d", len(at), test.attempts)
				}
				if test.attempts == 2 && at[1]-at[0] != test.gap {
					t.Errorf("gap %s, want exactly %s", at[1]-at[0], test.gap)
				}
			})
		})
	}
}

func TestDelayIsExact(t *testing.T) {
	start(t, plan(t, "- inject: {delay: 700ms}"), func(t *testing.T, w *world) {
		begin := time.Now()
		w.want(t, w.hello(t), codes.OK, 1)
		if got := time.Since(begin); got != 700*time.Millisecond {
			t.Errorf("the call took %s, want exactly 700ms", got)
		}
	})
}

func TestDelayEndsWithTheDeadline(t *testing.T) {
	start(t, plan(t, "- inject: {delay: 1h, status: UNAVAILABLE}"), func(t *testing.T, w *world) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := w.client.SayHello(ctx, &hello.HelloRequest{})
		w.want(t, err, codes.DeadlineExceeded, 1)
		if got := time.Since(begin); got != 2*time.Second {
			t.Errorf("the call took %s, want exactly 2s", got)
		}
	}) // the bubble fails if the server's timer goroutine lives on
}

func TestDetailsArrive(t *testing.T) {
	start(t, plan(t, "- inject: {status: RESOURCE_EXHAUSTED, details: [{type: google.rpc.RetryInfo, retry_delay: 1.5s}]}"), func(t *testing.T, w *world) {
		details := status.Convert(w.hello(t)).Details()
		var want proto.Message = &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}
		if diff := cmp.Diff([]any{want}, details, protocmp.Transform()); diff != "" {
			t.Errorf("details (-want +got):\n%s", diff)
		}
	})
}

func TestAfterMessagesComesAtOnce(t *testing.T) {
	start(t, plan(t, "- {match: {method: HelloService/LotsOfReplies}, inject: {status: UNAVAILABLE, after_messages: 2}}"), func(t *testing.T, w *world) {
		stream, err := w.client.LotsOfReplies(t.Context(), &hello.HelloRequest{})
		n := 0
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				n++
			}
		}
		w.want(t, err, codes.Unavailable, 1) // messages commit the call
		if n != 2 {
			t.Errorf("%d messages before the fault, want 2", n)
		}
	})
}

func TestAfterRequestsIsRetriedWithAllOfThem(t *testing.T) {
	start(t, plan(t, "- {match: {method: HelloService/BidiHello, attempt: 1}, inject: {status: UNAVAILABLE, after_requests: 1}}"), func(t *testing.T, w *world) {
		stream, err := w.client.BidiHello(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a", "b"} {
			if err := stream.Send(&hello.HelloRequest{Greeting: text}); err != nil {
				t.Fatal(err)
			}
			got, err := stream.Recv()
			if err != nil || got.Reply != text {
				t.Fatalf("reply %v, %v, want %q", got, err, text)
			}
		}
		_ = stream.CloseSend()
		_, err = stream.Recv()
		if !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
		w.want(t, nil, codes.OK, 2)
	})
}

func TestAPointThatIsNotReachedIsNoFault(t *testing.T) {
	start(t, plan(t, "- {match: {method: HelloService/LotsOfReplies}, inject: {status: UNAVAILABLE, after_messages: 6}}"), func(t *testing.T, w *world) {
		stream, err := w.client.LotsOfReplies(t.Context(), &hello.HelloRequest{})
		for err == nil {
			_, err = stream.Recv()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v, want its usual end", err)
		}
	})
}

func TestRefusedPlans(t *testing.T) {
	tests := []struct{ name, plan, want string }{
		{"a word below gRPC", "- inject: {delay: 1s}\n- inject: {goaway: {}}", "plan.yaml:2:12: goaway needs the proxy\n    2 | - inject: {goaway: {}}\n      |            ^\nhint: the server itself"},
		{"OK without a response", "- inject: {status: OK}", "plan.yaml:1:12: status OK needs the proxy"},
		{"a method that is not served", "- {match: {method: HelloService/SayHelo}, inject: {status: 14}}", "plan.yaml:1:12: \"HelloService/SayHelo\" fits no method of this server\n    1 | - {match: {method: HelloService/SayHelo}, inject: {status: 14}}\n      |            ^\nhint: did you mean \"HelloService/SayHello\"?"},
		{"messages of a unary call", "- inject: {status: 14, after_messages: 1}", "1:24: after_messages: HelloService/SayHello is unary"},
		{"a second request of a unary call", "- {match: {method: HelloService/SayHello}, inject: {status: 14, after_requests: 2}}", "has one request"},
		{"a second response of a client stream", "- {match: {method: HelloService/LotsOfGreetings}, inject: {status: 14, after_messages: 2}}", "has one response"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := plan(t, test.plan)
			cfg.Services = []*grpc.ServiceDesc{&hello.HelloService_ServiceDesc}
			if _, err := inject.New(cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New: %v, want %q", err, test.want)
			}
		})
	}
}
