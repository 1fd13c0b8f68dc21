package compare

import (
	"fmt"
	"math"
	"slices"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// Metric is the name of a figure.
type Metric string

// The figures, in the order of every table.
const (
	P50        Metric = "p50"
	P90        Metric = "p90"
	P99        Metric = "p99"
	Throughput Metric = "throughput"
	Errors     Metric = "errors"
	CPU        Metric = "cpu"
)

// Metrics returns the figures in the order of every table.
func Metrics() []Metric { return []Metric{P50, P90, P99, Throughput, Errors, CPU} }

// Quantile returns the quantile that the figure is, 0 for one that is none.
func (m Metric) Quantile() float64 {
	return map[Metric]float64{P50: 0.5, P90: 0.9, P99: 0.99}[m]
}

// Relative reports whether the figure is compared as a ratio. Errors are not:
// a rate of 0 has no ratio.
func (m Metric) Relative() bool { return m != Errors }

// MoreIsWorse reports whether a higher figure is a worse one.
func (m Metric) MoreIsWorse() bool { return m != Throughput }

// Unit is that of the values: milliseconds, calls a second, a share of the
// calls sent, microseconds of the client's CPU for each call.
func (m Metric) Unit() string {
	switch m {
	case Throughput:
		return "/s"
	case Errors:
		return "%"
	case CPU:
		return "µs"
	}
	return "ms"
}

// of returns the figure of one load; not ok if it was not measured.
func (m Metric) of(l *report.Load) (v float64, ok bool) {
	quantile := func(q *float64) (float64, bool) {
		if q == nil {
			return 0, false
		}
		return *q, *q > 0
	}
	switch m {
	case P50:
		return quantile(l.Response.P50)
	case P90:
		return quantile(l.Response.P90)
	case P99:
		return quantile(l.Response.P99)
	case Throughput:
		return l.AchievedRPS, l.AchievedRPS > 0
	case Errors:
		if l.Sent == 0 {
			return 0, false
		}
		return float64(l.Sent-l.Statuses["OK"]) / float64(l.Sent), true
	case CPU:
		return l.CPU.USPerCall, l.CPU.USPerCall > 0
	}
	return 0, false
}

// pairing is a load that both sides have, with what it was in each run.
type pairing struct {
	name     string
	old, new []*report.Load
}

// pair returns the loads that both sides have, and the names of those that
// only one has.
func pair(older, newer []*report.Report) (pairs []pairing, alone []string) {
	old, oldNames := byName(older)
	now, newNames := byName(newer)
	for _, name := range oldNames {
		if len(now[name]) == 0 {
			alone = append(alone, name)
			continue
		}
		pairs = append(pairs, pairing{name, old[name], now[name]})
	}
	for _, name := range newNames {
		if len(old[name]) == 0 {
			alone = append(alone, name)
		}
	}
	return pairs, alone
}

// byName groups the loads of all runs. Loads of one name within a run are told
// apart by their order.
func byName(runs []*report.Report) (map[string][]*report.Load, []string) {
	out, names := map[string][]*report.Load{}, []string{}
	for _, r := range runs {
		seen := map[string]int{}
		for i := range r.Loads {
			name := r.Loads[i].Name
			if seen[name]++; seen[name] > 1 {
				name = fmt.Sprintf("%s #%d", name, seen[name])
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			out[name] = append(out[name], &r.Loads[i])
		}
	}
	return out, names
}

// measure returns the figures of a load that both sides have, still without
// verdicts, and what is to be said of the others.
func (p pairing) measure() (out Load, missing []string) {
	out = Load{Name: p.name, Old: together(p.old), New: together(p.new)}
	for _, m := range Metrics() {
		old, now := values(m, p.old), values(m, p.new)
		if len(old) == 0 || len(now) == 0 {
			missing = append(missing, fmt.Sprintf("%s of %s is not compared: %s", m, p.name, m.missing()))
			continue
		}
		out.Changes = append(out.Changes, Change{
			Metric: m, Old: old, New: now, OldMid: middle(old), NewMid: middle(now), P: pValue(old, now),
		})
	}
	return out, missing
}

// missing says why a side may be without a figure.
func (m Metric) missing() string {
	if q := m.Quantile(); q > 0 {
		return fmt.Sprintf("no run of a side has the %d calls that it needs", hist.Needed(q))
	}
	return "a side has not measured it"
}

// values are a figure in all runs that have it.
func values(m Metric, loads []*report.Load) []float64 {
	var out []float64
	for _, l := range loads {
		if v, ok := m.of(l); ok && !math.IsInf(v, 0) && !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}

// together returns the response times of all runs; empty when they cannot be
// put together.
func together(loads []*report.Load) report.Latency {
	var all []report.Latency
	for _, l := range loads {
		all = append(all, l.Response)
	}
	merged, err := report.MergeLatencies(all...)
	if err != nil {
		return report.Latency{}
	}
	return merged
}
