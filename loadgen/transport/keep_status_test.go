package transport_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// dawdler sends the message of each attempt when the target has long answered.
type dawdler struct{}

// TagRPC, TagConn and HandleConn implement stats.Handler.
func (dawdler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (dawdler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (dawdler) HandleConn(context.Context, stats.ConnStats)                       {}

// HandleRPC implements stats.Handler. grpc-go waits for it between the headers
// and the message.
func (dawdler) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.OutHeader); ok {
		time.Sleep(time.Second)
	}
}

// hasty dials a target that answers RESOURCE_EXHAUSTED to the first n attempts
// as soon as it has their headers, and a policy that retries that.
func hasty(t *testing.T, n int, options ...grpc.DialOption) *grpc.ClientConn {
	listener := bufconn.Listen(1 << 16)
	seen := 0
	srv := grpc.NewServer(grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		if seen++; seen <= n {
			return nil, status.Error(codes.ResourceExhausted, "planned")
		}
		return ctx, nil
	}))
	hello.RegisterHelloServiceServer(srv, &server{say: echo})
	go srv.Serve(listener)
	t.Cleanup(srv.Stop)
	dialer := func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) }
	return connect(t, dialer, append(options, grpc.WithStatsHandler(dawdler{}))...)
}

// patient is policy with another code.
const patient = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["RESOURCE_EXHAUSTED"]}}]}`

// statuses are those of attempts.
func statuses(attempts *transport.Attempts) string {
	var out []string
	for _, one := range attempts.List() {
		out = append(out, one.Status)
	}
	return fmt.Sprint(out)
}

// TestStatusBeforeTheMessage: an answer that comes before the message was sent
// is the answer, of calls and of attempts.
func TestStatusBeforeTheMessage(t *testing.T) {
	const re = "RESOURCE_EXHAUSTED"
	watching := []grpc.DialOption{grpc.WithDefaultServiceConfig(patient), watched(), grpc.WithChainStreamInterceptor(transport.KeepStatus)}
	for _, tt := range []struct {
		failing int
		code    codes.Code
		want    string
	}{
		{2, codes.OK, fmt.Sprint([]string{re, re, "OK"})},
		{9, codes.ResourceExhausted, fmt.Sprint([]string{re, re, re, re, re})},
	} {
		for _, kind := range []transport.Kind{transport.Unary, transport.ServerStream, transport.ClientStream} {
			synctest.Test(t, func(t *testing.T) {
				channel := transport.NewChannel(hasty(t, tt.failing, counted(patient)))
				ctx, attempts := transport.RecordAttempts(t.Context())
				req := &transport.Request{Method: "/HelloService/SayHello", Kind: kind, Messages: encode(t, "hi")}
				var res, plain transport.Result
				channel.Do(ctx, req, &res)
				if got := statuses(attempts); res.Status != tt.code || got != tt.want {
					t.Errorf("%v: Do ends with %v (%s), attempts %s; want %v, %s", kind, res.Status, res.Message, got, tt.code, tt.want)
				}
				transport.NewChannel(hasty(t, tt.failing, counted(patient))).Do(t.Context(), req, &plain)
				if plain.Status != tt.code {
					t.Errorf("%v: Do without a list ends with %v, want %v", kind, plain.Status, tt.code)
				}
			})
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, attempts := transport.RecordAttempts(t.Context())
			stream, err := hasty(t, tt.failing, watching...).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/HelloService/SayHello")
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.SendMsg(&hello.HelloRequest{Greeting: "hi"}) // receiving tells why
			_ = stream.CloseSend()
			err = stream.RecvMsg(new(hello.HelloResponse))
			code := status.Code(err)
			if err == nil {
				_ = stream.RecvMsg(new(hello.HelloResponse)) // its end
			}
			attempts.Ended(code, codes.ResourceExhausted)
			if got := statuses(attempts); code != tt.code || got != tt.want {
				t.Errorf("a stream ends with %v, attempts %s; want %v, %s", err, got, tt.code, tt.want)
			}
		})
	}
}
