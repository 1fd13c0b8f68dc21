package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/detect"
	"touchstone/proto/hello"
	"touchstone/server/proxy"
)

// known is the schema of the reference server.
func known() *schema.Schema {
	return schema.FromFiles(protoreflect.FileDescriptor(detect.File_detect_detect_proto), protoreflect.FileDescriptor(hello.File_hello_hello_proto))
}

// server serves in memory until the test, or its bubble, ends.
type server interface {
	Serve(ctx context.Context, listener net.Listener) error
}

// serve starts a server and returns how to reach it, and what ends it.
func serve(s server) (dial func(context.Context) (net.Conn, error), stop func()) {
	listener := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Serve(ctx, listener) })
	return listener.DialContext, func() { cancel(); running.Wait() }
}

// plain makes a grpc.Server a server.
type plain struct{ *grpc.Server }

// Serve stops the server hard when ctx ends.
func (p plain) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, p.Stop)
	defer stop()
	return p.Server.Serve(listener)
}

// connect returns a connection through dial.
func connect(t testing.TB, dial func(context.Context) (net.Conn, error)) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// via connects over a transport, and says how to hang up.
func via(t testing.TB, transport string, dial func(context.Context) (net.Conn, error)) (conn grpc.ClientConnInterface, hangUp func()) {
	t.Helper()
	if transport != "wire" {
		conn := connect(t, dial)
		conn.Connect()
		return conn, func() { conn.Close() }
	}
	w, err := wire.New(wire.Config{Dial: dial, Authority: "memory"})
	if err == nil {
		err = w.Connect(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return replay.Over(w, nil), func() { w.Close() }
}

// record records what calls does to a target, through a proxy, and returns the
// recording's path.
func record(t testing.TB, dial func(context.Context) (net.Conn, error), calls func(*grpc.ClientConn)) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "session.grpcfix")
	started := time.Now()
	writer, err := fixture.Create(name, fixture.Header{Started: started}, known(), fixture.WriterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tape := replay.NewTape(fixture.NewRecorder(writer, started, fixture.RecorderConfig{Schema: known()}))
	between, err := proxy.New(proxy.Config{Dial: dial, Tap: tape.Tap})
	if err != nil {
		t.Fatal(err)
	}
	front, stop := serve(between)
	conn := connect(t, front)
	calls(conn)
	conn.Close()
	stop()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if counts := tape.Counts(); counts.Open > 0 {
		t.Fatalf("%d calls have no end", counts.Open)
	}
	return name
}

// opener opens a recording.
func opener(name string) func() (*fixture.File, error) {
	return func() (*fixture.File, error) { return fixture.Open(name) }
}

// run replays.
func run(t testing.TB, cfg replay.Config) replay.Outcome {
	t.Helper()
	outcome, err := replay.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// texts are what the calls of the mix say: good, bad, and wrong.
var texts = []string{"see you at lunch", "澳门赌场 上线了", "出售枪支", "Scunthorpe is a town"}

// mix makes calls of all four kinds, many at a time: n of each.
func mix(t testing.TB, conn *grpc.ClientConn, n int) {
	t.Helper()
	client, greeter := detect.NewDetectClient(conn), hello.NewHelloServiceClient(conn)
	kinds := []func(ctx context.Context, i int) error{
		func(ctx context.Context, i int) error {
			if i%10 == 0 { // an error with details
				_, err := client.Detect(ctx, &detect.DetectRequest{Content: `{"request_type": "NONE"}`})
				return wanted(err)
			}
			_, err := client.Detect(ctx, request(i), grpc.UseCompressor([]string{gzip.Name, ""}[i%2]))
			return err
		},
		func(ctx context.Context, i int) error {
			content := fmt.Sprintf(`{"request_type":"TEXT_BATCH","contents":[{"id":"a","content":%q},{"id":"b","content":%q}]}`, texts[i%4], texts[(i+1)%4])
			stream, err := client.DetectEach(ctx, &detect.DetectRequest{Content: content})
			return errors.Join(err, drain(stream))
		},
		func(ctx context.Context, i int) error {
			stream, err := client.DetectAll(ctx)
			if err != nil {
				return err
			}
			for k := range 3 {
				if err := stream.Send(request(i + k)); err != nil {
					return err
				}
			}
			_, err = stream.CloseAndRecv()
			return err
		},
		func(ctx context.Context, i int) error {
			if i%2 == 0 {
				return talk(ctx, greeter, i)
			}
			ctx = metadata.AppendToOutgoingContext(ctx, "detect-reply", []string{"each", "end", "every=2"}[i%3])
			stream, err := client.DetectLive(ctx)
			if err != nil {
				return err
			}
			for k := range 4 {
				if err := stream.Send(request(i + k)); err != nil {
					return err
				}
			}
			return errors.Join(stream.CloseSend(), drain(stream))
		},
	}
	var callers sync.WaitGroup
	for worker := range 16 {
		callers.Go(func() {
			for i := worker; i < len(kinds)*n; i += 16 {
				if err := kinds[i%len(kinds)](t.Context(), i/len(kinds)); err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	callers.Wait()
}

func request(i int) *detect.DetectRequest {
	return &detect.DetectRequest{Content: fmt.Sprintf(`{"request_type":"TEXT","request_id":"r-%d","content":%q}`, i, texts[i%4])}
}

// wanted turns a missing error into one.
func wanted(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

// talk alternates sending and receiving.
func talk(ctx context.Context, client hello.HelloServiceClient, i int) error {
	stream, err := client.BidiHello(ctx)
	if err != nil {
		return err
	}
	for k := range 3 {
		if err := stream.Send(&hello.HelloRequest{Greeting: fmt.Sprint("g", i, k)}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return errors.Join(stream.CloseSend(), drain(stream))
}

// drain receives to the end of a stream.
func drain[M any](stream interface{ Recv() (*M, error) }) error {
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// readFile reads a file of the project.
func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
