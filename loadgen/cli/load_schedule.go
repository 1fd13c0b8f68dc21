package cli

import (
	"bufio"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/pace"
	"touchstone/loadgen/scenario"
)

// checkArrival reads the flags that say when calls are due.
func (f *loadFlags) checkArrival() error {
	plain := f.arrival == string(scenario.Constant) || f.arrival == string(scenario.Poisson)
	switch {
	case !plain && !strings.Contains(f.arrival, ":"):
		return usage(fmt.Sprintf("unknown arrival %q", f.arrival),
			"use constant or poisson with --rate, or a shape such as 'ramp: {from: 10/s, to: 500/s, over: 30s}'")
	case !plain && (f.rate != 0 || f.closed != 0):
		return usage("--arrival with rates of its own excludes --rate and --closed", "leave one out")
	case plain && f.rate == 0 && f.closed == 0:
		return usage("how much load?", "give --rate N, in calls a second, or --closed N callers")
	case f.rate != 0 && f.closed != 0:
		return usage("--rate and --closed exclude each other", "leave one out")
	case !(f.rate >= 0) || f.rate > maxRate:
		return usage(fmt.Sprintf("--rate %v is not within 0 and %.0f", f.rate, float64(maxRate)))
	case f.think > 0 && f.closed == 0:
		return usage("--think is for the callers of --closed")
	}
	if !plain {
		shape, err := scenario.ParseArrival("--arrival", f.arrival, readTrace)
		if err != nil {
			return withCode(exitUsage, err)
		}
		f.shape = &shape
	}
	return f.checkShard()
}

func (f *loadFlags) checkShard() error {
	if f.shardText == "" {
		return nil
	}
	part, of, _ := strings.Cut(f.shardText, "/")
	i, err := strconv.Atoi(part)
	n, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || i < 1 || i > n {
		return usage(fmt.Sprintf("--shard %q: want a part such as 1/4, 2/4, 3/4 or 4/4", f.shardText))
	}
	switch f.arriving().Kind {
	case scenario.Poisson:
		if f.results.seed == 0 {
			return usage("--shard of random arrivals needs a --seed, the same for every part", "--seed 1")
		}
	case scenario.Closed:
		return usage("--shard is for calls that arrive", "give each generator its share of the callers")
	}
	f.shard = shard{i - 1, n}
	return nil
}

// shard is a part of a schedule, from 0; the zero shard is all of it.
type shard struct{ part, of int }

// share returns how many of n calls are in the part.
func (s shard) share(n int) int {
	if s.of < 2 || n == 0 {
		return n
	}
	return (n + s.of - 1 - s.part) / s.of
}

// arriving is the arrival that the flags ask for.
func (f *loadFlags) arriving() *scenario.Arrival {
	switch {
	case f.shape != nil:
		return f.shape
	case f.closed > 0:
		return &scenario.Arrival{Kind: scenario.Closed, Callers: f.closed, Think: f.think}
	}
	return &scenario.Arrival{Kind: scenario.ArrivalKind(f.arrival), Rate: f.rate}
}

// arrivalText is what the report calls the arrival.
func (f *loadFlags) arrivalText(a *scenario.Arrival) string {
	if f.shard.of > 1 {
		return fmt.Sprintf("%s, part %d of %d", a, f.shard.part+1, f.shard.of)
	}
	return a.String()
}

// schedule returns when calls are due, nil for a closed loop.
func (f *loadFlags) schedule(a *scenario.Arrival) iter.Seq[time.Duration] {
	s := a.Schedule(f.results.seed, f.warmup)
	if s == nil || f.shard.of < 2 {
		return s
	}
	return pace.Shard(s, f.shard.part, f.shard.of)
}

// bounded fills in how long the run takes when nothing says it.
func (f *loadFlags) bounded() {
	if f.duration == 0 && f.requests == 0 {
		f.duration = 10 * time.Second
		if length := f.arriving().Length(); length > 0 {
			f.duration = length
		}
	}
}

// expected returns how long the run takes if nothing goes wrong, 0 when that
// is not known.
func (f *loadFlags) expected() time.Duration {
	d := f.duration
	if byCount := float64(f.requests) / f.rate; f.requests > 0 && f.rate > 0 && (d == 0 || byCount < d.Seconds()) {
		d = time.Duration(byCount * float64(time.Second))
	}
	return d
}

// whole returns how long the run takes with what does not count in it, 0 when
// that is not known.
func (f *loadFlags) whole() time.Duration {
	if d := f.expected(); d > 0 {
		return f.warmup + d + f.cooldown
	}
	return 0
}

// printSchedule writes the offsets at which calls are due, one a line, which
// is what a trace is read from.
func (f *loadFlags) printSchedule(e *env) error {
	arrival := f.arriving()
	if arrival.Kind == scenario.Closed {
		return usage("a closed loop has no schedule: its calls wait for each other")
	}
	out := bufio.NewWriter(e.stdout)
	fmt.Fprintf(out, "# %s, seed %d\n", f.arrivalText(arrival), f.results.seed)
	n := 0
	for offset := range f.schedule(arrival) {
		over := f.duration > 0 && offset >= f.warmup+f.duration+f.cooldown
		if offset >= f.warmup {
			n++
		}
		if over || f.requests > 0 && n > f.shard.share(f.requests) {
			break
		}
		fmt.Fprintln(out, offset)
	}
	return out.Flush()
}
