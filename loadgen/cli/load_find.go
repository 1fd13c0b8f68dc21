package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/capacity"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// findFlags are the flags of a search for the highest rate.
type findFlags struct {
	conditions       string
	min, limit       float64
	precision        float64
	budget, cooldown time.Duration

	parsed []report.Condition
	added  string // a condition that was not asked for
}

// defaultFindRun is how long each run of a search takes, without --duration.
const defaultFindRun = 5 * time.Second

// register adds the flags to a command's.
func (f *findFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.conditions, "find-max", "", "look for the highest rate at which these conditions hold, such as 'response.p99 < 50ms, error_rate < 0.1%'; each run takes --duration (default 5s)")
	fs.Float64Var(&f.min, "find-min", 1, "lowest rate that a search tries")
	fs.Float64Var(&f.limit, "find-limit", 1e6, "highest rate that a search tries")
	fs.Float64Var(&f.precision, "find-precision", 0.02, "how close, as a share, the rate found comes to one that does not hold")
	fs.DurationVar(&f.budget, "find-budget", 10*time.Minute, "time after which a search confirms what it has found, and ends")
	fs.DurationVar(&f.cooldown, "find-cooldown", time.Second, "pause between the runs of a search")
}

// wanted reports whether there is something to look for.
func (f *findFlags) wanted() bool { return len(f.parsed) > 0 }

// check reads the conditions, and gives the load the rate and the duration that
// it need not have.
func (f *findFlags) check(load *loadFlags) error {
	if f.conditions == "" {
		return nil
	}
	switch {
	case load.rate != 0 || load.closed != 0 || load.requests != 0:
		return usage("--find-max excludes --rate, --closed and --requests", "--find-min and --find-limit bound the rates, --duration says how long each run takes")
	case load.session != "" || load.shardText != "" || load.arrival != "constant" && load.arrival != "poisson":
		return usage("--find-max makes calls at rates of its own", "leave --scenario, --shard and shapes of --arrival out")
	case !(f.min > 0 && f.min <= f.limit && f.limit <= maxRate):
		return usage(fmt.Sprintf("--find-min %v and --find-limit %v are no range of rates", f.min, f.limit))
	case !(f.precision > 0 && f.precision < 1):
		return usage(fmt.Sprintf("--find-precision %v is not within 0 and 1", f.precision), "0.02 is two per cent")
	case f.budget <= 0 || f.cooldown < 0:
		return usage("--find-budget and --find-cooldown cannot be negative")
	}
	load.rate = f.min
	if load.duration == 0 {
		load.duration = defaultFindRun
	}
	return f.parse()
}

// parse reads the conditions. Without one on errors, a target that refuses
// quickly would have no limit.
func (f *findFlags) parse() error {
	onErrors := false
	for text := range strings.SplitSeq(f.conditions, ",") {
		condition, err := report.ParseThreshold(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		f.parsed = append(f.parsed, condition)
		name := condition.String()
		onErrors = onErrors || strings.HasPrefix(name, "error_rate") || strings.HasPrefix(name, "status.")
	}
	if !onErrors {
		condition, err := report.ParseThreshold("error_rate < 1%")
		if err != nil {
			return err
		}
		f.parsed = append(f.parsed, condition)
		f.added = condition.String()
	}
	return nil
}

// search returns the search that the flags ask for.
func (f *findFlags) search() (*capacity.Search, error) {
	search, err := capacity.New(capacity.Config{Conditions: f.parsed, Min: f.min, Max: f.limit, Precision: f.precision})
	if err != nil {
		return nil, usage("--find-max: " + err.Error())
	}
	return search, nil
}

// runFind looks for the highest rate, and writes the report.
func (f *loadFlags) runFind(c *cobra.Command, e *env, args []string) error {
	ctx := c.Context()
	job, err := f.prepare(ctx, e, args)
	if err != nil {
		return err
	}
	defer job.Close()
	if err := f.capFind(ctx, e); err != nil {
		return err
	}
	search, err := f.find.search()
	if err != nil {
		return err
	}
	r := f.results.start(e, c, "find max "+job.name, args)
	r.Target = report.Target{Address: job.target.Address, Embedded: job.target.Embedded}
	f.results.stream.RunStart(r)
	if f.find.added != "" {
		fmt.Fprintf(e.stderr, "%s is a condition too, since no other one is on errors\n", f.find.added)
	}
	last, err := f.find.explore(ctx, search, func(p capacity.Point) (report.Load, error) {
		at := *f
		at.rate = p.Rate
		line := newProgressLine(e, at.expected())
		defer line.end()
		line.load(fmt.Sprintf("%s, %s", job.name, p.Phase), at.arrivalText(at.arriving()), at.whole())
		return at.measure(ctx, job, line.show)
	}, newPointTable(e).show)
	if err != nil {
		return err
	}
	r.Capacity = search.Outcome()
	if r.Capacity.FoundRPS > 0 {
		f.judge(r, last)
	}
	return f.results.finish(ctx, e, r)
}

// capFind bounds the search by the rate that may be sent to the target: beyond
// it calls would be held back here, and the target be taken for slow.
func (f *loadFlags) capFind(ctx context.Context, e *env) error {
	t, err := f.target.safety.judge(ctx, f.target.address)
	if err != nil {
		return err
	}
	most, _ := f.target.safety.file.Policy.Caps(t)
	if most > 0 && f.find.limit > most {
		fmt.Fprintf(e.stderr, "the search goes no higher than --max-rate, %v/s\n", most)
		f.find.limit, f.find.min = most, min(f.find.min, most)
	}
	return nil
}

// judge adds the run that confirmed a rate, with the thresholds on it.
func (f *loadFlags) judge(r *report.Report, load report.Load) {
	r.Loads = []report.Load{load}
	for _, condition := range f.conditions {
		r.Thresholds = append(r.Thresholds, condition.Evaluate(&load))
	}
}

// explore makes the runs that a search asks for, until it has ended or ctx has,
// and returns the last one.
func (f *findFlags) explore(ctx context.Context, search *capacity.Search, run func(capacity.Point) (report.Load, error), show func(report.CapacityPoint)) (last report.Load, err error) {
	deadline := time.Now().Add(f.budget)
	for {
		point, more := search.Next()
		if !more {
			return last, nil
		}
		if last, err = run(point); err != nil || ctx.Err() != nil {
			return last, err
		}
		show(search.Record(&last))
		if time.Now().After(deadline) {
			search.Stop(fmt.Sprintf("the budget of %v is spent", f.budget))
		}
		if _, more := search.Next(); more && !transport.Pause(ctx, f.cooldown) {
			return last, nil
		}
	}
}

// pointTable shows the runs of a search as they come, on stderr.
type pointTable struct {
	env  *env
	rows int
}

func newPointTable(e *env) *pointTable { return &pointTable{env: e} }

// show adds a row.
func (t *pointTable) show(p report.CapacityPoint) {
	const layout = "%-8s %10s %10s %10s %10s %10s  %-9s %s\n"
	if t.rows%20 == 0 {
		fmt.Fprintf(t.env.stderr, layout, "run", "rate/s", "achieved/s", "p50", "p99", "errors", "verdict", "")
	}
	t.rows++
	fmt.Fprintf(t.env.stderr, layout, p.Phase, fmt.Sprintf("%.6g", p.RateRPS), fmt.Sprintf("%.6g", p.AchievedRPS),
		milliseconds(p.Response.P50), milliseconds(p.Response.P99), fmt.Sprintf("%.3g %%", 100*p.ErrorRate),
		p.Verdict, strings.Join(p.Failed, "; "))
}

// milliseconds writes a quantile, "-" for one that the sample is too small for.
func milliseconds(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g ms", *v)
}
