package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/render"
)

// compareFlags are the flags of `loadgen compare`.
type compareFlags struct {
	budgets   []string
	minEffect float64
	sameEnv   bool
	prove     bool
	format    string
	outputs   []string
}

// comparisonViews are the views of a comparison by --format.
var comparisonViews = map[string]func(io.Writer, *compare.Result) error{
	"markdown": render.ComparisonMarkdown,
	"html":     render.ComparisonHTML,
	"json":     render.ComparisonJSON,
}

// comparisonKinds are the names of the views.
var comparisonKinds = []string{"text", "markdown", "html", "json"}

// newCompareCommand makes `loadgen compare`.
func newCompareCommand(e *env) *cobra.Command {
	var flags compareFlags
	c := &cobra.Command{
		Use:   "compare OLD NEW | OLD... -- NEW...",
		Short: "Tell what changed between two groups of runs, and how sure that is",
		Long: `compare reads the reports of old and new runs and tells what changed in p50,
p90, p99, throughput, errors and the client's CPU. OLD and NEW are report.json
files, folders (every report.json in them and below counts as a run), or
patterns in quotes. With more than one of either, -- stands between the sides.

Runs differ from each other even when nothing has changed. So each side needs
6 runs for a verdict, more when many figures are compared at once; with fewer,
what the calls within the runs show is marked as such. All intervals together
hold with a probability of 95 %: comparing a thing with itself sees any change
at all at most once in 20 times.

A budget, such as --budget 'p99 +5%', is broken only when the whole interval
lies beyond it. When the interval crosses it, it is not proven either way.

Exit codes: 0 no budget is broken, whatever changed; 1 one is, or with --prove
one is not proven, or with --same-env the runs differ in more than the target;
3 a file is no report.`,
		Example: `  loadgen compare reports/old reports/new
  loadgen compare base/*/report.json -- head/*/report.json --budget 'p99 +5%' --budget 'errors +0.1%'
  loadgen compare old new --output markdown=comparison.md --output html=comparison.html`,
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c, e, args) },
	}
	flags.register(c.Flags())
	c.Flags().BoolVar(&flags.sameEnv, "same-env", false, "refuse runs that differ in machine, versions or load")
	c.Flags().StringVar(&flags.format, "format", "text", "what is printed: "+strings.Join(comparisonKinds, ", "))
	c.Flags().StringArrayVar(&flags.outputs, "output", nil, "write a view into a file as well: KIND=FILE, with the kinds of --format (repeatable)")
	return c
}

// register adds the flags of every command that compares.
func (f *compareFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.budgets, "budget", nil, "how much a figure may get worse, such as 'p50 +5%', 'p99 +10%', 'throughput -3%', 'errors +0.1%', 'cpu +10%' (repeatable)")
	fs.BoolVar(&f.prove, "prove", false, "fail unless every budget is kept for certain")
	fs.Float64Var(&f.minEffect, "min-effect", 1, "smallest change that counts, in per cent; a tenth as many percentage points for errors")
}

// config turns the flags into a comparison's configuration.
func (f *compareFlags) config() (cfg compare.Config, err error) {
	if !(f.minEffect > 0) || f.minEffect > 1000 {
		return cfg, usage(fmt.Sprintf("--min-effect %v is not within 0 and 1000", f.minEffect))
	}
	if f.prove && len(f.budgets) == 0 {
		return cfg, usage("--prove needs a budget", "add one, such as --budget 'p99 +5%'")
	}
	cfg.MinEffect = f.minEffect / 100
	for _, text := range f.budgets {
		b, err := compare.ParseBudget(text)
		if err != nil {
			return cfg, withCode(exitUsage, err)
		}
		cfg.Budgets = append(cfg.Budgets, b)
	}
	return cfg, nil
}

// sides splits the arguments into old and new.
func sides(c *cobra.Command, args []string) (older, newer []string, err error) {
	dash := c.ArgsLenAtDash()
	switch {
	case dash > 0 && dash < len(args):
		return args[:dash], args[dash:], nil
	case dash < 0 && len(args) == 2:
		return args[:1], args[1:], nil
	}
	return nil, nil, usage(fmt.Sprintf("which runs are old, and which are new? got %q", args),
		"give two reports or folders, or OLD... -- NEW...")
}

// run compares and prints.
func (f *compareFlags) run(c *cobra.Command, e *env, args []string) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	if !slices.Contains(comparisonKinds, f.format) {
		return usage(fmt.Sprintf("unknown format %q", f.format), "formats are "+strings.Join(comparisonKinds, ", "))
	}
	outputs, err := parseOutputs(f.outputs, comparisonKinds)
	if err != nil {
		return err
	}
	older, newer, err := sides(c, args)
	if err != nil {
		return err
	}
	result, err := comparePaths(older, newer, cfg)
	if err != nil {
		return err
	}
	for _, o := range append(outputs, output{f.format, "-"}) {
		if err := f.write(e, o, result); err != nil {
			return err
		}
	}
	f.tellGitHub(e, result)
	return f.judge(e, result)
}

// tellGitHub adds a comparison to the summary of a step. One that is too long
// for what is left is left out, as GitHub refuses the whole otherwise.
func (f *compareFlags) tellGitHub(e *env, r *compare.Result) {
	addSummary(e, func(w io.Writer, room int) error {
		var b bytes.Buffer
		if err := render.ComparisonMarkdown(&b, r); err != nil || b.Len() > room {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	})
}

// comparePaths reads and compares reports.
func comparePaths(older, newer []string, cfg compare.Config) (*compare.Result, error) {
	oldPaths, err := findReports(older)
	if err != nil {
		return nil, err
	}
	newPaths, err := findReports(newer)
	if err != nil {
		return nil, err
	}
	for _, path := range newPaths {
		if slices.Contains(oldPaths, path) {
			return nil, usage(path + " is on both sides")
		}
	}
	old, err := readReports(oldPaths)
	if err != nil {
		return nil, err
	}
	now, err := readReports(newPaths)
	if err != nil {
		return nil, err
	}
	return compare.Compare(old, now, cfg)
}

// write writes one view.
func (f *compareFlags) write(e *env, o output, r *compare.Result) error {
	return writeOutput(e, o, func(w io.Writer) error {
		if view := comparisonViews[o.kind]; view != nil {
			return view(w, r)
		}
		return render.ComparisonText(w, r, render.TextOptions{Color: o.path == "-" && e.color(), Width: e.columns()})
	})
}

// judge returns the error that has the exit code of a comparison.
func (f *compareFlags) judge(e *env, r *compare.Result) error {
	switch {
	case f.sameEnv && !r.SameEnvironment():
		fmt.Fprintln(e.stderr, "loadgen: --same-env: the runs differ in more than the target")
		return withCode(exitFailed, nil)
	case r.Broken(), f.prove && !r.Proven():
		return withCode(exitFailed, nil)
	}
	return nil
}
