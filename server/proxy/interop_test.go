package proxy_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"touchstone/server/proxy"
)

// TestInteropCases runs grpc-go's own interop cases through an idle proxy over
// TCP, all on one connection. A case that fails ends the process: that is how
// they are written.
func TestInteropCases(t *testing.T) {
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	conn, _, end := overTCP(t, server, proxy.Config{}, "")
	defer end()
	client := testgrpc.NewTestServiceClient(conn)
	cases := []struct {
		name string
		run  func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)
	}{
		{"empty_unary", interop.DoEmptyUnaryCall},
		{"large_unary", interop.DoLargeUnaryCall},
		{"client_streaming", interop.DoClientStreaming},
		{"server_streaming", interop.DoServerStreaming},
		{"ping_pong", interop.DoPingPong},
		{"empty_stream", interop.DoEmptyStream},
		{"timeout_on_sleeping_server", interop.DoTimeoutOnSleepingServer},
		{"cancel_after_begin", interop.DoCancelAfterBegin},
		{"cancel_after_first_response", interop.DoCancelAfterFirstResponse},
		{"custom_metadata", interop.DoCustomMetadata},
		{"status_code_and_message", interop.DoStatusCodeAndMessage},
		{"special_status_message", interop.DoSpecialStatusMessage},
		{"unimplemented_method", func(ctx context.Context, _ testgrpc.TestServiceClient, _ ...grpc.CallOption) {
			interop.DoUnimplementedMethod(ctx, conn)
		}},
		{"unimplemented_service", func(ctx context.Context, _ testgrpc.TestServiceClient, _ ...grpc.CallOption) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c.run(ctx, client)
		})
	}
}

// overTCP puts a proxy before a gRPC server and connects a client to it, all on
// loopback. The attempts can be read when end has been called.
func overTCP(t testing.TB, server *grpc.Server, cfg proxy.Config, plan string, opts ...grpc.DialOption) (conn *grpc.ClientConn, attempts *[]proxy.Attempt, end func()) {
	t.Helper()
	back, front := listen(t), listen(t)
	var d net.Dialer
	cfg.Dial = func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", back.Addr().String()) }
	cfg.Decider = decider(t, plan)
	var mu sync.Mutex
	attempts = &[]proxy.Attempt{}
	cfg.Attempts = func(a proxy.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		*attempts = append(*attempts, a)
	}
	between, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Serve(back) })
	running.Go(func() { between.Serve(ctx, front) })
	conn, err = grpc.NewClient(front.Addr().String(), append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return conn, attempts, func() {
		conn.Close()
		cancel()
		server.Stop()
		running.Wait()
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
