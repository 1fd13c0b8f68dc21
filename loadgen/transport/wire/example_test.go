package wire_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
)

// exampleTarget serves HelloService in memory, which stop ends.
func exampleTarget() (cfg wire.Config, stop func()) {
	listener := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, greeter{})
	go srv.Serve(listener)
	return wire.Config{
		Authority: "example",
		Dial:      func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) },
	}, srv.Stop
}

// One call to a server in memory. The message is the greeting "hi", encoded.
func Example() {
	cfg, stop := exampleTarget()
	defer stop()
	w, err := wire.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	var res transport.Result
	w.Do(context.Background(), &transport.Request{
		Method: "/HelloService/SayHello", Messages: [][]byte{[]byte("\x0a\x02hi")},
	}, &res)
	fmt.Println(res.Status, res.Received, "message of", res.Bytes, "bytes")
	// Output: OK 1 message of 4 bytes
}

// caller makes its next call when the one before it has ended.
type caller struct {
	via  transport.Starter
	req  *transport.Request
	left int
	over chan struct{}
}

// Ended implements transport.Ender.
func (c *caller) Ended(res *transport.Result) {
	if c.left--; c.left == 0 {
		close(c.over)
		return
	}
	c.via.Start(context.Background(), c.req, res, c)
}

// A thousand calls, ten at a time, without a goroutine for any of them: the
// next call starts from the end of the one before.
func ExampleTransport_Start() {
	cfg, stop := exampleTarget()
	defer stop()
	w, err := wire.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	req := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{[]byte("\x0a\x02hi")}}
	callers := make([]caller, 10)
	for i := range callers {
		callers[i] = caller{via: w, req: req, left: 100, over: make(chan struct{})}
		w.Start(context.Background(), req, new(transport.Result), &callers[i])
	}
	for i := range callers {
		<-callers[i].over
	}
	fmt.Println("connections dialled:", w.Stats().Dialled)
	// Output: connections dialled: 1
}

// A bidi stream, message by message.
func ExampleTransport_Open() {
	cfg, stop := exampleTarget()
	defer stop()
	w, err := wire.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	s := w.Open(context.Background(), &transport.Request{Method: "/HelloService/BidiHello", Kind: transport.BidiStream})
	for _, m := range []string{"\x0a\x02hi", "\x0a\x03you"} {
		if err := s.Send([]byte(m)); err != nil {
			break
		}
		if answer, err := s.Recv(); err == nil {
			fmt.Printf("%q\n", answer)
		}
	}
	s.CloseSend()
	_, err = s.Recv()
	fmt.Println(err, s.Status().Code())
	// Output:
	// "\n\x02hi"
	// "\n\x03you"
	// EOF OK
}
