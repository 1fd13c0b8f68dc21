package runner

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// loads runs the load blocks of a file, one after the other. The error says
// why one could not be run.
func (f *fileRun) loads(ctx context.Context) error {
	for _, l := range f.program.Loads {
		if ctx.Err() != nil {
			return nil
		}
		f.Progress("load " + l.Name)
		if err := f.load(ctx, l); err != nil {
			return fmt.Errorf("load %q: %w", l.Name, err)
		}
	}
	return nil
}

// load runs one load and judges its thresholds.
func (f *fileRun) load(ctx context.Context, l *scenario.Load) error {
	run := f.loadSteps
	if l.Session {
		run = f.loadSessions
	}
	result, err := run(ctx, l)
	if err != nil && ctx.Err() == nil {
		return err
	}
	f.report.Loads = append(f.report.Loads, result)
	if ctx.Err() == nil {
		f.thresholds(l, &result)
	}
	return nil
}

// loadSteps makes the calls of steps.
func (f *fileRun) loadSteps(ctx context.Context, l *scenario.Load) (report.Load, error) {
	var check checker
	cfg := f.config(l)
	via, md, closeAll, err := f.connect(ctx, l, cfg.Events)
	if err != nil {
		return report.Load{}, err
	}
	defer closeAll()
	cfg.Transport = via
	for _, part := range l.Parts {
		if p := f.patched(l, part.Step, md); p != nil {
			cfg.Mix = append(cfg.Mix, engine.Part{Weight: part.Weight, Make: p.make, Pair: f.pair(part)})
			check.add(f, part.Step, math.MaxInt)
			continue
		}
		requests, err := f.requests(ctx, l, part.Step)
		if err != nil {
			return report.Load{}, err
		}
		for _, req := range requests {
			req.Metadata = metadata.Join(md, req.Metadata)
		}
		cfg.Mix = append(cfg.Mix, engine.Part{
			Weight: part.Weight,
			Next:   func(k int) *transport.Request { return requests[k%len(requests)] },
			Pair:   f.pair(part),
		})
		check.add(f, part.Step, len(requests))
	}
	if l.Assert > 0 {
		cfg.Check = &engine.Check{Share: l.Assert, Judge: check.judge}
	}
	return engine.Run(ctx, cfg)
}

// config returns what the engine is to know of a load, besides its calls.
func (f *fileRun) config(l *scenario.Load) engine.Config {
	return engine.Config{
		Name: l.Name, TransportName: l.Transport, Arrival: l.Arrival.String(), Connections: max(l.Connections, 1), Seed: f.Seed,
		Schedule: l.Arrival.Schedule(f.Seed, l.Warmup), Closed: l.Arrival.Callers, Think: l.Arrival.Think,
		Warmup: l.Warmup, Cooldown: l.Cooldown, Duration: l.Duration, Requests: l.Requests, Stages: l.Arrival.Phases(),
		MaxInFlight: l.MaxInFlight, AbortOn: l.AbortOn, Events: &engine.Events{}, Progress: f.Window, Cut: f.Cut,
	}
}

// thresholds judges the figures of a load. Those of a load that was cut short
// are not judged.
func (f *fileRun) thresholds(l *scenario.Load, result *report.Load) {
	for _, t := range l.Thresholds {
		if condition, err := report.ParseThreshold(t.Expression); err == nil { // the compiler has seen to that
			f.report.Thresholds = append(f.report.Thresholds, condition.Evaluate(result))
		}
	}
}
