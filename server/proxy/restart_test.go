package proxy_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"touchstone/proto/hello"
	"touchstone/server/proxy"
)

// slow takes a while for each call, and notes how many it has at a time.
type slow struct {
	hello.UnimplementedHelloServiceServer
	now, most, calls atomic.Int64
}

func (s *slow) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	s.calls.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	select {
	case <-time.After(30 * time.Millisecond):
		return &hello.HelloResponse{Reply: in.Greeting}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// backend is a gRPC server that is replaced by another one now and then.
type backend struct {
	mu       sync.Mutex // guards listener and server
	listener *bufconn.Listener
	server   *grpc.Server
	service  *slow
	running  sync.WaitGroup
}

func (b *backend) dial(ctx context.Context) (net.Conn, error) {
	b.mu.Lock()
	listener := b.listener
	b.mu.Unlock()
	return listener.DialContext(ctx)
}

// start starts a server, and ends the one before with stop.
func (b *backend) start(stop func(*grpc.Server), opts ...grpc.ServerOption) {
	listener, server := bufconn.Listen(1<<20), grpc.NewServer(opts...)
	hello.RegisterHelloServiceServer(server, b.service)
	b.running.Go(func() { server.Serve(listener) })
	b.mu.Lock()
	old := b.server
	b.listener, b.server = listener, server
	b.mu.Unlock()
	if old != nil {
		stop(old)
	}
}

// throughBackend returns a client that reaches the backend through a proxy, and
// what ends both.
func throughBackend(t *testing.T, b *backend, policy string) (hello.HelloServiceClient, func()) {
	t.Helper()
	w := newWire(t, proxy.Config{Dial: b.dial}, "")
	conn, err := grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()), dialer(w.front),
		grpc.WithDefaultServiceConfig(policy), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	return hello.NewHelloServiceClient(conn), func() {
		conn.Close()
		w.close()
		b.server.Stop()
		b.running.Wait()
	}
}

// TestGracefulRestartsLoseNoCall restarts the target under load: it says
// GOAWAY and finishes what it has. No call fails, without any retry policy.
func TestGracefulRestartsLoseNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{service: &slow{}}
		b.start(nil)
		client, end := throughBackend(t, b, noRetry)
		defer end()
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				for range 200 {
					if _, err := client.SayHello(t.Context(), &hello.HelloRequest{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 10 {
			time.Sleep(500 * time.Millisecond)
			b.start((*grpc.Server).GracefulStop)
		}
		callers.Wait()
		if n := b.service.calls.Load(); n != 20*200 {
			t.Errorf("the target carried out %d calls, want 4000", n)
		}
	})
}

// TestCrashesOfTheTarget cuts the target's connections under load: what was
// under way is UNAVAILABLE at once, and the retries of the policy reach the
// next target.
func TestCrashesOfTheTarget(t *testing.T) {
	for _, test := range []struct {
		name, policy string
		fail         bool
	}{{"with a policy", seedPolicy, false}, {"without", noRetry, true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{service: &slow{}}
				b.start(nil)
				client, end := throughBackend(t, b, test.policy)
				defer end()
				var failed atomic.Int64
				var callers sync.WaitGroup
				for range 20 {
					callers.Go(func() {
						for range 100 {
							_, err := client.SayHello(t.Context(), &hello.HelloRequest{})
							switch {
							case status.Code(err) == codes.Unavailable:
								failed.Add(1)
							case err != nil:
								t.Error(err)
							}
						}
					})
				}
				for range 5 {
					time.Sleep(205 * time.Millisecond)
					b.start((*grpc.Server).Stop)
				}
				callers.Wait()
				if n := failed.Load(); (n > 0) != test.fail || n > 5*20 {
					t.Errorf("%d calls failed", n)
				}
			})
		})
	}
}

// TestLimitOfTheTarget sends many calls at once to a target that takes three:
// none is refused, and it never has more.
func TestLimitOfTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{service: &slow{}}
		b.start(nil, grpc.MaxConcurrentStreams(3))
		client, end := throughBackend(t, b, noRetry)
		defer end()
		var callers sync.WaitGroup
		for range 300 {
			callers.Go(func() {
				if _, err := client.SayHello(t.Context(), &hello.HelloRequest{}); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if most, calls := b.service.most.Load(), b.service.calls.Load(); most > 3 || calls != 300 {
			t.Errorf("the target had %d calls at a time, and %d in all; want 3 and 300", most, calls)
		}
	})
}

// TestEndOfTheProxy ends the proxy under load: all goroutines end with it, and
// every attempt has been reported by then.
func TestEndOfTheProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{service: &slow{}}
		b.start(nil)
		w := newWire(t, proxy.Config{Dial: b.dial}, "")
		conn, err := grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()), dialer(w.front))
		if err != nil {
			t.Fatal(err)
		}
		client := hello.NewHelloServiceClient(conn)
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if _, err := client.SayHello(t.Context(), &hello.HelloRequest{}); status.Code(err) != codes.Unavailable {
					t.Errorf("SayHello = %v, want UNAVAILABLE", err)
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		w.close()
		if n := len(w.seen()); n != 100 {
			t.Errorf("%d attempts, want 100", n)
		}
		callers.Wait()
		conn.Close()
		b.server.Stop()
		b.running.Wait()
	})
}
