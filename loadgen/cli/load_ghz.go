package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/ghz"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// ghzFlags are the flags that join a load to ghz.
type ghzFlags struct {
	config string
	format string
	engine string

	notes []string // on what config asks for
}

// register adds the flags to a command's.
func (f *ghzFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "ghz-config", "", "config file of ghz, JSON, TOML or YAML, to take settings from that no flag gives; what cannot be honoured is listed")
	fs.StringVar(&f.format, "format", "text", "what stdout gets: text, or ghz-json, which ghz-web takes in")
	fs.StringVar(&f.engine, "engine", "loadgen", "what makes the calls: loadgen; or ghz, which runs ghz's runner on the same work afterwards and shows both figures")
}

// check finds mistakes in the flags.
func (f *ghzFlags) check(load *loadFlags) error {
	switch {
	case f.format != "text" && f.format != "ghz-json":
		return usage(fmt.Sprintf("unknown format %q", f.format), "use text or ghz-json")
	case f.engine != "loadgen" && f.engine != "ghz":
		return usage(fmt.Sprintf("unknown engine %q", f.engine), "use loadgen or ghz")
	case f.engine == "ghz" && (load.find.conditions != "" || load.session != "" || load.arrival != "constant" || load.shardText != ""):
		return usage("ghz's runner makes calls of one method, at a constant --rate or by --closed callers", "leave --engine ghz out")
	}
	return nil
}

// alternatives are flags of which a config file gives none when the command
// line gives one.
var alternatives = [][]string{
	{"rate", "closed", "arrival", "find-max", "scenario"},
	{"duration", "requests"},
	{"plaintext", "insecure", "cacert", "cert", "key", "servername"},
	{"proto", "protoset", "import-path", "reflect"},
}

// apply sets the flags that a config file of ghz gives and the command line
// does not, and returns the arguments of the command.
func (f *ghzFlags) apply(e *env, c *cobra.Command, args []string) ([]string, error) {
	if f.config == "" {
		return args, nil
	}
	plan, err := ghz.Import(f.config)
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("--ghz-config: %w", err))
	}
	given := map[string]bool{}
	c.Flags().Visit(func(flag *pflag.Flag) {
		given[flag.Name] = true
		for _, group := range alternatives {
			if slices.Contains(group, flag.Name) {
				for _, name := range group {
					given[name] = true
				}
			}
		}
	})
	if len(args) == 0 && plan.Method != "" {
		args = []string{plan.Method}
	}
	line := append([]string{"loadgen", "load"}, args...)
	for _, s := range plan.Settings {
		if given[s.Flag] {
			continue
		}
		if err := c.Flags().Set(s.Flag, s.Value); err != nil {
			return nil, withCode(exitFile, fmt.Errorf("--ghz-config: %s: field %s: %w", f.config, s.Field, err))
		}
		line = append(line, "--"+s.Flag+"="+s.Value)
	}
	f.notes = plan.Notes
	f.tell(e, line)
	return args, nil
}

// tell says what a config file has become.
func (f *ghzFlags) tell(e *env, line []string) {
	fmt.Fprintf(e.stderr, "%s is, with what the command line adds:\n  %s\n", f.config, shellLine(line))
	for _, note := range f.notes {
		fmt.Fprintf(e.stderr, "  %s\n", note)
	}
}

// annotate adds what a reader of the report should know.
func (f *ghzFlags) annotate(r *report.Report) {
	for _, note := range f.notes {
		r.Warnings = append(r.Warnings, f.config+": "+note)
	}
}

// allowGhz refuses what ghz's runner could not be held to: the caps that a
// target has beyond loopback, or by --max-rate.
func (f *loadFlags) allowGhz(ctx context.Context) error {
	if f.ghz.engine != "ghz" {
		return nil
	}
	t, err := f.target.safety.judge(ctx, f.target.address)
	if err != nil {
		return err
	}
	rate, inFlight := f.target.safety.file.Policy.Caps(t)
	callers := max(f.closed, f.connections)
	if f.closed == 0 {
		callers = max(ghz.Workers, f.connections)
	}
	if inFlight > 0 && callers > inFlight {
		return usage(fmt.Sprintf("ghz's runner would have %d calls at a time, beyond the cap of %d", callers, inFlight), "leave --engine ghz out")
	}
	if rate > 0 && (f.rate == 0 || f.rate > rate) {
		return usage(fmt.Sprintf("ghz's runner cannot be held to the cap of %v calls a second", rate), "give a --rate below it, or leave --engine ghz out")
	}
	return nil
}

// crossCheck runs ghz on the work of a load, adds its figures to the report,
// and returns where they differ from those of ours.
func (f *loadFlags) crossCheck(ctx context.Context, e *env, job *loadJob, r *report.Report, args []string) ([]string, error) {
	cfg, err := f.ghzWork(ctx, job, args)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(e.stderr, "the same once more, by ghz")
	load, err := ghz.Run(ctx, *cfg)
	if ctx.Err() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	r.Loads = append(r.Loads, *load)
	return ghz.Differences(&r.Loads[0], load), nil
}

// ghzWork returns the work of a load for ghz.
func (f *loadFlags) ghzWork(ctx context.Context, job *loadJob, args []string) (*ghz.Config, error) {
	if len(job.mix) != 1 {
		return nil, usage("ghz's runner makes calls of one method", "leave --engine ghz out")
	}
	s, err := job.target.schema(ctx)
	if err != nil {
		return nil, err
	}
	method, err := s.Method(args[0])
	if err != nil {
		return nil, err
	}
	headers, err := parseHeaders(f.target.headers)
	if err != nil {
		return nil, err
	}
	md := map[string]string{}
	for name, values := range headers {
		md[name] = values[0]
	}
	t := &f.target
	return &ghz.Config{
		Name: job.name + " (ghz)", Method: method, Host: job.target.Address,
		Plaintext: t.plaintext || job.target.Embedded, SkipVerify: t.insecure, CACert: t.cacert, Cert: t.cert, Key: t.key,
		ServerName: t.serverName, Authority: t.authority, Metadata: md, MaxMessage: int(t.maxMessage),
		Connections: f.connections, Timeout: f.timeout, Interval: f.interval, Rate: f.rate, Callers: f.closed,
		Duration: f.duration, Requests: f.requests,
		Messages: messagesOf(job.mix[0]), Static: job.mix[0].Make == nil && job.mix[0].Next(0) == job.mix[0].Next(1),
	}, nil
}

// messagesOf returns what gives the messages of the k-th call.
func messagesOf(part engine.Part) func(k int) [][]byte {
	return func(k int) [][]byte {
		if part.Make == nil {
			return part.Next(k).Messages
		}
		var req transport.Request
		part.Make(k, &req)
		return req.Messages
	}
}

// finishLoad writes the report of a load, in the form that was asked for.
func (f *loadFlags) finishLoad(ctx context.Context, e *env, r *report.Report, differences []string) error {
	f.ghz.annotate(r)
	r.Warnings = append(r.Warnings, differences...)
	if f.ghz.format != "ghz-json" {
		return f.results.finish(ctx, e, r)
	}
	// The one document on stdout; what is written for people goes to stderr.
	beside := *e
	beside.stdout = e.stderr
	finished := f.results.finish(ctx, &beside, r)
	if err := ghz.WriteJSON(e.stdout, r, &r.Loads[0]); err != nil {
		return withCode(exitFailed, err)
	}
	return finished
}
