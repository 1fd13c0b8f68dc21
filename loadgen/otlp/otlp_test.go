package otlp_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/otlp"
	"touchstone/loadgen/report"
)

// sample is a report of one load of n calls.
func sample(n int) *report.Report {
	random, h := rand.New(rand.NewPCG(1, 2)), hist.New()
	for range n {
		h.Record(time.Duration(math.Exp(random.NormFloat64()) * float64(time.Millisecond)))
	}
	return &report.Report{Name: "load", Started: time.Unix(1000, 0), DurationMS: 2000, Passed: true, Loads: []report.Load{{
		Name: "hello \xff", Method: "/HelloService/SayHello", Kind: "unary", Transport: "wire", OfferedRPS: 100, Dropped: 3,
		Statuses: map[string]int64{"OK": int64(n) - 2, "UNAVAILABLE": 2}, Response: report.Latencies(h), Lag: report.Latencies(hist.New()),
	}}}
}

// find returns a metric by its name.
func find(t *testing.T, request *collector.ExportMetricsServiceRequest, name string) *metrics.Metric {
	t.Helper()
	for _, m := range request.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no metric %s", name)
	return nil
}

func Example() {
	request := otlp.Metrics(sample(1000))
	for _, m := range request.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		if h := m.GetExponentialHistogram(); h != nil {
			fmt.Println(m.Name, m.Unit, h.DataPoints[0].Count)
		}
	}
	// Output:
	// touchstone.load.response.duration s 1000
}

// TestHistogramTellsTheQuantiles reads quantiles off the buckets, as a backend
// does, and holds them against the report's.
func TestHistogramTellsTheQuantiles(t *testing.T) {
	r := sample(20_000)
	p := find(t, otlp.Metrics(r), "touchstone.load.response.duration").GetExponentialHistogram().DataPoints[0]
	if n := len(p.Positive.BucketCounts); n > 160 {
		t.Errorf("%d buckets, want at most 160", n)
	}
	quantile := func(q float64) float64 {
		rank, sum := uint64(math.Ceil(q*float64(p.Count))), p.ZeroCount
		for i, n := range p.Positive.BucketCounts {
			if sum += n; sum >= rank {
				return math.Exp2(math.Ldexp(float64(p.Positive.Offset)+float64(i)+0.5, -int(p.Scale)))
			}
		}
		return math.NaN()
	}
	width := math.Exp2(math.Ldexp(1, -int(p.Scale)))
	l := r.Loads[0].Response
	for q, want := range map[float64]float64{0.5: *l.P50, 0.9: *l.P90, 0.99: *l.P99} {
		if got := quantile(q) * 1000; got > want*width || got < want/width {
			t.Errorf("p%g is %.4g ms by the buckets, which are %.3f wide; the report says %.4g ms", 100*q, got, width, want)
		}
	}
	sum := p.ZeroCount
	for _, n := range p.Positive.BucketCounts {
		sum += n
	}
	if sum != p.Count || p.Count != 20_000 || math.Abs(*p.Max*1000-l.Max) > 1e-9 {
		t.Errorf("the buckets hold %d of %d, max %v s", sum, p.Count, *p.Max)
	}
	if p.TimeUnixNano-p.StartTimeUnixNano != uint64(2*time.Second) {
		t.Errorf("the span is %d ns", p.TimeUnixNano-p.StartTimeUnixNano)
	}
}

func TestMetricsCanBeSent(t *testing.T) {
	r := sample(100)
	r.Name, r.Target.Address = "\x00\xff\u202e", "\xc3\x28"
	if _, err := proto.Marshal(otlp.Metrics(r)); err != nil {
		t.Errorf("foreign text: %v", err)
	}
	r.Loads[0].Response.HDR = "noise"
	if _, err := proto.Marshal(otlp.Metrics(&report.Report{Loads: r.Loads})); err != nil {
		t.Errorf("a report without histograms: %v", err)
	}
	statuses := find(t, otlp.Metrics(r), "touchstone.load.completed").GetSum()
	if len(statuses.DataPoints) != 2 || !statuses.IsMonotonic || statuses.DataPoints[1].GetAsDouble() != 2 {
		t.Errorf("%+v", statuses)
	}
}

// fakeCollector answers with one status after the other, the last for ever.
type fakeCollector struct {
	answers []codes.Code
	partial int64
	calls   int
	got     *collector.ExportMetricsServiceRequest
	key     []string
}

func (c *fakeCollector) export(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request collector.ExportMetricsServiceRequest
	if err := decode(&request); err != nil {
		return nil, err
	}
	code := c.answers[min(c.calls, len(c.answers)-1)]
	c.calls++
	md, _ := metadata.FromIncomingContext(ctx)
	c.key = md["x-key"]
	if code != codes.OK {
		return nil, status.Error(code, "not now")
	}
	c.got = &request
	return &collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: c.partial, ErrorMessage: "too old"}}, nil
}

// send sends a report to a collector, over memory and with fake time.
func send(c *fakeCollector, headers string) error {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "opentelemetry.proto.collector.metrics.v1.MetricsService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: c.export}}}, c)
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	err := otlp.Send(context.Background(), otlp.Config{Address: "passthrough:///collector", Headers: headers, Options: []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	}}, sample(100))
	server.Stop()
	<-done
	return err
}

func TestSend(t *testing.T) {
	for _, tt := range []struct {
		name    string
		c       fakeCollector
		headers string
		want    string // in the error; "" is success
		calls   int
	}{
		{"at once", fakeCollector{answers: []codes.Code{codes.OK}}, "x-key=a%20secret,x-other=1", "", 1},
		{"again, when the collector is not ready", fakeCollector{answers: []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.OK}}, "", "", 3},
		{"not for ever", fakeCollector{answers: []codes.Code{codes.Unavailable}}, "", "Unavailable", 5},
		{"not again, when it is refused", fakeCollector{answers: []codes.Code{codes.Unauthenticated}}, "", "Unauthenticated", 1},
		{"part of it is refused", fakeCollector{answers: []codes.Code{codes.OK}, partial: 2}, "", "2 points were refused: too old", 1},
		{"a header is no header", fakeCollector{answers: []codes.Code{codes.OK}}, "secret", "header 1 is not name=value", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := send(&tt.c, tt.headers)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
				if tt.c.calls != tt.calls || time.Since(start) > 10*time.Second {
					t.Errorf("%d calls in %v, want %d", tt.c.calls, time.Since(start), tt.calls)
				}
				if tt.want == "" && find(t, tt.c.got, "touchstone.load.response.duration") == nil {
					t.Error("nothing came")
				}
				if tt.headers == "x-key=a%20secret,x-other=1" && (len(tt.c.key) != 1 || tt.c.key[0] != "a secret") {
					t.Errorf("the header reads %q", tt.c.key)
				}
			})
		})
	}
}
