package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/live"
	"touchstone/loadgen/replay"
	"touchstone/loadgen/report"
	"touchstone/loadgen/safety"
)

// replayFlags are those of `loadgen replay`, besides those of the target.
type replayFlags struct {
	target    targetFlags
	results   resultFlags
	safety    safetyFlags
	baseline  string
	candidate string
	dryRun    bool
	partial   bool

	asap, dropThink, dropGaps bool
	rate                      float64
	speed                     string
	loops, calls              int
	duration                  time.Duration
	sample, sampleBy          string
	only                      []string

	rules     diff.Rules
	transport string
	autoIDs   bool
	shiftTime bool
	secrets   bool
	timeout   time.Duration
	drain     time.Duration
	window    byteSize

	pace   replay.Pace
	share  float64
	judged []safety.Target // the addresses, in their order
}

// newReplayCommand makes `loadgen replay`.
func newReplayCommand(e *env) *cobra.Command {
	var flags replayFlags
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Make recorded calls again, and say what the answers differ in",
		Long: `replay makes the calls of a recording again, at their recorded moments or at
another pace, and compares the answers field by field with those recorded. Each
distinct difference is told once, with an example and the rule that would
ignore it.

Calls are due when they were recorded, however slow the target is; how late they
left is part of the report. A message waits for the answers that came before it
in the recording.

With --baseline A --candidate B every call goes to A twice and to B once. What
differs between A and A is noise, and is taken away from what differs between A
and B.

Beyond loopback, replay sends only to targets that --allow-target or
touchstone.yaml allow, calls only methods that are marked
idempotency_level = NO_SIDE_EFFECTS or that --allow-method names, and keeps to
caps on calls a second and at a time. --dry-run lists what would be sent.

Rules, each a text: METHOD (optional) PATH, then what the rule is about. In a
path * is any name, [] any index, ** any number of steps.
  --ignore     'Detect/detect message.data.score', 'trailer.x-took', 'message.at changed'
  --tolerance  'message.score 0.01', 'message.total 1%', 'message.at 5s', 'latency 50%'
  --unordered  'message.items', 'message.items by id'
  --align      'messages by seq'
  --id         'Carts/Create message.cart_id'

${secret.NAME} in a redacted recording is filled in from
$TOUCHSTONE_SECRET_NAME. In one that was not redacted a client may have written
it, to be told the value, so it is sent as it stands, with a warning.

Exit codes: 1 an answer differs, or a call failed that did not in the recording,
2 usage, or a target or method that is not allowed, 3 the recording is invalid,
5 the target is not there.`,
		Example: `  loadgen replay session.grpcfix --target localhost:50051 --plaintext
  loadgen replay session.grpcfix --target localhost:50051 --plaintext --speed 2x --ignore 'trailer.x-took'
  loadgen replay session.grpcfix --baseline a.staging:443 --candidate b.staging:443 --allow-target '*.staging:443' --dry-run`,
		Args: takes(1, 1, "a recording"),
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c, e, args[0]) },
	}
	fs := c.Flags()
	flags.target.register(fs)
	flags.results.register(fs)
	flags.safety.register(fs)
	flags.safety.registerBudget(fs)
	flags.safety.registerMethods(fs)
	flags.registerPace(fs)
	flags.registerRules(fs)
	return c
}

// registerPace adds the flags that say what is sent, and when.
func (f *replayFlags) registerPace(fs *pflag.FlagSet) {
	fs.StringVar(&f.baseline, "baseline", "", "address that every call goes to twice, with --candidate")
	fs.StringVar(&f.candidate, "candidate", "", "address whose answers are compared with those of --baseline")
	fs.BoolVar(&f.dryRun, "dry-run", false, "list what would be sent, and send nothing")
	fs.BoolVar(&f.partial, "partial", false, "replay what is there of a compressed recording that was cut short")
	fs.StringVar(&f.transport, "transport", "channel", "what makes the calls: channel, which is grpc-go, or wire, which is an HTTP/2 client of its own")
	fs.BoolVar(&f.asap, "asap", false, "make calls as fast as the caps allow")
	fs.Float64Var(&f.rate, "rate", 0, "make calls in their order, so many a second (default: as recorded)")
	fs.StringVar(&f.speed, "speed", "1x", "how much faster than recorded, such as 2x or 0.5x")
	fs.BoolVar(&f.dropThink, "no-think-time", false, "leave out times in which no recorded call was under way")
	fs.BoolVar(&f.dropGaps, "no-gaps", false, "send the messages of a stream without the recorded gaps between them")
	fs.IntVar(&f.loops, "loops", 1, "how often the recording is replayed")
	fs.IntVar(&f.calls, "calls", 0, "how many calls are made at most (default: all)")
	fs.DurationVar(&f.duration, "duration", 0, "how long calls are made at most (default: until the recording's end)")
	fs.StringVar(&f.sample, "sample", "", "share of the calls to replay, such as 10% (default: all)")
	fs.StringVar(&f.sampleBy, "sample-by", "", "metadata field whose values are sampled: calls that share one are replayed together (default: the client's address)")
	fs.StringArrayVar(&f.only, "only", nil, "method to replay, * for any part of a name (repeatable; default: all)")
	fs.BoolVar(&f.secrets, "secrets-from-unredacted", false, "fill in ${secret.NAME} in a recording that was not redacted: any of its clients may have written it")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "deadline of calls that had none in the recording")
	fs.DurationVar(&f.drain, "drain", 30*time.Second, "how long calls under way at the end are waited for")
	f.window = 32 << 20
	fs.Var(&f.window, "window", "how much of the recording is read ahead")
}

// registerRules adds the flags of the comparison.
func (f *replayFlags) registerRules(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.rules.Ignore, "ignore", nil, "`rule`: differences that do not count (repeatable)")
	fs.StringArrayVar(&f.rules.Tolerance, "tolerance", nil, "`rule`: how far numbers and times may differ (repeatable)")
	fs.StringArrayVar(&f.rules.Unordered, "unordered", nil, "`rule`: lists whose order means nothing (repeatable)")
	fs.StringArrayVar(&f.rules.Keys, "align", nil, "`rule`: fields by which the items of a list, or a stream's messages, are told apart (repeatable)")
	fs.StringArrayVar(&f.rules.IDs, "id", nil, "`rule`: values that the server makes anew; live ones take their place in later requests (repeatable)")
	fs.BoolVar(&f.autoIDs, "auto-map", false, "treat all values that look like ids, and that the server made anew, as --id does")
	fs.BoolVar(&f.shiftTime, "shift-time", false, "move timestamps in requests by the time since the recording")
}

// check finds mistakes in the flags before anything is started.
func (f *replayFlags) check() error {
	speed, err := strconv.ParseFloat(strings.TrimSuffix(f.speed, "x"), 64)
	switch {
	case err != nil || !(speed > 0) || speed > 1e6:
		return usage(fmt.Sprintf("--speed %q: want a factor such as 2x or 0.5x", f.speed))
	case f.transport != "channel" && f.transport != "wire":
		return usage(fmt.Sprintf("unknown transport %q", f.transport), "use channel or wire")
	case (f.baseline == "") != (f.candidate == ""):
		return usage("--baseline and --candidate need each other")
	case f.baseline != "" && f.target.address != "":
		return usage("--target excludes --baseline and --candidate")
	case f.asap && (f.rate != 0 || speed != 1), f.rate != 0 && speed != 1:
		return usage("--asap, --rate and --speed exclude each other")
	case !(f.rate >= 0) || f.rate > maxRate:
		return usage(fmt.Sprintf("--rate %v is not within 0 and %.0f", f.rate, float64(maxRate)))
	case f.loops < 1 || f.calls < 0 || min(f.duration, f.timeout, f.drain) < 0:
		return usage("numbers and durations cannot be negative")
	}
	f.pace = replay.Pace{ASAP: f.asap, Rate: f.rate, Speed: speed, DropThink: f.dropThink, DropGaps: f.dropGaps}
	if f.sample != "" {
		share, err := strconv.ParseFloat(strings.TrimSuffix(f.sample, "%"), 64)
		if f.share = share / 100; err != nil || !(share > 0 && share <= 100) || !strings.HasSuffix(f.sample, "%") {
			return usage(fmt.Sprintf("--sample %q: want a share such as 10%%", f.sample))
		}
	}
	for _, pattern := range f.only {
		if _, err := path.Match(pattern, ""); err != nil {
			return usage(fmt.Sprintf("--only %q is no pattern of methods", pattern))
		}
	}
	return nil
}

// keep reports whether a method is replayed. The reflection service is not: it
// was asked by tools.
func (f *replayFlags) keep(method string) bool {
	if len(f.only) == 0 {
		return !strings.HasPrefix(method, "grpc.reflection.")
	}
	for _, pattern := range f.only {
		if ok, _ := path.Match(strings.TrimPrefix(pattern, "/"), method); ok {
			return true
		}
	}
	return false
}

// addresses are the targets in the order of the replay's legs; "" is the
// reference server of our own.
func (f *replayFlags) addresses() []string {
	if f.baseline != "" {
		return []string{f.baseline, f.baseline, f.candidate}
	}
	return []string{f.target.address}
}

// run replays and writes the report.
func (f *replayFlags) run(c *cobra.Command, e *env, name string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.safety.read(); err != nil {
		return err
	}
	f.rules = joinRules(f.safety.file.Diff, f.rules)
	if _, err := diff.New(f.rules); err != nil {
		return usage(err.Error(), "loadgen replay --help explains rules")
	}
	first, plan, err := f.permitted(c.Context(), e, name)
	if err != nil || f.dryRun {
		return err
	}
	targets, closeAll, err := f.connect(c.Context(), e)
	if err != nil {
		return err
	}
	defer closeAll()
	r := f.results.start(e, c, strings.TrimSuffix(path.Base(name), ".grpcfix"), []string{name})
	r.Target = report.Target{Address: targets[len(targets)-1].Address, Embedded: targets[0].Embedded}
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	cfg := f.config(name, targets, first, cancel)
	if known, err := targets[0].schema(ctx); err == nil {
		cfg.Schema = known // a recording without descriptors is read by those of the target
	}
	if f.transport == "wire" {
		closeWire, err := f.overWire(ctx, &cfg, targets)
		if err != nil {
			return err
		}
		defer closeWire()
	}
	line := startProgress(e, live.State{})
	line.load("replay "+path.Base(name), f.pace.String(), f.expected(plan))
	cfg.Progress = line.show
	outcome, err := replay.Run(ctx, cfg)
	line.end()
	spent, overspent := errors.AsType[*safety.Spent](err)
	if err != nil && c.Context().Err() == nil && !overspent {
		return err
	}
	r.Loads, r.Diff, r.Warnings = []report.Load{outcome.Load}, outcome.Diff, outcome.Warnings
	if overspent {
		r.Loads[0].Aborted = "by --stop-on: " + spent.Rule.String()
	}
	return f.results.finish(ctx, e, r)
}

// config puts the replay together.
func (f *replayFlags) config(name string, targets []*target, t safety.Target, stop func(error)) replay.Config {
	cfg := replay.Config{
		Name: name, Open: func() (*fixture.File, error) { return fixture.Open(name) },
		Pace: f.pace, Loops: f.loops, Sample: replay.Sample{Share: f.share, Key: strings.ToLower(f.sampleBy)}, Keep: f.keep,
		Calls: f.calls, Duration: f.duration, Rules: f.rules, AutoIDs: f.autoIDs, ShiftTime: f.shiftTime,
		Secret: os.LookupEnv, SecretsFromUnredacted: f.secrets, Override: f.overrides(), Guard: f.safety.guard(t, stop),
		Timeout: f.timeout, Drain: f.drain, Window: int(f.window),
	}
	cfg.Pace.MaxRate, _ = f.safety.file.Policy.Caps(t)
	cfg.Pace.MaxRate /= float64(len(targets)) // the cap counts what goes to any of them
	for _, t := range targets {
		cfg.Targets = append(cfg.Targets, t.Conn)
	}
	return cfg
}

// overrides are the names of -H.
func (f *replayFlags) overrides() map[string]bool {
	names := map[string]bool{}
	for _, header := range f.target.headers {
		name, _, _ := strings.Cut(header, ":")
		names[strings.ToLower(strings.TrimSpace(name))] = true
	}
	return names
}

// connect connects to the targets. Calls are not retried: the recording has
// the attempts that clients made.
func (f *replayFlags) connect(ctx context.Context, e *env) (targets []*target, closeAll func(), err error) {
	closeAll = func() {
		for _, t := range targets {
			t.Close()
		}
	}
	for i, address := range f.addresses() {
		flags := f.target
		flags.address, flags.judged = address, f.judged[i]
		if flags.serviceConfig == "" {
			flags.serviceConfig = "{}"
		}
		t, err := flags.open(ctx, e)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		targets = append(targets, t)
	}
	return targets, closeAll, nil
}

// joinRules puts the rules of a file before those of flags.
func joinRules(a, b diff.Rules) diff.Rules {
	return diff.Rules{
		Ignore: append(a.Ignore, b.Ignore...), Tolerance: append(a.Tolerance, b.Tolerance...), Unordered: append(a.Unordered, b.Unordered...),
		Keys: append(a.Keys, b.Keys...), IDs: append(a.IDs, b.IDs...),
	}
}
