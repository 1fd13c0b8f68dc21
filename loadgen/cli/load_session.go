package cli

import (
	"github.com/spf13/cobra"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
)

// runSessions puts on a load whose calls are runs of a whole scenario file. Its
// steps run once before, as checks, and its own load blocks do not.
func (f *loadFlags) runSessions(c *cobra.Command, e *env) error {
	ctx := c.Context()
	s := &suite{env: e, flags: &f.target}
	defer s.close()
	if err := s.read(ctx, []string{f.session}); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	r := f.results.start(e, c, "load "+suiteName([]string{f.session}), nil)
	r.Target, s.seed = s.tested(), f.results.seed
	line := newProgressLine(e, f.expected())
	line.load("session", f.arrivalText(f.arriving()), f.whole())
	defer line.end()
	if err := line.serve(ctx, f.live, r); err != nil {
		return err
	}
	cfg := runner.Config{Dial: s.dial, Seed: f.results.seed, Window: line.show, Cut: cutOff(ctx)}
	for _, p := range s.programs {
		program := *p
		program.Loads = []*scenario.Load{f.sessionLoad(p.File.Name)}
		cfg.Programs = append(cfg.Programs, &program)
	}
	f.results.stream.RunStart(r)
	f.results.follow(&cfg)
	result, err := runner.Run(ctx, cfg)
	line.end()
	if err != nil {
		return err
	}
	r.Scenarios, r.Loads = result.Scenarios, result.Loads
	for i := range r.Loads {
		f.judgeLoad(r, &r.Loads[i])
	}
	return f.results.finish(ctx, e, r)
}

// sessionLoad is the load block that the flags stand for.
func (f *loadFlags) sessionLoad(name string) *scenario.Load {
	return &scenario.Load{
		Name: name, Session: true, Arrival: *f.arriving(), Transport: f.transport, Connections: f.connections,
		Duration: f.duration, Requests: f.requests, Warmup: f.warmup, Cooldown: f.cooldown,
		MaxInFlight: f.maxInFlight, AbortOn: f.aborts,
	}
}

// judgeLoad adds the thresholds on a load to the report.
func (f *loadFlags) judgeLoad(r *report.Report, load *report.Load) {
	for _, condition := range f.conditions {
		r.Thresholds = append(r.Thresholds, condition.Evaluate(load))
	}
}

// checkSession finds flags that do not go with --scenario.
func (f *loadFlags) checkSession(args []string) error {
	switch {
	case f.session == "" && len(args) == 0:
		return usage("which method?", "give METHOD, METHOD=WEIGHT several times for a mix, or --scenario FILE")
	case f.session == "" && len(f.data) > len(args):
		return usage("there are more -d than methods", "one -d holds several messages: '{...} {...}'")
	case f.session == "":
		return nil
	case len(args) > 0, len(f.data) > 0, f.turns, f.timeout > 0:
		return usage("--scenario excludes METHOD, -d, --turns and --timeout", "the file says what is called")
	case f.transport != "channel":
		return usage("the calls of a scenario are made by the channel transport", "leave --transport out")
	case f.shardText != "":
		return usage("--shard does not go with --scenario")
	case f.find.conditions != "":
		return usage("--find-max does not go with --scenario")
	}
	return nil
}
