package ghz_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/ghz"
	"touchstone/loadgen/report"
	"touchstone/proto/hello"
)

// echo answers unary calls and streams, and keeps what it hears.
type echo struct {
	hello.UnimplementedHelloServiceServer
	mu    sync.Mutex // guards heard
	heard map[string]int
}

func (s *echo) hear(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[text]++
}

func (s *echo) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	s.hear(in.Greeting)
	if strings.HasSuffix(in.Greeting, "3") {
		return nil, status.Error(codes.NotFound, "three")
	}
	return &hello.HelloResponse{Reply: in.Greeting}, nil
}

func (s *echo) LotsOfGreetings(stream grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	var all []string
	for in, err := stream.Recv(); err == nil; in, err = stream.Recv() {
		all = append(all, in.Greeting)
	}
	s.hear(strings.Join(all, "+"))
	return stream.SendAndClose(&hello.HelloResponse{})
}

// TestRunMakesTheSameCalls lets ghz make calls, in real time since it has no
// other, and counts them.
func TestRunMakesTheSameCalls(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := &echo{heard: map[string]int{}}
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, heard)
	go server.Serve(listener)
	defer server.Stop()

	encoded := func(texts ...string) [][]byte {
		var out [][]byte
		for _, text := range texts {
			raw, err := proto.Marshal(&hello.HelloRequest{Greeting: text})
			if err != nil {
				t.Error(err)
			}
			out = append(out, raw)
		}
		return out
	}
	methods := hello.File_hello_hello_proto.Services().ByName("HelloService").Methods()
	cfg := ghz.Config{
		Name: "hello", Method: methods.ByName("SayHello"), Host: listener.Addr().String(), Plaintext: true, Connections: 2, Callers: 4,
		Timeout: time.Minute, Requests: 20, Messages: func(k int) [][]byte { return encoded(fmt.Sprintf("call %d", k%4)) },
	}
	l, err := ghz.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"OK": 15, "NOT_FOUND": 5}, l.Statuses); diff != "" || l.Completed != 20 || l.Response.Count != 20 {
		t.Errorf("%d completed, %d in the histogram\n%s", l.Completed, l.Response.Count, diff)
	}
	cfg.Method, cfg.Static = methods.ByName("LotsOfGreetings"), true
	cfg.Messages = func(int) [][]byte { return encoded("a", "b", "") }
	if _, err := ghz.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"call 0": 5, "call 1": 5, "call 2": 5, "call 3": 5, "a+b+": 20}
	if diff := cmp.Diff(want, heard.heard); diff != "" {
		t.Errorf("the server heard (-want +got):\n%s", diff)
	}
}

func TestRunRefusesWhatGhzCannot(t *testing.T) {
	method := hello.File_hello_hello_proto.Services().ByName("HelloService").Methods().ByName("SayHello")
	for _, cfg := range []ghz.Config{{Method: method, Rate: 0.5, Duration: time.Second}, {Method: method, Rate: 5}} {
		if _, err := ghz.Run(t.Context(), cfg); err == nil {
			t.Errorf("Run(%+v) has no error", cfg)
		}
	}
}

func TestDifferences(t *testing.T) {
	p99 := func(ms float64) report.Latency { return report.Latency{Count: 1000, P99: &ms} }
	for _, row := range []struct {
		name      string
		ours, ghz report.Load
		want      string
	}{
		{"calls that were due and not sent", report.Load{OfferedRPS: 500}, report.Load{AchievedRPS: 380}, "coordinated omission"},
		{"a p99 that hides a stall", report.Load{OfferedRPS: 500, Response: p99(4840)}, report.Load{AchievedRPS: 500, Response: p99(1)}, "4840.0 times"},
		{"two closed loops", report.Load{}, report.Load{}, "neither sees a stall"},
		{"more results than ghz keeps", report.Load{}, report.Load{Completed: 3e6, Response: report.Latency{Count: 1e6}}, "the first 1000000 results"},
		{"retries", report.Load{AttemptsPerCall: 1.5}, report.Load{}, "makes no retries"},
	} {
		all := ghz.Differences(&row.ours, &row.ghz)
		if text := strings.Join(all, "\n"); !strings.Contains(text, row.want) {
			t.Errorf("%s:\n%s\nwant %q in it", row.name, text, row.want)
		}
	}
	same := report.Load{OfferedRPS: 500, AchievedRPS: 500, AttemptsPerCall: 1, Response: p99(1)}
	if all := ghz.Differences(&same, &same); len(all) != 2 {
		t.Errorf("figures that agree differ: %q", all)
	}
}
