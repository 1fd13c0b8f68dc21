package scenario

import (
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/server/source"
)

// ArrivalKind is the way in which calls of a load become due.
type ArrivalKind string

// The arrivals.
const (
	Constant ArrivalKind = "constant" // evenly spaced
	Poisson  ArrivalKind = "poisson"  // exponential gaps
	Ramp     ArrivalKind = "ramp"     // the rate moves in a straight line
	Steps    ArrivalKind = "steps"    // one rate after the other
	Spike    ArrivalKind = "spike"    // a burst
	Sine     ArrivalKind = "sine"     // a rate that swings
	Trace    ArrivalKind = "trace"    // at given times
	Closed   ArrivalKind = "closed"   // each caller calls again when its call has ended
)

// Arrival says when calls of a load become due. Rates are calls a second.
type Arrival struct {
	Kind ArrivalKind
	Rate float64 // of Constant and Poisson

	Callers int           // of Closed
	Think   time.Duration // of Closed, between a caller's calls

	Stages []Stage // of Ramp, Steps and Spike; the rate of the last is held

	Mean, Swing float64 // of Sine
	Period      time.Duration

	Offsets []time.Duration // of Trace, in order
	trace   *source.Node    // the file that they are in, until it is read
}

// Stage is a part of an arrival, in which the rate moves from one value to
// another. Only the last one has no end, 0.
type Stage struct {
	From, To float64
	For      time.Duration
}

// Schedule returns the offsets at which calls are due, nil for Closed. The
// first warmup of them are for warming up: an arrival with a shape starts
// after it, and is preceded by calls at the rate it starts with.
func (a *Arrival) Schedule(seed uint64, warmup time.Duration) iter.Seq[time.Duration] {
	switch a.Kind {
	case Constant:
		return pace.Constant(a.Rate)
	case Poisson:
		return pace.Poisson(a.Rate, seed)
	case Sine:
		return pace.Sine(a.Mean, a.Swing, a.Period)
	case Closed:
		return nil
	}
	shape := a.shape()
	if warmup == 0 {
		return shape
	}
	return pace.Then(pace.Constant(a.startRate()), warmup, shape)
}

// shape returns the offsets of an arrival that has a beginning.
func (a *Arrival) shape() iter.Seq[time.Duration] {
	switch a.Kind {
	case Trace:
		return pace.Trace(a.Offsets)
	case Ramp:
		return pace.Ramp(a.Stages[0].From, a.Stages[0].To, a.Stages[0].For)
	}
	var steps []pace.Step
	for _, s := range a.Stages {
		steps = append(steps, pace.Step{Rate: s.From, For: s.For})
	}
	return pace.Steps(steps...)
}

// startRate is the rate of a warm-up: that which the arrival starts with, at
// least one call a second; of a trace it is the mean rate.
func (a *Arrival) startRate() float64 {
	if a.Kind == Trace {
		return max(float64(len(a.Offsets))/max(a.Length().Seconds(), 1), 1)
	}
	return max(a.Stages[0].From, 1)
}

// Length returns how long it takes until the arrival has shown all that it is:
// the last rate of steps is held for its time, and a ramp ends at its top. It
// is 0 for one that looks the same all the time.
func (a *Arrival) Length() time.Duration {
	if n := len(a.Offsets); n > 0 {
		return a.Offsets[n-1] + 1
	}
	var d time.Duration
	for _, s := range a.Stages {
		d += s.For
	}
	if a.Kind == Spike {
		d += a.Stages[0].For // as long after the burst as before
	}
	return d
}

// Phases names the parts of the arrival, from its start; nil when it has none.
func (a *Arrival) Phases() []report.Phase {
	var out []report.Phase
	at, end := 0.0, a.Length().Seconds()
	for i, s := range a.Stages {
		name := rate(s.From)
		if s.From != s.To {
			name += " to " + rate(s.To)
		}
		until := at + s.For.Seconds()
		if i == len(a.Stages)-1 {
			until = max(until, end)
		}
		out = append(out, report.Phase{Name: name, StartS: at, EndS: until})
		at = until
	}
	return out
}

// String is how a report names the arrival, such as "poisson 500/s".
func (a *Arrival) String() string {
	switch a.Kind {
	case Constant, Poisson:
		return fmt.Sprintf("%s %s", a.Kind, rate(a.Rate))
	case Closed:
		if a.Think > 0 {
			return fmt.Sprintf("closed %d, think %v", a.Callers, a.Think)
		}
		return fmt.Sprintf("closed %d", a.Callers)
	case Sine:
		return fmt.Sprintf("sine %s ± %s every %v", rate(a.Mean), rate(a.Swing), a.Period)
	case Trace:
		return fmt.Sprintf("trace of %d", len(a.Offsets))
	case Ramp:
		return fmt.Sprintf("ramp %s to %s over %v", rate(a.Stages[0].From), rate(a.Stages[0].To), a.Stages[0].For)
	}
	var parts []string
	for _, s := range a.Stages {
		part := rate(s.From)
		if s.For > 0 {
			part += fmt.Sprintf(" for %v", s.For)
		}
		parts = append(parts, part)
	}
	return string(a.Kind) + " " + strings.Join(parts, ", ")
}

func rate(v float64) string { return fmt.Sprintf("%g/s", v) }

// ParseArrival reads an arrival as a scenario file has it, such as
// "ramp: {from: 10/s, to: 500/s, over: 30s}"; name is what errors call the
// text, and read reads the file of a trace. The error is a [source.Errors].
func ParseArrival(name, text string, read func(string) ([]byte, error)) (Arrival, error) {
	r := &source.Reporter{File: source.NewFile(name, text)}
	n, err := source.ParseYAML(r.File, []byte(text))
	if err != nil {
		return Arrival{}, err
	}
	a := parseArrival(r, n)
	a.readTrace(r, ".", read)
	return a, r.Err()
}

// arrivals read the kinds.
var arrivals = map[ArrivalKind]func(*source.Reporter, *source.Node) Arrival{
	Constant: func(r *source.Reporter, n *source.Node) Arrival { return Arrival{Rate: parseRate(r, n)} },
	Poisson:  func(r *source.Reporter, n *source.Node) Arrival { return Arrival{Rate: parseRate(r, n)} },
	Ramp:     parseRamp, Steps: parseRateSteps, Spike: parseSpike, Sine: parseSine, Trace: parseTrace, Closed: parseClosed,
}

// arrivalNames lists the kinds.
func arrivalNames() []string {
	var names []string
	for _, kind := range slices.Sorted(maps.Keys(arrivals)) {
		names = append(names, string(kind))
	}
	return names
}

// parseArrival reads one kind and what it needs.
func parseArrival(r *source.Reporter, n *source.Node) Arrival {
	if n == nil {
		return Arrival{}
	}
	names := arrivalNames()
	if n.Kind != source.Object || len(n.Fields) != 1 {
		r.Errorf(n.Pos, "arrival: want one of %s, got %s", strings.Join(names, ", "), n.JSON()).Hint = "write {poisson: 500/s} or {closed: 8}"
		return Arrival{}
	}
	field := n.Fields[0]
	parse := arrivals[ArrivalKind(field.Key)]
	if parse == nil {
		r.Errorf(field.Pos, "arrival %q does not exist: there are %s", field.Key, strings.Join(names, ", ")).Hint = source.DidYouMean(field.Key, names)
		return Arrival{}
	}
	a := parse(r, field.Value)
	a.Kind = ArrivalKind(field.Key)
	return a
}

func parseRamp(r *source.Reporter, n *source.Node) Arrival {
	m := r.Mapping(n)
	s := Stage{From: needRate(r, m, "from"), To: needRate(r, m, "to"), For: needDuration(r, m, "over")}
	m.Done()
	if s.From == 0 && s.To == 0 && n.Kind == source.Object && len(n.Fields) == 3 {
		r.Errorf(n.Pos, "a ramp from nothing to nothing makes no calls")
	}
	return Arrival{Stages: []Stage{s}}
}

func parseRateSteps(r *source.Reporter, n *source.Node) Arrival {
	var a Arrival
	for _, item := range r.List(n) {
		m := r.Mapping(item)
		v := needRate(r, m, "rate")
		a.Stages = append(a.Stages, Stage{From: v, To: v, For: needDuration(r, m, "for")})
		m.Done()
	}
	if len(a.Stages) == 0 {
		r.Errorf(n.Pos, "want at least one step").Hint = "write steps: [{rate: 100/s, for: 10s}, {rate: 200/s, for: 10s}]"
		a.Stages = []Stage{{}}
	}
	return a
}

func parseSpike(r *source.Reporter, n *source.Node) Arrival {
	m := r.Mapping(n)
	base, peak := needRate(r, m, "base"), needRate(r, m, "peak")
	at, lasts := needDuration(r, m, "at"), needDuration(r, m, "lasts")
	m.Done()
	return Arrival{Stages: []Stage{{base, base, at}, {peak, peak, lasts}, {base, base, 0}}}
}

func parseSine(r *source.Reporter, n *source.Node) Arrival {
	m := r.Mapping(n)
	mean, swing := m.Need("mean"), m.Need("swing")
	a := Arrival{Period: needDuration(r, m, "period")}
	m.Done()
	if mean != nil {
		a.Mean = parseRate(r, mean)
	}
	if swing != nil {
		a.Swing = parseRate(r, swing)
	}
	if a.Swing > a.Mean && a.Mean > 0 {
		r.Errorf(swing.Pos, "the swing is more than the mean: there are no negative rates")
	}
	return a
}

// parseClosed reads a number of callers, or {callers: 8, think: 200ms}.
func parseClosed(r *source.Reporter, n *source.Node) Arrival {
	if n.Kind != source.Object {
		return Arrival{Callers: r.Int(n, 1, maxRepeat)}
	}
	m := r.Mapping(n)
	a := Arrival{Callers: r.Int(m.Need("callers"), 1, maxRepeat), Think: r.Duration(m.Take("think"))}
	m.Done()
	return a
}

// parseTrace reads a list of offsets, or the name of a file that has one.
func parseTrace(r *source.Reporter, n *source.Node) Arrival {
	if n.Kind == source.String {
		return Arrival{trace: n}
	}
	var a Arrival
	for _, item := range r.List(n) {
		offset := r.Duration(item)
		if k := len(a.Offsets); k > 0 && offset < a.Offsets[k-1] {
			r.Errorf(item.Pos, "%v comes after %v: offsets have to be in order", offset, a.Offsets[k-1])
		}
		a.Offsets = append(a.Offsets, offset)
	}
	if len(a.Offsets) == 0 {
		r.Errorf(n.Pos, "a trace without offsets").Hint = "write a list such as [0s, 1.5s], or the name of a file with one offset a line"
	}
	return a
}

// readTrace reads the file of a trace, which is relative to a folder.
func (a *Arrival) readTrace(r *source.Reporter, folder string, read func(string) ([]byte, error)) {
	if a.trace == nil {
		return
	}
	name := filepath.FromSlash(a.trace.Text)
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	text, err := read(name)
	if err == nil {
		a.Offsets, err = pace.ParseTrace(name, string(text))
	}
	if err != nil {
		r.Errorf(a.trace.Pos, "%v", err)
	}
}

// needRate reads a rate, which may be 0 here.
func needRate(r *source.Reporter, m *source.Mapping, key string) float64 {
	n := m.Need(key)
	if n == nil || n.Kind == source.Int && n.Text == "0" || n.Text == "0/s" {
		return 0
	}
	return parseRate(r, n)
}

func needDuration(r *source.Reporter, m *source.Mapping, key string) time.Duration {
	n := m.Need(key)
	d := r.Duration(n)
	if n != nil && d == 0 && (n.Kind == source.Int || n.Kind == source.String && strings.HasPrefix(n.Text, "0")) {
		r.Errorf(n.Pos, "%s: want more than no time", key)
	}
	return d
}

// parseRate reads calls a second: 500/s, 30/m, 1000/h or a number.
func parseRate(r *source.Reporter, n *source.Node) float64 {
	digits, unit, _ := strings.Cut(n.Text, "/")
	per := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	rate, err := strconv.ParseFloat(digits, 64)
	if err != nil || per == 0 || !(rate > 0 && rate <= maxCount) || n.Kind == source.List || n.Kind == source.Object {
		r.Errorf(n.Pos, "want a rate, got %s", n.JSON()).Hint = "write 500/s, 30/m or 1000/h"
		return 0
	}
	return rate / per.Seconds()
}
