package refserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/proto/detect"
	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/refserver"
)

// world is a running server and a client of it, within a bubble of fake time.
type world struct {
	server   *refserver.Server
	conn     *grpc.ClientConn
	shutdown context.CancelFunc
	served   <-chan error
	log      *syncBuilder
}

// syncBuilder is a strings.Builder that may be written concurrently.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs the test against a server. With creds nil the client is insecure.
func start(t *testing.T, cfg refserver.Config, creds credentials.TransportCredentials, test func(*testing.T, *world)) {
	t.Helper()
	w := &world{log: &syncBuilder{}}
	level := slog.LevelInfo
	if cfg.Log != nil {
		level = slog.LevelDebug
	}
	cfg.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: level}))
	server, err := refserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.server = server
	listener := bufconn.Listen(1 << 16)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.shutdown = cancel
	served := make(chan error, 1)
	w.served = served
	var serving sync.WaitGroup
	serving.Go(func() { served <- server.Serve(ctx, listener) })
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(creds), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	test(t, w)
	_ = conn.Close()
	cancel()
	serving.Wait()
}

// bubble is start within fake time.
func bubble(t *testing.T, cfg refserver.Config, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { start(t, cfg, nil, test) })
}

// hello makes a call; pairs are its metadata.
func (w *world) hello(ctx context.Context, pairs ...string) error {
	ctx = metadata.AppendToOutgoingContext(ctx, pairs...)
	_, err := hello.NewHelloServiceClient(w.conn).SayHello(ctx, &hello.HelloRequest{Greeting: "Ada"})
	return err
}

// slow is the configuration in which callers can make calls slow.
var slow = refserver.Config{FaultsByMetadata: true}

func TestDetection(t *testing.T) {
	bubble(t, refserver.Config{}, func(t *testing.T, w *world) {
		client := detect.NewDetectClient(w.conn)
		got, err := client.Detect(t.Context(), &detect.DetectRequest{Content: `{"request_type":"TEXT","content":"hello"}`})
		if err != nil || !strings.HasPrefix(got.Data, `{"code":0`) {
			t.Errorf("detect: %v, %v", got, err)
		}
		_, err = client.Detect(t.Context(), &detect.DetectRequest{Content: "hello"})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("content that is no JSON: %v, want INVALID_ARGUMENT", err)
		}
	})
}

func TestHealth(t *testing.T) {
	bubble(t, refserver.Config{}, func(t *testing.T, w *world) {
		client := healthpb.NewHealthClient(w.conn)
		for _, service := range []string{"", "Detect", "HelloService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} {
			got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || got.Status != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("health of %q: %v, %v", service, got, err)
			}
		}
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "nope"})
		if status.Code(err) != codes.NotFound {
			t.Errorf("health of an unknown service: %v, want NOT_FOUND", err)
		}
	})
}

func TestHealthEndsWithTheServer(t *testing.T) {
	bubble(t, refserver.Config{}, func(t *testing.T, w *world) {
		stream, err := healthpb.NewHealthClient(w.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "Detect"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []healthpb.HealthCheckResponse_ServingStatus{healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING} {
			if got, err := stream.Recv(); err != nil || got.Status != want {
				t.Errorf("health: %v, %v, want %s", got, err, want)
			}
			w.shutdown()
		}
	})
}

// TestReflection asks both versions. They differ in their names only, so the
// messages of v1 serve for v1alpha, whose Go package is deprecated.
func TestReflection(t *testing.T) {
	want := []string{"Detect", "HelloService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
	bubble(t, refserver.Config{}, func(t *testing.T, w *world) {
		for _, version := range []string{"v1", "v1alpha"} {
			stream, err := w.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
				"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
			if err != nil {
				t.Fatal(err)
			}
			request := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
			if err := stream.SendMsg(request); err != nil {
				t.Fatal(err)
			}
			var response reflectionpb.ServerReflectionResponse
			err = stream.RecvMsg(&response)
			var got []string
			for _, s := range response.GetListServicesResponse().GetService() {
				got = append(got, s.GetName())
			}
			if slices.Sort(got); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s lists %q, %v", version, got, err)
			}
		}
	})
}

func TestMessagesAreLimited(t *testing.T) {
	bubble(t, refserver.Config{MaxMessage: 1000}, func(t *testing.T, w *world) {
		client := hello.NewHelloServiceClient(w.conn)
		for size, want := range map[int]codes.Code{900: codes.OK, 1000: codes.ResourceExhausted} {
			_, err := client.SayHello(t.Context(), &hello.HelloRequest{Greeting: strings.Repeat("x", size)})
			if got := status.Code(err); got != want {
				t.Errorf("%d bytes: %s, want %s", size, got, want)
			}
		}
	})
}

func TestShutdownDrains(t *testing.T) {
	bubble(t, slow, func(t *testing.T, w *world) {
		begin := time.Now()
		result := make(chan error, 1)
		go func() { result <- w.hello(t.Context(), "rpc-behavior", "sleep-3") }()
		synctest.Wait()
		w.shutdown()
		synctest.Wait()
		if err := <-result; err != nil {
			t.Errorf("the call that ran: %v", err)
		}
		if err := <-w.served; err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the server ended after %s, want 3s: with its last call", took)
		}
		if !strings.Contains(w.log.String(), "msg=drained") {
			t.Errorf("log: %s", w.log)
		}
	})
}

func TestShutdownCutsAfterTheGrace(t *testing.T) {
	tests := []struct {
		name  string
		grace time.Duration
		want  time.Duration
	}{
		{"the default", 0, 5 * time.Second},
		{"as configured", time.Minute, time.Minute},
		{"none", -1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, refserver.Config{FaultsByMetadata: true, Grace: test.grace}, func(t *testing.T, w *world) {
				result := make(chan error, 1)
				go func() { result <- w.hello(t.Context(), "rpc-behavior", "keep-open") }()
				synctest.Wait()
				begin := time.Now()
				w.shutdown()
				if err := <-w.served; err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took != test.want {
					t.Errorf("the server ended after %s, want %s", took, test.want)
				}
				if err := <-result; status.Code(err) != codes.Unavailable {
					t.Errorf("the call that was cut: %v, want UNAVAILABLE", err)
				}
			})
		})
	}
}

func TestCutEndsAShutdownAtOnce(t *testing.T) {
	bubble(t, refserver.Config{FaultsByMetadata: true, Grace: time.Hour}, func(t *testing.T, w *world) {
		go func() { _ = w.hello(t.Context(), "rpc-behavior", "keep-open") }()
		synctest.Wait()
		begin := time.Now()
		w.shutdown()
		time.Sleep(time.Second)
		w.server.Cut()
		if err := <-w.served; err != nil || time.Since(begin) != time.Second {
			t.Errorf("the server ended after %s: %v, want 1s", time.Since(begin), err)
		}
	})
}

func TestServeReturnsTheListenersError(t *testing.T) {
	server, err := refserver.New(refserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1)
	_ = listener.Close()
	if err := server.Serve(t.Context(), listener); err == nil || !strings.HasPrefix(err.Error(), "serve bufconn: ") {
		t.Errorf("Serve on a closed listener: %v", err)
	}
}

func TestFaultPlan(t *testing.T) {
	plan, err := fault.Parse("plan.yaml", []byte("\n- {match: {call: 2}, inject: {status: UNAVAILABLE}}"))
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, refserver.Config{Faults: plan}, func(t *testing.T, w *world) {
		for i, want := range []codes.Code{codes.OK, codes.Unavailable, codes.OK} {
			if got := status.Code(w.hello(t.Context())); got != want {
				t.Errorf("call %d: %s, want %s", i+1, got, want)
			}
		}
		if got := w.server.Hits(); !slices.Equal(got, []int{1}) {
			t.Errorf("hits %v, want 1", got)
		}
		w.shutdown()
		<-w.served
		if !strings.Contains(w.log.String(), `msg="fault rule" rule=1 line=2 hits=1`) {
			t.Errorf("the log does not tell the hits: %s", w.log)
		}
	})
}

func TestPlansBeyondTheServerAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- inject: {reset: headers}":                                "reset needs the proxy",
		"- {match: {method: Detect/detekt}, inject: {status: 14}}":  `did you mean "Detect/detect"?`,
		"- {match: {method: grpc.health.v1.*/*}, inject: {rst: 1}}": "rst needs the proxy",
	} {
		plan, err := fault.Parse("plan.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := refserver.New(refserver.Config{Faults: plan}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New with %s: %v, want %q", text, err, want)
		}
	}
}

func TestCallsAreLoggedAtDebug(t *testing.T) {
	bubble(t, refserver.Config{Log: slog.Default()}, func(t *testing.T, w *world) {
		_ = w.hello(t.Context())
		stream, err := hello.NewHelloServiceClient(w.conn).LotsOfReplies(t.Context(), &hello.HelloRequest{})
		for err == nil {
			_, err = stream.Recv()
		}
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		synctest.Wait()
		for _, want := range []string{
			"level=DEBUG msg=call method=/HelloService/SayHello peer=bufconn code=OK duration=0s",
			"level=DEBUG msg=call method=/HelloService/LotsOfReplies peer=bufconn code=OK duration=0s",
		} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, w.log)
			}
		}
	})
	bubble(t, refserver.Config{}, func(t *testing.T, w *world) {
		_ = w.hello(t.Context())
		if strings.Contains(w.log.String(), "msg=call") {
			t.Errorf("calls are logged at info: %s", w.log)
		}
	})
}
