package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/testing/protocmp"
	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/inject"
	"touchstone/server/proxy"
)

// outcome is what a grpc-go client sees of a call.
type outcome struct {
	Code            codes.Code
	Message         string
	Details         []any
	Header, Trailer metadata.MD
	Replies         []string
	Took            time.Duration
}

// TestBothInterpretersOfPlans carries out each action that an interceptor can
// do twice: by a proxy before a server, and by the server's interceptor. A
// client sees the same, to the nanosecond.
func TestBothInterpretersOfPlans(t *testing.T) {
	tests := []struct {
		name, inject string
		kinds        string // u unary, s server stream, c client stream, b bidi
		code         codes.Code
		replies      int
		took         time.Duration
	}{
		{"a status", "{status: UNAVAILABLE}", "uscb", codes.Unavailable, 0, 0},
		{"a status by number", "{status: 77}", "uscb", codes.Code(77), 0, 0},
		{"a message", `{status: ABORTED, message: "100% 说\n"}`, "uscb", codes.Aborted, 0, 0},
		{"details", `{status: RESOURCE_EXHAUSTED, message: m, details: [{type: google.rpc.RetryInfo, retry_delay: 1.5s},
			{type: google.rpc.ErrorInfo, reason: QUOTA, domain: example.com, metadata: {k: v}}]}`, "uscb", codes.ResourceExhausted, 0, 0},
		{"pushback", "{status: ABORTED, pushback: 1500}", "uscb", codes.Aborted, 0, 0},
		{"pushback twice, and as it stands", `{status: ABORTED, pushback: [-1, "abc"]}`, "uscb", codes.Aborted, 0, 0},
		{"headers first", "{status: ABORTED, with_headers: true}", "uscb", codes.Aborted, 0, 0},
		{"headers of the plan", "{status: ABORTED, with_headers: {x-a: b, x-raw-bin: raw}}", "uscb", codes.Aborted, 0, 0},
		{"a delay", "{delay: 700ms}", "uscb", codes.OK, 3, 700 * time.Millisecond},
		{"a delay from a distribution", "{delay: {distribution: uniform, min: 3s, max: 3s}}", "uscb", codes.OK, 3, 3 * time.Second},
		{"a delay, and a status", "{delay: 1m, status: NOT_FOUND}", "uscb", codes.NotFound, 0, time.Minute},
		{"a delay beyond the deadline", "{delay: 2h}", "uscb", codes.DeadlineExceeded, 0, time.Hour},
		{"after the first request", "{status: ABORTED, after_requests: 1}", "uscb", codes.Aborted, 0, 0},
		{"after two requests", "{status: ABORTED, after_requests: 2}", "c", codes.Aborted, 0, 0},
		{"after all requests", "{status: ABORTED, after_requests: all}", "usc", codes.Aborted, 0, 0},
		{"after the first response", "{status: ABORTED, message: m, after_messages: 1}", "sb", codes.Aborted, 1, 0},
		{"after all responses", "{status: ABORTED, after_messages: 3, pushback: 7}", "sb", codes.Aborted, 3, 0},
		{"after more responses than there are: as usual", "{status: ABORTED, after_messages: 4}", "sb", codes.OK, 3, 0},
		{"after responses and requests", "{status: ABORTED, after_messages: 1, after_requests: 2}", "b", codes.Aborted, 1, 0},
		{"headers of the plan, then responses", "{status: ABORTED, after_messages: 2, with_headers: {x-a: b}}", "s", codes.Aborted, 2, 0},
	}
	for _, test := range tests {
		for _, kind := range test.kinds {
			t.Run(test.name+" "+string(kind), func(t *testing.T) {
				plan := "- inject: " + test.inject
				byProxy, byServer := through(t, plan, kind, true), through(t, plan, kind, false)
				opts := cmp.Options{protocmp.Transform()}
				if test.code == codes.DeadlineExceeded {
					// Server and client give up in the same instant: the server's
					// response may still arrive.
					opts = append(opts, cmpopts.IgnoreFields(outcome{}, "Trailer", "Message"))
				}
				if diff := cmp.Diff(byServer, byProxy, opts); diff != "" {
					t.Errorf("what the client sees (-interceptor +proxy):\n%s", diff)
				}
				if byProxy.Code != test.code || byProxy.Took != test.took {
					t.Errorf("status %v after %v, want %v after %v", byProxy.Code, byProxy.Took, test.code, test.took)
				}
				replies := test.replies
				if kind == 'u' || kind == 'c' {
					replies = min(replies, 1)
				}
				if len(byProxy.Replies) != replies {
					t.Errorf("replies = %q, want %d", byProxy.Replies, replies)
				}
			})
		}
	}
}

// through makes a call in a bubble, with a plan that the proxy or the server's
// interceptor carries out.
func through(t *testing.T, plan string, kind rune, byProxy bool) (seen outcome) {
	synctest.Test(t, func(t *testing.T) {
		parsed, err := fault.Parse("plan.yaml", []byte(plan))
		if err != nil {
			t.Fatal(err)
		}
		front, back := bufconn.Listen(1<<20), bufconn.Listen(1<<20)
		var opts []grpc.ServerOption
		cfg := proxy.Config{Dial: back.DialContext}
		if byProxy {
			cfg.Decider = fault.NewDecider(parsed, 1)
		} else {
			injector, err := inject.New(inject.Config{Plan: parsed, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			opts = append(opts, grpc.UnaryInterceptor(injector.Unary), grpc.StreamInterceptor(injector.Stream))
		}
		server := grpc.NewServer(opts...)
		hello.RegisterHelloServiceServer(server, &greeter{replies: 3})
		between, err := proxy.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { server.Serve(back) })
		running.Go(func() { between.Serve(ctx, front) })
		entry := back
		if byProxy {
			entry = front
		}
		conn, err := grpc.NewClient("passthrough:///target", grpc.WithTransportCredentials(insecure.NewCredentials()), dialer(entry),
			grpc.WithDefaultServiceConfig(noRetry))
		if err != nil {
			t.Fatal(err)
		}
		seen = look(t, hello.NewHelloServiceClient(conn), kind)
		conn.Close()
		cancel()
		server.Stop()
		running.Wait()
	})
	return seen
}

// look makes a call with three requests, where there can be more than one, and
// reads all that comes.
func look(t *testing.T, client hello.HelloServiceClient, kind rune) (o outcome) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	start := time.Now()
	var err error
	options := []grpc.CallOption{grpc.Header(&o.Header), grpc.Trailer(&o.Trailer)}
	switch kind {
	case 'u':
		var reply *hello.HelloResponse
		if reply, err = client.SayHello(ctx, &hello.HelloRequest{Greeting: "0"}, options...); err == nil {
			o.Replies = append(o.Replies, reply.Reply)
		}
	case 's':
		stream, opening := client.LotsOfReplies(ctx, &hello.HelloRequest{}, options...)
		if err = opening; err == nil {
			o.Replies, err = receive(stream)
		}
	case 'c':
		stream, opening := client.LotsOfGreetings(ctx, options...)
		if err = opening; err == nil {
			sendThree(stream)
			var reply *hello.HelloResponse
			if reply, err = stream.CloseAndRecv(); err == nil {
				o.Replies = append(o.Replies, reply.Reply)
			}
		}
	case 'b':
		stream, opening := client.BidiHello(ctx, options...)
		if err = opening; err == nil {
			o.Replies, err = talk(stream)
		}
	}
	o.Took = time.Since(start)
	s := status.Convert(err)
	o.Code, o.Message, o.Details = s.Code(), s.Message(), s.Details()
	return o
}

// sendThree sends the requests as long as the call takes them.
func sendThree(stream grpc.ClientStreamingClient[hello.HelloRequest, hello.HelloResponse]) {
	for i := range 3 {
		if stream.Send(&hello.HelloRequest{Greeting: fmt.Sprint(i)}) != nil {
			return
		}
	}
}

// receive reads a stream to its end.
func receive(stream grpc.ServerStreamingClient[hello.HelloResponse]) (replies []string, err error) {
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return replies, nil
		}
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply.Reply)
	}
}

// talk sends a request when the one before has been answered.
func talk(stream grpc.BidiStreamingClient[hello.HelloRequest, hello.HelloResponse]) (replies []string, err error) {
	for i := range 3 {
		if stream.Send(&hello.HelloRequest{Greeting: fmt.Sprint(i)}) != nil {
			break
		}
		reply, err := stream.Recv()
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply.Reply)
	}
	stream.CloseSend()
	rest, err := receive(stream)
	return append(replies, rest...), err
}
