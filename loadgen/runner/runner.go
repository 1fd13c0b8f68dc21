// Package runner executes compiled scenarios against a target.
//
// Files run in order, and the steps of a file one after the other. Every call,
// of whatever kind, is one stream whose messages are taken off as they come
// and judged by the operations of the step. Every wait has a bound: that of the
// operation, else the step's timeout, else [Config.Guard]; what is stuck ends
// with a finding that names both ends.
//
// The first operation that finds something ends its step and cancels the call.
// Later steps still run, unless they need a value that was never saved.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// Config says what to run, and against what. Programs and Dial are needed.
type Config struct {
	// Programs run in this order.
	Programs []*scenario.Program
	// Dial connects to the target of a file. It is asked once for each file
	// that runs; the runner closes what it returns.
	Dial func(ctx context.Context, f *scenario.File) (*Target, error)

	Seed uint64
	// Env looks up environment variables. Nil is os.LookupEnv.
	Env func(string) (string, bool)

	// Run leaves out the scenarios whose name and file it does not match. Nil
	// matches all.
	Run *regexp.Regexp
	// Tags leave out scenarios that have none of them, and those that have one
	// written with a "!" in front.
	Tags []string
	// Known lists what is known to fail; see [Known.Check]. Nil lists nothing.
	Known *Known
	// FailFast skips what comes after the first scenario that failed.
	FailFast bool
	// Loads says what to do with load blocks. The zero value runs them.
	Loads LoadMode

	// Step, when set, gets each step of a file as it ends.
	Step func(file string, step report.Step)

	// Reproduce, when set, returns the commands that make a failed call again:
	// one of loadgen, and the equal one of grpcurl or "".
	Reproduce func(Failed) (loadgen, grpcurl string)

	// Cut, when set, is closed when the calls of a load that are under way are
	// to be cut off. Until then they may end, even after the end of ctx.
	Cut <-chan struct{}

	// Guard bounds operations that have no other bound. 0 is 10 s.
	Guard time.Duration
	// Log may be nil. Progress, when set, is told what starts: a file, or
	// "load" and its name. Ended, when set, gets each scenario as it ends, and
	// Window each second of a load.
	Log      *slog.Logger
	Progress func(what string)
	Ended    func(report.Scenario)
	Window   func(report.Window)
}

// LoadMode says what to do with load blocks.
type LoadMode int

// The modes. OnlyLoads leaves out files without a load block; the steps of the
// others run, since a load may use what they save.
const (
	AllLoads LoadMode = iota
	NoLoads
	OnlyLoads
)

// Target is a connection to what a file is run against.
type Target struct {
	Conn   grpc.ClientConnInterface
	Schema *schema.Schema
	// ServiceConfig is the service config in force, as JSON.
	ServiceConfig string
	// More makes another connection, which the caller closes. It is asked for
	// loads of several connections; nil when there can be none.
	More func() (*grpc.ClientConn, error)
	// Counted is More for unary loads: what it makes has no AttemptHandler, but
	// the service config of transport.CountAttempts. Nil: they take Conn, and
	// More.
	Counted func() (*grpc.ClientConn, error)
	// Wire returns a transport of that kind with n connections, all of them up,
	// and the metadata that calls over it need. What happens to the connections
	// goes into events. Nil: there is none.
	Wire func(ctx context.Context, n int, events *engine.Events) (transport.Transport, metadata.MD, error)
	// Unmet returns what the file asks for and did not come about, such as
	// faults that were never hit, when all has run. Nil: nothing can be unmet.
	Unmet func() []scenario.Finding
	// Close frees what was made for this file. Nil frees nothing.
	Close func()
}

// defaultGuard is Config.Guard when it is 0.
const defaultGuard = 10 * time.Second

// interrupted is the reason of what a cancelled context kept from running.
const interrupted = report.Interrupted

// Run runs the programs that the configuration wants. What fails is in the
// report; the error says that the configuration makes no sense.
//
// When ctx ends, the report holds what ran so far, and the rest as skipped. The
// caller fills in what the report says of tool, target and command.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	if cfg.Dial == nil && len(cfg.Programs) > 0 {
		return nil, errors.New("run scenarios: nothing to dial with")
	}
	r := newRun(cfg)
	start := time.Now()
	failed := false
	for _, p := range r.Programs {
		if !r.Wants(p.File) {
			continue
		}
		reason := ""
		switch {
		case ctx.Err() != nil:
			reason = interrupted
		case failed && cfg.FailFast:
			reason = "a scenario before it failed"
		default:
			reason = p.File.Skip
		}
		result := r.scenario(ctx, p, reason)
		failed = failed || result.Status == report.Failed || result.Status == report.Error
		r.report.Scenarios = append(r.report.Scenarios, result)
		r.Ended(result)
	}
	r.report.Started = start
	r.report.DurationMS = report.Milliseconds(time.Since(start))
	r.report.Finish()
	return r.report, nil
}

// run is one run.
type run struct {
	Config
	report  *report.Report
	secrets *secrets
}

// newRun fills in the defaults.
func newRun(cfg Config) *run {
	if cfg.Guard == 0 {
		cfg.Guard = defaultGuard
	}
	if cfg.Env == nil {
		cfg.Env = os.LookupEnv
	}
	hidden := &secrets{}
	cfg.Env = hidden.watch(cfg.Env)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.Ended == nil {
		cfg.Ended = func(report.Scenario) {}
	}
	return &run{Config: cfg, report: &report.Report{Schema: report.Schema, Seed: cfg.Seed}, secrets: hidden}
}

// scenario runs one file, unless there is a reason not to.
func (r *run) scenario(ctx context.Context, p *scenario.Program, reason string) report.Scenario {
	start := time.Now()
	out := report.Scenario{Name: p.File.Name, File: p.File.Source.Name, Tags: p.File.Tags, Status: report.Passed}
	if reason != "" {
		out.Status, out.Reason = report.Skipped, reason
		for _, step := range p.Steps {
			out.Steps = append(out.Steps, skipped(step, reason))
		}
		return out
	}
	r.Progress(p.File.Source.Name)
	if err := r.steps(ctx, p, &out); err != nil {
		out.Status, out.Reason = report.Error, err.Error()
	}
	out.DurationMS = report.Milliseconds(time.Since(start))
	r.Known.apply(&out)
	r.Log.Debug("scenario ended", slog.String("file", out.File), slog.String("status", string(out.Status)))
	return out
}

// steps connects, and runs the steps and loads of a file. The error says why
// they could not be run.
func (r *run) steps(ctx context.Context, p *scenario.Program, out *report.Scenario) error {
	target, err := r.Dial(ctx, p.File)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if target.Close != nil {
		defer target.Close()
	}
	vars, err := p.NewVars(r.Env, r.Seed)
	if err != nil {
		return err
	}
	defer unmet(p, target, out)
	f := &fileRun{run: r, program: p, target: target, vars: vars}
	for _, step := range p.Steps {
		ended := f.step(ctx, step)
		out.Steps = append(out.Steps, ended)
		if r.Step != nil {
			r.Step(out.File, ended)
		}
	}
	out.Status, out.Reason = summarise(out.Steps)
	if r.Loads == NoLoads || len(p.Loads) == 0 || out.Status == report.Skipped {
		return nil
	}
	if out.Status != report.Passed {
		out.Reason = "its loads were not run, since a step failed"
		return nil
	}
	if err := f.loads(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		out.Status, out.Reason = report.Skipped, interrupted
	}
	return nil
}

// unmet fails a scenario that passed without what it asks for: it is
// inconclusive, which is not a pass.
func unmet(p *scenario.Program, target *Target, out *report.Scenario) {
	if target.Unmet == nil || out.Status != report.Passed {
		return
	}
	if findings := target.Unmet(); len(findings) > 0 {
		pos := findings[0].Pos
		out.Status = report.Failed
		out.Reason = fmt.Sprintf("inconclusive: %s:%d:%d: %s", p.File.Source.Name, pos.Line, pos.Col, findings[0].Message)
	}
}

// summarise returns the status of a scenario by its steps.
func summarise(steps []report.Step) (report.Status, string) {
	status, reason := report.Passed, ""
	for _, step := range steps {
		switch {
		case len(step.Failures) > 0:
			return report.Failed, ""
		case step.Reason == interrupted:
			status, reason = report.Skipped, interrupted
		}
	}
	return status, reason
}
