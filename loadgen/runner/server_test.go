package runner_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// policy is the service config of the tests: the seed's.
const policy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// fakeServer answers every method with Handle, at the level of frames: it may
// send any number of messages whatever the method's kind is.
type fakeServer func(s fakeStream) error

// fakeStream is the server's end of a call.
type fakeStream struct {
	grpc.ServerStream
	method string
}

// recv returns the next greeting; an error at half-close.
func (s fakeStream) recv() (string, error) {
	var in hello.HelloRequest
	err := s.RecvMsg(&in)
	return in.GetGreeting(), err
}

// send sends replies.
func (s fakeStream) send(replies ...string) {
	for _, reply := range replies {
		if err := s.SendMsg(&hello.HelloResponse{Reply: reply}); err != nil {
			return
		}
	}
}

// wait waits for d, or for the end of the call.
func (s fakeStream) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.Context().Done():
	}
}

// hang waits for the end of the call.
func (s fakeStream) hang() error {
	<-s.Context().Done()
	return context.Cause(s.Context())
}

// serve starts the server in memory and returns a target that it is. Both end
// with the test.
func serve(t *testing.T, handle fakeServer) *runner.Target {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(200<<20), grpc.ForceServerCodecV2(codec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		return handle(fakeStream{s, method})
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return dialer(t, listener)
}

// dialer returns the target behind a listener in memory. Its connection ends
// with the test, before what was to be cleaned up earlier.
func dialer(t *testing.T, listener *bufconn.Listener) *runner.Target {
	t.Helper()
	dial := func() (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///memory",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(policy),
			grpc.WithStatsHandler(transport.AttemptHandler{}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(200<<20)))
	}
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &runner.Target{Conn: conn, Schema: testSchema(), ServiceConfig: policy, More: dial}
}

func testSchema() *schema.Schema { return schema.FromFiles(hello.File_hello_hello_proto) }

// rows is every data file.
const rows = `{"who": "ada"}
{"who": "grace"}
{"who": "edsger"}
`

// compile returns the program of a text.
func compile(t testing.TB, name, text string) *scenario.Program {
	t.Helper()
	f, err := scenario.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenario.Compile(f, testSchema(), scenario.Options{ReadFile: func(string) ([]byte, error) { return []byte(rows), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a scenario of the given steps against a server.
func run(t *testing.T, handle fakeServer, steps string) report.Scenario {
	t.Helper()
	r := runWith(t, t.Context(), handle, runner.Config{}, "version: 1\nsteps:\n"+steps)
	return r.Scenarios[0]
}

// runWith runs files of the given texts, which are named a.yaml, b.yaml and so
// on.
func runWith(t *testing.T, ctx context.Context, handle fakeServer, cfg runner.Config, texts ...string) *report.Report {
	t.Helper()
	target := serve(t, handle)
	for i, text := range texts {
		cfg.Programs = append(cfg.Programs, compile(t, string(rune('a'+i))+".yaml", text))
	}
	cfg.Dial = func(context.Context, *scenario.File) (*runner.Target, error) { return target, nil }
	r, err := runner.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// echo answers each greeting with itself, whatever the kind; metadata "reply"
// asks for another number of replies than one each.
func echo(s fakeStream) error {
	for {
		greeting, err := s.recv()
		if err != nil {
			return nil
		}
		s.SetTrailer(metadata.Pairs("x-last", greeting))
		s.send(greeting)
	}
}

// replies sends these replies after the first greeting.
func replies(texts ...string) fakeServer {
	return func(s fakeStream) error {
		if _, err := s.recv(); err != nil {
			return err
		}
		s.send(texts...)
		return nil
	}
}

// countGreetings answers with how many there were, and the last.
func countGreetings(s fakeStream) error {
	n, last := 0, ""
	for {
		greeting, err := s.recv()
		if err != nil {
			s.send(fmt.Sprintf("%d greetings, the last %s", n, last))
			return nil
		}
		n, last = n+1, greeting
	}
}

// garbage sends bytes that are no message.
func garbage(s fakeStream) error {
	return s.SendMsg([]byte{0x0a, 0xff, 0x01})
}

// codec is the usual one, but sends bytes as they are.
type codec struct{ dynamic.RawCodec }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	raw, err := proto.Marshal(v.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(raw)}, err
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(proto.Message))
}
