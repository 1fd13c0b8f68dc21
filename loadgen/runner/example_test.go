package runner_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/proto/hello"
)

// greeter greets.
type greeter struct {
	hello.UnimplementedHelloServiceServer
}

func (greeter) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	return &hello.HelloResponse{Reply: "hello, " + in.GetGreeting()}, nil
}

func Example() {
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, greeter{})
	go server.Serve(listener)
	defer server.Stop()

	offered := schema.FromFiles(hello.File_hello_hello_proto)
	file, err := scenario.Parse("greet.yaml", []byte(`
version: 1
steps:
  - call: HelloService/SayHello
    send: {greeting: ada}
    expect: {message: {reply: "hello, grace"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := scenario.Compile(file, offered, scenario.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := runner.Run(context.Background(), runner.Config{
		Programs: []*scenario.Program{program},
		Dial: func(context.Context, *scenario.File) (*runner.Target, error) {
			conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
			return &runner.Target{Conn: conn, Schema: offered, Close: func() { conn.Close() }}, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Scenarios[0].Steps[0].Failures {
		fmt.Printf("%s:%d:%d: %s: want %s, got %s\n", f.File, f.Line, f.Column, f.Field, f.Want, f.Got)
	}
	// Output: greet.yaml:6:31: message.reply: want "hello, grace", got "hello, ada"
}
