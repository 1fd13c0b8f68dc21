package cli

import (
	"context"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/capacity"
	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// slots is a server that works on so many calls at a time, each for took: it
// answers len(slots)/took calls a second, and not one more.
type slots struct {
	hello.UnimplementedHelloServiceServer
	free chan struct{}
	took time.Duration
}

func (s *slots) SayHello(ctx context.Context, _ *hello.HelloRequest) (*hello.HelloResponse, error) {
	select {
	case s.free <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.free }()
	time.Sleep(s.took)
	return &hello.HelloResponse{}, nil
}

// TestFindMaxFindsAKnownLimit looks for the limit of servers that have one, in
// fake time, over a real connection of grpc-go.
func TestFindMaxFindsAKnownLimit(t *testing.T) {
	for _, row := range []struct {
		name       string
		slots      int
		took       time.Duration
		conditions string
	}{
		{"a latency", 2, 20 * time.Millisecond, "response.p99 < 200ms"},
		{"errors only", 4, 50 * time.Millisecond, "error_rate < 1%"},
		{"a bottleneck of one", 1, 7 * time.Millisecond, "response.p95 < 100ms, error_rate == 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limit := float64(row.slots) / row.took.Seconds()
				conn := serve(t, &slots{free: make(chan struct{}, row.slots), took: row.took})
				found := findMax(t, conn, row.conditions)
				if off := math.Abs(found.FoundRPS/limit - 1); off > 0.05 || !found.Confirmed {
					t.Errorf("found %v/s of %v/s, off by %.1f %%: %+v", found.FoundRPS, limit, 100*off, found)
				}
				if len(found.Points) > 40 {
					t.Errorf("it took %d runs", len(found.Points))
				}
			})
		})
	}
}

// serve serves over an in-memory connection until the test ends.
func serve(t *testing.T, s hello.HelloServiceServer) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, s)
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///slots", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// findMax searches as `loadgen load --find-max` does.
func findMax(t *testing.T, conn *grpc.ClientConn, conditions string) *report.Capacity {
	t.Helper()
	flags := findFlags{conditions: conditions, min: 1, limit: 1e6, precision: 0.02, budget: time.Hour, cooldown: time.Second}
	if err := flags.check(&loadFlags{arrival: "constant"}); err != nil {
		t.Fatal(err)
	}
	search, err := flags.search()
	if err != nil {
		t.Fatal(err)
	}
	via := transport.NewChannel(conn)
	defer via.Close()
	request := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{nil}}
	_, err = flags.explore(t.Context(), search, func(p capacity.Point) (report.Load, error) {
		return engine.Run(t.Context(), engine.Config{
			Name: "slots", Transport: via, Next: func(int) *transport.Request { return request },
			Schedule: pace.Constant(p.Rate), Duration: defaultFindRun,
		})
	}, func(report.CapacityPoint) {})
	if err != nil {
		t.Fatal(err)
	}
	return search.Outcome()
}

// TestFindMaxAddsAConditionOnErrors: a target that refuses quickly has no
// limit otherwise.
func TestFindMaxAddsAConditionOnErrors(t *testing.T) {
	for conditions, added := range map[string]string{
		"response.p99 < 50ms":                    "error_rate < 1%",
		"response.p99 < 50ms, error_rate < 0.1%": "",
		"status.UNAVAILABLE < 1%":                "",
	} {
		flags := findFlags{conditions: conditions, min: 1, limit: 10, precision: 0.02, budget: time.Minute}
		if err := flags.check(&loadFlags{arrival: "poisson"}); err != nil || flags.added != added {
			t.Errorf("%s: added %q, %v, want %q", conditions, flags.added, err, added)
		}
	}
}

// TestFindMaxMistakes: each has a message of its own.
func TestFindMaxMistakes(t *testing.T) {
	ok := findFlags{conditions: "response.p99 < 50ms", min: 1, limit: 10, precision: 0.02, budget: time.Minute}
	with := func(change func(*findFlags)) findFlags { f := ok; change(&f); return f }
	for _, row := range []struct {
		flags findFlags
		load  loadFlags
		want  string
	}{
		{ok, loadFlags{rate: 5}, "excludes --rate"},
		{ok, loadFlags{closed: 5}, "excludes --rate"},
		{ok, loadFlags{session: "a.yaml"}, "rates of its own"},
		{ok, loadFlags{arrival: "sine: {}"}, "rates of its own"},
		{ok, loadFlags{shardText: "1/2"}, "rates of its own"},
		{with(func(f *findFlags) { f.min = 20 }), loadFlags{}, "no range"},
		{with(func(f *findFlags) { f.precision = 0 }), loadFlags{}, "--find-precision"},
		{with(func(f *findFlags) { f.budget = 0 }), loadFlags{}, "--find-budget"},
		{with(func(f *findFlags) { f.conditions = "response.p99 < 50ms, eror_rate < 1%" }), loadFlags{}, "eror_rate"},
	} {
		if row.load.arrival == "" {
			row.load.arrival = "constant"
		}
		if err := row.flags.check(&row.load); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want an error on %q", err, row.want)
		}
	}
}
