package transport_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// The message is encoded once, however often the call is made.
func Example() {
	listener := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, &server{say: echo})
	go srv.Serve(listener)
	defer srv.Stop()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(transport.AttemptHandler{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	message, _ := proto.Marshal(&hello.HelloRequest{Greeting: "hi"})
	request := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{message}}
	channel := transport.NewChannel(conn)
	var result transport.Result
	for range 3 {
		channel.Do(context.Background(), request, &result)
		fmt.Println(result.Status, result.Received, result.Attempts)
	}
	// Output:
	// OK 1 1
	// OK 1 1
	// OK 1 1
}
