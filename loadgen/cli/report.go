package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// reportFlags are the flags of `loadgen report`.
type reportFlags struct {
	format  string
	dir     string
	outputs []string
}

// newReportCommand makes `loadgen report`.
func newReportCommand(e *env) *cobra.Command {
	var flags reportFlags
	c := &cobra.Command{
		Use:   "report PATH...",
		Short: "Render reports again, and merge those of shards",
		Long: `report reads report.json files, and those in folders and below, and renders
them again in any format. Several reports are those of shards: processes that
made the calls of one load together, at the same time. They are merged: counts
are added, histograms merged bucket by bucket, so that every figure is that of
one process which made all calls, and thresholds are judged again. What cannot
be merged exactly is said among the warnings. Runs one after the other are for
loadgen compare.

The exit code is that of the report; 3 for a file that is no report, or for
reports that cannot be merged.`,
		Example: `  loadgen report reports/out/20261125-120000-load --format markdown
  loadgen report shard1/report.json shard2/report.json --report merged
  loadgen report out/report.json --output junit=junit.xml --output prometheus=load.prom`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("which reports?", "give report.json files, or folders that hold some")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return flags.run(e, args) },
	}
	fs := c.Flags()
	fs.StringVar(&flags.format, "format", "text", "what is printed: "+strings.Join(render.Formats(), ", "))
	fs.StringVar(&flags.dir, "report", "", "folder for the report's files, as a run writes them (default: none)")
	fs.StringArrayVar(&flags.outputs, "output", nil, outputHelp())
	return c
}

// outputHelp describes --output.
func outputHelp() string {
	return "write a view into a file as well: KIND=FILE, the kind one of " + strings.Join(render.Formats(), ", ") + " (repeatable)"
}

// run renders the reports again.
func (f *reportFlags) run(e *env, args []string) error {
	if !slices.Contains(render.Formats(), f.format) {
		return usage(fmt.Sprintf("unknown format %q", f.format), "formats are "+strings.Join(render.Formats(), ", "))
	}
	outputs, err := parseOutputs(f.outputs, render.Formats())
	if err != nil {
		return err
	}
	paths, err := findReports(args)
	if err != nil {
		return err
	}
	all, err := readReports(paths)
	if err != nil {
		return err
	}
	r := all[0]
	if len(all) > 1 {
		if r, err = report.Merge(all); err != nil {
			return withCode(exitFile, fmt.Errorf("%w\nhint: loadgen compare takes runs one after the other", err))
		}
	}
	if f.dir != "" {
		if err := render.Dir(f.dir, r); err != nil {
			return err
		}
	}
	options := render.TextOptions{Color: e.color(), Width: e.columns()}
	if f.dir != "" {
		options.Paths = render.Paths(f.dir)
	}
	if err := writeOutputs(e, append(outputs, output{f.format, "-"}), r, options); err != nil {
		return err
	}
	if r.ExitCode != 0 {
		return withCode(r.ExitCode, nil)
	}
	return nil
}

// writeOutputs writes views of a report. The options are for text on stdout.
func writeOutputs(e *env, outputs []output, r *report.Report, options render.TextOptions) error {
	for _, o := range outputs {
		own := options
		if o.path != "-" {
			own = render.TextOptions{}
		}
		if err := writeOutput(e, o, func(w io.Writer) error { return render.Format(w, o.kind, r, own) }); err != nil {
			return err
		}
	}
	return nil
}
