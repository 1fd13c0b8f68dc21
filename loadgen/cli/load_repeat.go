package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// repeatFlags are the flags of repeated runs.
type repeatFlags struct {
	times     int
	baselines []string
	against   string
	compare   compareFlags
}

// register adds the flags to a command's.
func (f *repeatFlags) register(fs *pflag.FlagSet) {
	fs.IntVar(&f.times, "repeat", 0, "run the load this many times, on new connections each time, and again for runs that are not valid (default: once, or with --baseline or --against 6 times)")
	fs.StringArrayVar(&f.baselines, "baseline", nil, "compare the runs with these reports: a report.json, or a folder of them (repeatable)")
	fs.StringVar(&f.against, "against", "", "run the load on this target too, taking turns, and compare: it is the old side, --target the new one")
	f.compare.register(fs)
}

// wanted reports whether there are repeated runs.
func (f *repeatFlags) wanted() bool {
	return f.times > 0 || len(f.baselines) > 0 || f.against != ""
}

// maxRepeats bounds --repeat.
const maxRepeats = 1000

// check finds mistakes in the flags, and fills in how many runs there are.
func (f *repeatFlags) check(load *loadFlags) error {
	comparing := len(f.baselines) > 0 || f.against != ""
	switch {
	case f.times < 0 || f.times > maxRepeats:
		return usage(fmt.Sprintf("--repeat %d is not within 1 and %d", f.times, maxRepeats))
	case len(f.baselines) > 0 && f.against != "":
		return usage("--baseline and --against exclude each other", "leave one out")
	case len(f.compare.budgets) > 0 && !comparing:
		return usage("--budget needs something to compare with", "add --baseline PATH or --against ADDR")
	case f.wanted() && load.find.wanted():
		return usage("--repeat excludes --find-max", "leave one out")
	case f.wanted() && load.session != "":
		return usage("--repeat excludes --scenario", "leave one out")
	case f.wanted() && len(load.results.outputs) > 0:
		return usage("--output is for a single run", "loadgen report and loadgen compare write views of what --repeat leaves")
	}
	if f.times == 0 && comparing {
		f.times = compare.MinRuns
	}
	_, err := f.compare.config()
	return err
}

// repetition is a series of runs.
type repetition struct {
	flags    *loadFlags
	command  *cobra.Command
	env      *env
	args     []string
	dir      string
	old, new []*report.Report
}

// runRepeated runs the load several times, and compares.
func (f *loadFlags) runRepeated(c *cobra.Command, e *env, args []string) error {
	baseline, err := f.repeat.baseline()
	if err != nil {
		return err
	}
	once := *f
	once.data = slices.Clone(f.data)
	for i, data := range once.data {
		if data == "@-" { // stdin can be read once
			_, text, err := readInput(e, data)
			if err != nil {
				return withCode(exitFile, fmt.Errorf("-d: %w", err))
			}
			once.data[i] = string(text)
		}
	}
	f.results.start(e, c, "repeat", args) // chooses the seed
	once.results.seed = f.results.seed
	r := &repetition{flags: &once, command: c, env: e, args: args, old: baseline,
		dir: f.results.folder(time.Now(), "repeat load "+args[0])}
	if err := r.runAll(c.Context()); err != nil {
		return err
	}
	return r.finish()
}

// baseline reads the reports of --baseline, before anything is run.
func (f *repeatFlags) baseline() ([]*report.Report, error) {
	if len(f.baselines) == 0 {
		return nil, nil
	}
	paths, err := findReports(f.baselines)
	if err != nil {
		return nil, err
	}
	return readReports(paths)
}

// runAll makes the runs, until each side has as many valid ones as it needs, or
// twice as many have been made. With two targets they take turns, and change
// who is first from pair to pair: what drifts steadily, such as a warming
// machine, then weighs on both alike.
func (r *repetition) runAll(ctx context.Context) error {
	repeat := &r.flags.repeat
	for i := 0; i < 2*repeat.times && !r.enough(); i++ {
		sides := []string{"new"}
		if repeat.against != "" {
			sides = []string{"old", "new"}
			if i%2 == 1 {
				sides = []string{"new", "old"}
			}
		}
		for _, side := range sides {
			if err := r.run(ctx, i, side); err != nil {
				return err
			}
		}
	}
	return nil
}

// enough reports whether each side that is run has enough valid runs.
func (r *repetition) enough() bool {
	valid := func(runs []*report.Report) int {
		return len(slices.DeleteFunc(slices.Clone(runs), func(one *report.Report) bool { return !one.Validity.Valid }))
	}
	want := r.flags.repeat.times
	return valid(r.new) >= want && (r.flags.repeat.against == "" || valid(r.old) >= want)
}

// run makes one run, on connections, and without --target on a server, of its
// own: what differs from one to the next is part of what runs differ in.
func (r *repetition) run(ctx context.Context, i int, side string) error {
	flags := *r.flags
	flags.results.seed += uint64(i) // another schedule each time, the same on both sides
	if side == "old" {
		flags.target.address = flags.repeat.against
	}
	one, err := flags.single(ctx, r.command, r.env, r.args)
	if one == nil {
		return err
	}
	dir := filepath.Join(r.dir, side, fmt.Sprintf("%03d", i+1))
	if err := render.Dir(dir, one); err != nil {
		return err
	}
	l := &one.Loads[0]
	fmt.Fprintf(r.env.stderr, "%s %d: %.0f/s, p50 %s, p99 %s ms, %d errors%s\n", side, i+1, l.AchievedRPS,
		quantileText(l.Response.P50), quantileText(l.Response.P99), l.Sent-l.Statuses["OK"], invalidText(one))
	if side == "old" {
		r.old = append(r.old, one)
	} else {
		r.new = append(r.new, one)
	}
	return err
}

func quantileText(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3g", *v)
}

func invalidText(r *report.Report) string {
	if r.Validity.Valid {
		return ""
	}
	return ", not valid"
}

// single makes one run and returns its report, with the error that stopped it.
func (f *loadFlags) single(ctx context.Context, c *cobra.Command, e *env, args []string) (*report.Report, error) {
	job, err := f.prepare(ctx, e, args)
	if err != nil {
		return nil, err
	}
	defer job.Close()
	r := &report.Report{
		Name: "load " + job.name, Started: time.Now().UTC(), Seed: f.results.seed, Command: commandLine(c, args), Tool: thisTool(),
		Target: report.Target{Address: job.target.Address, Embedded: job.target.Embedded},
	}
	line := newProgressLine(e, f.expected())
	line.load(job.name, f.arrivalText(f.arriving()), f.whole())
	load, err := f.measure(ctx, job, line.show)
	line.end()
	if err != nil {
		return nil, err
	}
	f.judge(r, load)
	if stopped := complete(ctx, r); stopped != nil {
		return r, withCode(r.ExitCode, stopped)
	}
	return r, nil
}

// finish compares, writes the comparison beside the runs, and returns the
// error with the exit code: of a broken budget, else of the first run that
// failed. A run that is not valid is left out of the comparison, which says so.
func (r *repetition) finish() error {
	compareFlags := &r.flags.repeat.compare
	code := r.exitCode()
	if len(r.old) == 0 {
		fmt.Fprintf(r.env.stdout, "%d runs\nreports: %s\nhint: loadgen compare OLD %s compares them with others\n", len(r.new), r.dir, r.dir)
		return exitWith(code)
	}
	cfg, err := compareFlags.config()
	if err != nil {
		return err
	}
	result, err := compare.Compare(r.old, r.new, cfg)
	if err != nil {
		return withCode(exitInvalid, err)
	}
	if err := compareFlags.write(r.env, output{"text", "-"}, result); err != nil {
		return err
	}
	for kind, name := range map[string]string{"html": "comparison.html", "markdown": "comparison.md", "json": "comparison.json"} {
		if err := compareFlags.write(r.env, output{kind, filepath.Join(r.dir, name)}, result); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.env.stdout, "reports: %s\n", r.dir)
	compareFlags.tellGitHub(r.env, result)
	if err := compareFlags.judge(r.env, result); err != nil {
		return err
	}
	return exitWith(code)
}

// exitCode is that of the first new run that failed, leaving out those that
// are not valid while others are.
func (r *repetition) exitCode() int {
	invalid := 0
	for _, one := range r.new {
		switch one.ExitCode {
		case 0:
		case exitInvalid:
			invalid++
		default:
			return one.ExitCode
		}
	}
	if invalid == len(r.new) {
		return exitInvalid
	}
	return 0
}

// exitWith is an error of the given code that is not printed, nil for 0.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return withCode(code, nil)
}
