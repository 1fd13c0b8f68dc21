package cli

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
)

// runFlags are the flags of `loadgen run`, besides those of the target.
type runFlags struct {
	target  targetFlags
	results resultFlags

	tags             []string
	pattern          string
	known            string
	dryRun, failFast bool
	noLoad, onlyLoad bool
	live             string
}

// newRunCommand makes `loadgen run`.
func newRunCommand(e *env) *cobra.Command {
	var flags runFlags
	c := &cobra.Command{
		Use:   "run PATH...",
		Short: "Run scenario files, and the load blocks in them",
		Long: `run runs scenario files, and those in folders in the order of their names. All
of them are checked first, as lint does: nothing is run while one has a mistake.
Of those that --tags, --run and --only-load leave out, only the syntax is. scenarios/README.md describes the language.

A file with faults is run through a proxy in the path, which carries them out
for any target; a fault that is never hit fails its file.

Exit codes: 1 a check failed, 3 a file has mistakes, 4 a threshold failed, 5
the target is not there or tells no schema, 6 a load's figures mean nothing
since the generator was too slow.`,
		Example: `  loadgen run scenarios
  loadgen run scenarios --tags 'smoke,!slow' --target staging.example:443 -H 'authorization: Bearer x'
  loadgen run scenarios/greet.yaml --report out`,
		Args: wantPaths,
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c, e, args) },
	}
	flags.target.register(c.Flags())
	flags.target.guard(c.Flags())
	flags.results.register(c.Flags())
	flags.register(c.Flags())
	return c
}

// register adds the flags of the run itself.
func (f *runFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.tags, "tags", nil, "run scenarios with one of these tags only, and none with a tag written as !tag")
	fs.StringVar(&f.pattern, "run", "", "run scenarios only whose name or file this regular expression matches")
	fs.StringVar(&f.known, "known-failing", "", "file that lists what is known to fail: lines of FILE-PATTERN or FILE-PATTERN:STEP")
	fs.BoolVar(&f.dryRun, "dry-run", false, "check the files against the target, and run nothing")
	fs.BoolVar(&f.failFast, "fail-fast", false, "skip the rest after the first scenario that failed")
	fs.BoolVar(&f.noLoad, "no-load", false, "leave load blocks out")
	registerLive(fs, &f.live)
	fs.BoolVar(&f.onlyLoad, "only-load", false, "run files with load blocks only")
}

// config turns the flags into a runner's configuration.
func (f *runFlags) config() (cfg runner.Config, err error) {
	cfg = runner.Config{Tags: f.tags, FailFast: f.failFast}
	switch {
	case f.noLoad && f.onlyLoad:
		return cfg, usage("--no-load and --only-load exclude each other", "leave one out")
	case f.noLoad:
		cfg.Loads = runner.NoLoads
	case f.onlyLoad:
		cfg.Loads = runner.OnlyLoads
	}
	if f.pattern != "" {
		if cfg.Run, err = regexp.Compile(f.pattern); err != nil {
			return cfg, usage("--run: " + err.Error())
		}
	}
	if f.known != "" {
		text, err := os.ReadFile(f.known)
		if err != nil {
			return cfg, usage("--known-failing: " + err.Error())
		}
		if cfg.Known, err = runner.ParseKnown(f.known, text); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// run runs the scenarios and writes the report.
func (f *runFlags) run(c *cobra.Command, e *env, args []string) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	if err := f.results.check(e); err != nil {
		return err
	}
	ctx := c.Context()
	s := &suite{env: e, flags: &f.target, wants: cfg.Wants}
	defer s.close()
	if err := s.read(ctx, args); err != nil {
		return err
	}
	if err := cfg.Known.Check(s.files); err != nil {
		return err
	}
	if len(s.programs) == 0 {
		return usage("no scenario is left to run", "--tags, --run and --only-load leave all of them out")
	}
	if f.dryRun {
		s.report()
		return nil
	}
	cfg.Programs = s.programs
	if err := s.connect(ctx); err != nil {
		return err
	}
	r := f.results.start(e, c, suiteName(args), args)
	r.Target = s.tested()
	cfg.Seed, s.seed = f.results.seed, f.results.seed
	cfg.Dial = s.dial
	if cfg.Loads != runner.NoLoads && slices.ContainsFunc(s.files, (*scenario.File).HasLoads) {
		cfg.Cut = cutOff(ctx)
	}
	cfg.Reproduce = reproducer{target: &f.target, seed: f.results.seed}.commands
	line := follow(e, &cfg)
	defer line.end()
	if err := line.serve(ctx, f.live, r); err != nil {
		return err
	}
	f.results.stream.RunStart(r)
	f.results.follow(&cfg)
	result, err := runner.Run(ctx, cfg)
	line.end()
	if err != nil {
		return err
	}
	r.Scenarios, r.Loads, r.Thresholds = result.Scenarios, result.Loads, result.Thresholds
	return f.results.finish(ctx, e, r)
}

// connect opens the targets of the files that will run, so that one that is
// not there stops the run before it has started.
func (s *suite) connect(ctx context.Context) error {
	for _, p := range s.programs {
		if p.File.Skip != "" {
			continue
		}
		if _, err := s.target(ctx, s.address(p.File)); err != nil {
			return err
		}
	}
	return nil
}

// tested returns what the report names as the target: that of the flags.
func (s *suite) tested() report.Target {
	if t := s.targets[s.flags.address]; t != nil {
		return report.Target{Address: t.Address, Embedded: t.Embedded}
	}
	return report.Target{Address: s.flags.address, Embedded: s.flags.address == ""}
}

// suiteName names a run after the first of its paths.
func suiteName(paths []string) string {
	base := filepath.Base(filepath.Clean(paths[0]))
	return strings.TrimSuffix(base, filepath.Ext(base))
}
