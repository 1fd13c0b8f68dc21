package ghz

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bojand/ghz/runner"
	//lint:ignore SA1019 the types of ghz's options are of this package
	"github.com/jhump/protoreflect/desc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// Config is the work that ghz's runner is given.
type Config struct {
	Name   string
	Method protoreflect.MethodDescriptor
	Host   string

	Plaintext, SkipVerify bool
	CACert, Cert, Key     string
	ServerName, Authority string
	Metadata              map[string]string
	MaxMessage            int
	Connections           int
	Timeout, Interval     time.Duration
	Rate                  float64 // calls a second; 0 is a closed loop
	Callers               int     // of the closed loop; with a rate, ghz's workers
	Duration              time.Duration
	Requests              int
	Messages              func(k int) [][]byte // of the k-th call, encoded
	Static                bool                 // Messages is the same for all calls
}

// Workers is how many workers ghz has when it is not told: with a rate, the
// calls that are due while all of them wait are not made in time.
const Workers = 50

// Run runs ghz's runner and returns its figures as a load's. Both its response
// and its service times are what ghz calls latency: from the moment that a
// worker sends the call. When ctx ends, the run goes on to its bound.
func Run(ctx context.Context, cfg Config) (*report.Load, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out, err := runner.Run(string(cfg.Method.FullName()), cfg.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("ghz: %w", err)
	}
	return cfg.load(out), nil
}

// options returns the work as ghz's runner takes it.
func (cfg *Config) options() ([]runner.Option, error) {
	set, err := protoset(cfg.Method.ParentFile())
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Rate > 0 && (cfg.Rate < 1 || cfg.Rate != math.Trunc(cfg.Rate)):
		return nil, fmt.Errorf("ghz takes whole calls a second, not %v", cfg.Rate)
	case cfg.Duration <= 0 && cfg.Requests <= 0:
		return nil, errors.New("ghz needs a duration or a number of requests")
	}
	workers := cfg.Callers
	if workers == 0 {
		workers = Workers
	}
	options := []runner.Option{
		runner.WithProtosetBinary(set), runner.WithInsecure(cfg.Plaintext), runner.WithSkipTLSVerify(cfg.SkipVerify),
		runner.WithRootCertificate(cfg.CACert), runner.WithCertificate(cfg.Cert, cfg.Key),
		runner.WithServerNameOverride(cfg.ServerName), runner.WithAuthority(cfg.Authority), runner.WithMetadata(cfg.Metadata),
		runner.WithConnections(uint(max(cfg.Connections, 1))), runner.WithConcurrency(uint(max(workers, cfg.Connections))),
		runner.WithTimeout(cfg.Timeout), runner.WithStreamInterval(cfg.Interval), runner.WithCountErrors(true),
		runner.WithRPS(uint(cfg.Rate)), runner.WithTotalRequests(total(cfg.Requests)), runner.WithDurationStopAction("wait"),
	}
	if cfg.Duration > 0 {
		options = append(options, runner.WithRunDuration(cfg.Duration))
	}
	if cfg.MaxMessage > 0 {
		options = append(options, runner.WithDefaultCallOptions([]grpc.CallOption{
			grpc.MaxCallRecvMsgSize(cfg.MaxMessage), grpc.MaxCallSendMsgSize(cfg.MaxMessage),
		}))
	}
	if cfg.Static {
		return append(options, runner.WithBinaryData(delimited(cfg.Messages(0)))), nil
	}
	return append(options, runner.WithBinaryDataFunc(func(_ *desc.MethodDescriptor, call *runner.CallData) []byte {
		return delimited(cfg.Messages(int(call.RequestNumber)))
	})), nil
}

// total is the number of requests that bounds a run; ghz takes the largest
// there is for a run that its duration bounds.
func total(requests int) uint {
	if requests == 0 {
		return math.MaxInt32
	}
	return uint(requests)
}

// delimited puts the length before each message, which is how ghz tells
// several from one.
func delimited(messages [][]byte) []byte {
	var out []byte
	for _, m := range messages {
		out = protowire.AppendBytes(out, m)
	}
	return out
}

// protoset returns a file and all that it imports, those first.
func protoset(file protoreflect.FileDescriptor) ([]byte, error) {
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] || f.IsPlaceholder() {
			return
		}
		seen[f.Path()] = true
		imports := f.Imports()
		for i := range imports.Len() {
			add(imports.Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(file)
	raw, err := proto.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("schema for ghz: %w", err)
	}
	return raw, nil
}

// load returns ghz's figures as a load's. Quantiles are those of the results
// that ghz keeps, the first million.
func (cfg *Config) load(out *runner.Report) *report.Load {
	latency := hist.New()
	for _, d := range out.Details {
		latency.Record(d.Latency)
	}
	kind := transport.KindOf(cfg.Method.IsStreamingClient(), cfg.Method.IsStreamingServer())
	l := &report.Load{
		Name: cfg.Name, Method: schema.MethodName(cfg.Method), Kind: kind.String(), Transport: "ghz", Arrival: cfg.arrival(),
		OfferedRPS: cfg.Rate, AchievedRPS: out.Rps, Scheduled: int64(out.Count), Sent: int64(out.Count),
		Completed: int64(out.Count), Statuses: map[string]int64{}, Connections: max(cfg.Connections, 1),
		Response: report.Latencies(latency), Service: report.Latencies(latency),
	}
	for name, n := range out.StatusCodeDist {
		l.Statuses[statusName(name)] += int64(n)
	}
	return l
}

func (cfg *Config) arrival() string {
	if cfg.Rate > 0 {
		return fmt.Sprintf("constant %v/s", cfg.Rate)
	}
	return fmt.Sprintf("closed %d", cfg.Callers)
}

// statusName returns the name of a status as reports have it: ghz writes Go's.
func statusName(name string) string {
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if code.String() == name {
			return report.StatusName(uint32(code))
		}
	}
	return strings.ToUpper(name)
}

// goName is the reverse of statusName.
func goName(name string) string {
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if report.StatusName(uint32(code)) == name {
			return code.String()
		}
	}
	return name
}

// Differences says why the figures of ghz and of loadgen are not the same, as
// far as it shows in these.
func Differences(ours, ghz *report.Load) []string {
	out := []string{"ghz counts the latency of a call from the moment a worker sends it, loadgen the response time from the moment the call was due"}
	if ours.OfferedRPS > 0 {
		due := ours.OfferedRPS
		if ghz.AchievedRPS < 0.99*due {
			out = append(out, fmt.Sprintf("ghz made %.0f calls a second of the %.0f that were due: while all its workers wait, a call that is due is not sent, "+
				"and its waiting is in no figure (coordinated omission)", ghz.AchievedRPS, due))
		}
		if o, g := ours.Response.P99, ghz.Response.P99; o != nil && g != nil && *o > 1.5**g && *o-*g > 1 {
			out = append(out, fmt.Sprintf("the p99 here is %.1f times that of ghz: look at the slowest moments, which ghz has few or no calls in", *o / *g))
		}
	} else {
		out = append(out, "both are closed loops here: neither sees a stall of the target, beyond one call for each caller")
	}
	if kept := ghz.Response.Count; kept < ghz.Completed {
		out = append(out, fmt.Sprintf("ghz keeps the first %d results: its quantiles leave out the %d calls after them", kept, ghz.Completed-kept))
	}
	if ours.AttemptsPerCall > 1 {
		out = append(out, fmt.Sprintf("calls here are retried as the service config says (%.3g attempts a call); ghz makes no retries", ours.AttemptsPerCall))
	}
	return append(out, "ghz decodes each response, which is part of its CPU time and, on a busy machine, of its latency")
}
