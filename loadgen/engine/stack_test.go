package engine_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/inject"
)

// bothTransports runs a test over each real transport, to a server in memory
// and in fake time, over ten connections.
func bothTransports(t *testing.T, server func() *grpc.Server, test func(t *testing.T, via transport.Transport)) {
	connect := map[string]func(*testing.T, *bufconn.Listener) transport.Transport{"channel": channelTo, "wire": wireOver}
	for name, connect := range connect {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := bufconn.Listen(1 << 20)
				srv := server()
				hello.RegisterHelloServiceServer(srv, greeter{})
				go srv.Serve(listener)
				t.Cleanup(srv.Stop)
				via := connect(t, listener)
				t.Cleanup(func() { via.Close() })
				test(t, via)
			})
		})
	}
}

const connections = 10

func channelTo(t *testing.T, listener *bufconn.Listener) transport.Transport {
	var conns []grpc.ClientConnInterface
	for range connections {
		conn, err := grpc.NewClient("passthrough:memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithStatsHandler(transport.AttemptHandler{}), grpc.WithDefaultServiceConfig(policy))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return transport.NewChannel(conns...)
}

func wireOver(t *testing.T, listener *bufconn.Listener) transport.Transport {
	w, err := wire.New(wire.Config{
		Authority: "memory", Connections: connections,
		Dial: func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestServerStops stops a real server for 5 s in a run of 20 s at 500 calls a
// second over 10 connections, with the defaults of everything. One percent of
// the calls, 100, wait longer than the one that is due 200 ms after the stop:
// p99 is 4.8 s, and what the answer takes, which is no time here.
func TestServerStops(t *testing.T) {
	server := func() *grpc.Server {
		// The server starts with the run, within the second that the warm-up is.
		from, to := time.Now().Add(6*time.Second), time.Now().Add(11*time.Second)
		return grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if now := time.Now(); !now.Before(from) {
				time.Sleep(to.Sub(now))
			}
			return handler(ctx, req)
		}))
	}
	bothTransports(t, server, func(t *testing.T, via transport.Transport) {
		l := run(t, engine.Config{Transport: via, Schedule: pace.Constant(500), Warmup: time.Second, Duration: 20 * time.Second})
		within(t, "response p99", l.Response.P99, 4800*time.Millisecond)
		within(t, "response max", &l.Response.Max, 5*time.Second)
		if l.Statuses["OK"] != 10_000 || l.Dropped != 0 || l.Lag.Max != 0 {
			t.Errorf("%v, %d dropped, lag %v; want all OK, none, and none", l.Statuses, l.Dropped, l.Lag.Max)
		}
		r := report.Report{Loads: []report.Load{l}}
		if r.Finish(); r.ExitCode != 0 {
			t.Errorf("exit code %d, %q: a target that stops is no fault of the generator", r.ExitCode, r.Validity.Reasons)
		}
	})
}

// TestServerDelays injects delays of a known distribution into a real server,
// and compares every quantile that is reported with that of a sorted list of
// the very delays. Nothing else takes time here, so the histogram's precision
// is all that may be between them.
func TestServerDelays(t *testing.T) {
	plan, err := fault.Parse("plan", []byte("- {inject: {delay: {distribution: lognormal, median: 20ms, sigma: 0.8, max: 2s}}}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, schedule := range map[string]func(float64, uint64) func(func(time.Duration) bool){
		"constant": func(rate float64, _ uint64) func(func(time.Duration) bool) { return pace.Constant(rate) },
		"poisson":  func(rate float64, seed uint64) func(func(time.Duration) bool) { return pace.Poisson(rate, seed) },
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex // guards delays
			var delays []time.Duration
			server := func() *grpc.Server {
				delays = nil
				injector, err := inject.New(inject.Config{Plan: plan, Seed: 7})
				if err != nil {
					t.Fatal(err)
				}
				watch := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
					start := time.Now()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						delays = append(delays, time.Since(start))
					}()
					return handler(ctx, req)
				}
				return grpc.NewServer(grpc.ChainUnaryInterceptor(watch, injector.Unary))
			}
			bothTransports(t, server, func(t *testing.T, via transport.Transport) {
				l := run(t, engine.Config{Transport: via, Schedule: schedule(300, 3), Requests: 5000})
				mu.Lock()
				defer mu.Unlock()
				checkQuantiles(t, &l.Response, delays)
				checkQuantiles(t, &l.Service, delays)
			})
		})
	}
}

// checkQuantiles compares every figure of a distribution with the values.
func checkQuantiles(t *testing.T, got *report.Latency, values []time.Duration) {
	t.Helper()
	slices.Sort(values)
	if got.Count != int64(len(values)) {
		t.Fatalf("%d values, want %d", got.Count, len(values))
	}
	at := func(q float64) time.Duration { return values[max(int(math.Ceil(q*float64(len(values))-1e-9)), 1)-1] }
	for q, v := range map[float64]*float64{
		0: &got.Min, 0.5: got.P50, 0.75: got.P75, 0.9: got.P90, 0.95: got.P95, 0.99: got.P99, 0.999: got.P999, 1: &got.Max,
	} {
		within(t, fmt.Sprint("quantile ", q), v, at(q))
	}
	h, err := hist.Decode(got.HDR)
	if err != nil {
		t.Fatal(err)
	}
	for q := 0.01; q < 1; q += 0.01 {
		ms := report.Milliseconds(h.Quantile(q))
		within(t, fmt.Sprintf("quantile %.2f of the histogram", q), &ms, at(q))
	}
}

// TestExamplesShowAttempts: the slowest calls are those that were retried, and
// show it.
func TestExamplesShowAttempts(t *testing.T) {
	plan, err := fault.Parse("plan", []byte("- {match: {attempt: 1, every: 50}, inject: {status: UNAVAILABLE}}"))
	if err != nil {
		t.Fatal(err)
	}
	server := func() *grpc.Server {
		injector, err := inject.New(inject.Config{Plan: plan, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		return grpc.NewServer(grpc.UnaryInterceptor(injector.Unary))
	}
	bothTransports(t, server, func(t *testing.T, via transport.Transport) {
		l := run(t, engine.Config{Transport: via, Schedule: pace.Constant(100), Requests: 200})
		_, retries := via.(*transport.Channel)
		for _, c := range l.Calls {
			switch {
			case retries && (len(c.Attempts) != 2 || c.Attempts[0].Status != "UNAVAILABLE") && c.DoneMS > 1:
				t.Errorf("attempts %+v of a call that took %v ms", c.Attempts, c.DoneMS)
			case !retries && c.Why == "failed" && c.Status != "UNAVAILABLE":
				t.Errorf("failed with %s", c.Status)
			}
		}
		if failed := l.Statuses["UNAVAILABLE"]; len(l.Calls) < 4 || retries != (failed == 0) {
			t.Errorf("%d examples, %d calls failed", len(l.Calls), failed)
		}
	})
}
