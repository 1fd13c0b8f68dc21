package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
)

// loadFlags are the flags of `loadgen load`, besides those of the target.
type loadFlags struct {
	live    string
	target  targetFlags
	results resultFlags
	find    findFlags
	ghz     ghzFlags
	repeat  repeatFlags

	rate             float64
	arrival          string
	shape            *scenario.Arrival // of arrival, when that has rates of its own
	closed           int
	think, cooldown  time.Duration
	shardText        string
	shard            shard // of shardText
	printOnly        bool
	session          string // a scenario file
	abortOn          []string
	aborts           []report.Abort // of abortOn
	duration, warmup time.Duration
	requests         int
	connections      int
	maxInFlight      int
	transport        string
	data             []string // of each method
	dataRows         string
	interval         time.Duration
	turns, roundTrip bool
	timeout          time.Duration
	thresholds       []string
	conditions       []report.Condition // of thresholds
	drain            time.Duration
}

// register adds the flags of the load itself.
func (f *loadFlags) register(fs *pflag.FlagSet) {
	f.find.register(fs)
	f.ghz.register(fs)
	f.repeat.register(fs)
	fs.Float64Var(&f.rate, "rate", 0, "calls a second, of an open loop")
	fs.StringVar(&f.arrival, "arrival", "constant", "when calls are due: constant or poisson, at --rate; or ramp, steps, spike, sine or trace, as in a scenario file: 'ramp: {from: 10/s, to: 500/s, over: 30s}'")
	fs.IntVar(&f.closed, "closed", 0, "callers of a closed loop, instead of --rate")
	fs.DurationVar(&f.think, "think", 0, "pause of a caller of --closed between its calls")
	fs.StringVar(&f.shardText, "shard", "", "make part I/N of the calls only, such as 2/4; N generators with the same flags and --seed make all of them")
	fs.BoolVar(&f.printOnly, "print-schedule", false, "print when calls are due, and make none; the output can be used as a trace")
	fs.StringVar(&f.session, "scenario", "", "instead of METHOD: a scenario file, all steps of which are one call")
	fs.DurationVar(&f.duration, "duration", 0, "how long calls are made, after the warm-up (default: until --requests, else the length of --arrival, else 10s)")
	fs.IntVar(&f.requests, "requests", 0, "how many calls are made, after the warm-up")
	fs.DurationVar(&f.warmup, "warmup", 0, "how long calls are made first that no figure counts")
	fs.DurationVar(&f.cooldown, "cooldown", 0, "how long calls are made last that no figure counts")
	fs.IntVar(&f.connections, "connections", 1, "connections that calls take in turn")
	fs.IntVar(&f.maxInFlight, "max-in-flight", 0, "calls under way at the same time; more are dropped, and counted (default: 10000)")
	fs.DurationVar(&f.drain, "drain", 0, "how long calls under way at the end are waited for (default: 30s)")
	fs.StringVar(&f.transport, "transport", "channel", "what makes the calls: channel, which is grpc-go with its retries, or wire, an HTTP/2 client made for load")
	fs.StringArrayVarP(&f.data, "data", "d", nil, "messages as JSON, @FILE, or @- for stdin (default: one empty message, or none to a stream; repeatable, one for each METHOD)")
	fs.StringVar(&f.dataRows, "data-rows", "", "file of rows, .csv or .jsonl, for ${row.NAME} in -d; the calls take them in turn")
	fs.DurationVar(&f.interval, "stream-interval", 0, "pause between the messages that a stream sends")
	fs.BoolVar(&f.turns, "turns", false, "bidi: wait for a response after each message")
	fs.BoolVar(&f.roundTrip, "round-trip", false, "bidi: measure the time from each message to its answer, the n-th of the one to the n-th of the other (--turns does anyway)")
	fs.DurationVar(&f.timeout, "timeout", 0, "deadline of each call (default: none)")
	fs.StringArrayVar(&f.thresholds, "threshold", nil, "what the figures must hold, such as 'response.p99 < 50ms', 'error_rate < 0.1%', 'achieved > 99%' (repeatable)")
	fs.StringArrayVar(&f.abortOn, "abort-on", nil, "what ends the run early when it holds for some seconds in a row, such as 'error_rate > 5% for 10s' (repeatable)")
}

// check finds mistakes in the flags before anything is started.
func (f *loadFlags) check() error {
	if err := f.ghz.check(f); err != nil {
		return err
	}
	if err := f.find.check(f); err != nil {
		return err
	}
	if err := f.repeat.check(f); err != nil {
		return err
	}
	if err := f.checkArrival(); err != nil {
		return err
	}
	switch {
	case f.transport != "channel" && f.transport != "wire":
		return usage(fmt.Sprintf("unknown transport %q", f.transport), "use channel or wire")
	case f.transport == "wire" && f.target.serviceConfig != "":
		return usage("--service-config is for the channel transport: wire makes one attempt a call", "leave it out")
	case f.connections < 1:
		return usage("--connections must be at least 1")
	case min(f.closed, f.requests, f.maxInFlight) < 0, min(f.duration, f.warmup, f.cooldown, f.think, f.timeout, f.drain, f.interval) < 0:
		return usage("numbers and durations cannot be negative")
	}
	f.bounded()
	return f.checkConditions()
}

// checkConditions reads the conditions on the figures.
func (f *loadFlags) checkConditions() error {
	for _, text := range f.abortOn {
		a, err := report.ParseAbort(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		f.aborts = append(f.aborts, a)
	}
	for _, text := range f.thresholds {
		condition, err := report.ParseThreshold(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		f.conditions = append(f.conditions, condition)
	}
	return nil
}

// maxRate bounds --rate: one call a nanosecond would be 1e9.
const maxRate = 1e8
