package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/report"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// loadJob is all that the runs of a command have in common: the target, the
// calls, and what makes them.
type loadJob struct {
	name    string // of what is called
	target  *target
	mix     []engine.Part // one for each method
	bidi    bool          // one of them is a bidi stream
	streams bool          // or streams in one direction
	via     transport.Transport
	events  *engine.Events
	cut     <-chan struct{} // closed when calls under way are to be cut off
	close   func()          // the connections of via
}

// prepare opens the target, encodes the calls and connects.
func (f *loadFlags) prepare(ctx context.Context, e *env, args []string) (*loadJob, error) {
	t, err := f.target.open(ctx, e)
	if err != nil {
		return nil, err
	}
	job := &loadJob{target: t, events: &engine.Events{}, cut: cutOff(ctx), close: func() {}}
	if err := f.prepareCalls(ctx, e, job, args); err != nil {
		job.Close()
		return nil, err
	}
	return job, nil
}

// prepareCalls encodes the calls and connects.
func (f *loadFlags) prepareCalls(ctx context.Context, e *env, job *loadJob, args []string) error {
	s, err := job.target.schema(ctx)
	if err != nil {
		return err
	}
	for i, arg := range args {
		part, method, err := f.part(e, s, arg, i)
		if err != nil {
			return err
		}
		job.streams = job.streams || method.IsStreamingClient() || method.IsStreamingServer()
		job.bidi = job.bidi || method.IsStreamingClient() && method.IsStreamingServer()
		job.mix, job.name = append(job.mix, part), schema.MethodName(method)
	}
	if len(args) > 1 {
		job.name = "mix"
	}
	if (f.turns || f.roundTrip) && !job.bidi {
		return usage(fmt.Sprintf("--turns and --round-trip are for bidi streams, which %s is not", job.name))
	}
	return f.connect(ctx, job)
}

// part encodes the calls of METHOD or METHOD=WEIGHT, the i-th argument.
func (f *loadFlags) part(e *env, s *schema.Schema, arg string, i int) (engine.Part, protoreflect.MethodDescriptor, error) {
	written, weight, err := splitWeight(arg)
	if err != nil {
		return engine.Part{}, nil, err
	}
	method, err := s.Method(written)
	if err != nil {
		return engine.Part{}, nil, err
	}
	calls, err := f.callsOf(e, s, method, i)
	if err != nil {
		return engine.Part{}, nil, err
	}
	part := engine.Part{Weight: weight}
	if f.roundTrip {
		part.Pair = engine.InOrder
	}
	number := func(k int) int { return k }
	if shard := f.shard; shard.of > 1 { // the call that the whole schedule would make of it
		number = func(k int) int { return k*shard.of + shard.part }
	}
	if calls.patched != nil {
		part.Make = func(k int, req *transport.Request) { calls.make(number(k), req) }
	} else {
		part.Next = func(k int) *transport.Request { return calls.fixed[number(k)%len(calls.fixed)] }
	}
	return part, method, nil
}

// splitWeight splits METHOD=WEIGHT; without a weight it is 1.
func splitWeight(arg string) (method string, weight float64, err error) {
	method, text, weighted := strings.Cut(arg, "=")
	if !weighted {
		return method, 1, nil
	}
	if weight, err = strconv.ParseFloat(text, 64); err != nil || !(weight > 0 && weight <= maxRate) {
		return "", 0, usage(fmt.Sprintf("%q: want METHOD=WEIGHT with a weight above 0", arg))
	}
	return method, weight, nil
}

// dataOf returns -d of the i-th method.
func (f *loadFlags) dataOf(i int) string {
	if i < len(f.data) {
		return f.data[i]
	}
	return ""
}

// Close closes what prepare has opened.
func (j *loadJob) Close() {
	if j.via != nil {
		j.via.Close()
	}
	j.close()
	j.target.Close()
}

// measure runs one load, as the flags have it, and returns its figures. When
// ctx ends they are those so far, and there is no error. A command that runs
// several loads changes a copy of the flags.
func (f *loadFlags) measure(ctx context.Context, job *loadJob, progress func(report.Window)) (report.Load, error) {
	load, err := engine.Run(ctx, f.config(job, f.results.windows(job.name, progress)))
	if err != nil && ctx.Err() == nil {
		return report.Load{}, withCode(exitUsage, err)
	}
	return load, nil
}

// config returns the engine's configuration.
func (f *loadFlags) config(job *loadJob, progress func(report.Window)) engine.Config {
	arrival := f.arriving()
	return engine.Config{
		Name: job.name, TransportName: f.transport, Arrival: f.arrivalText(arrival), Transport: job.via,
		Connections: f.connections, Mix: job.mix, Seed: f.results.seed,
		Schedule: f.schedule(arrival), Closed: arrival.Callers, Think: arrival.Think, Stages: arrival.Phases(),
		Warmup: f.warmup, Cooldown: f.cooldown, Duration: f.duration, Requests: f.shard.share(f.requests),
		MaxInFlight: f.maxInFlight, Drain: f.drain, AbortOn: f.aborts, Events: job.events, Progress: progress, Cut: job.cut,
	}
}
