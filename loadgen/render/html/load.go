package html

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// maxMarks is how many marks of a load are shown.
const maxMarks = 200

// load is a load with what its charts and tables need.
type load struct {
	*report.Load
	ID        int
	Chart     chartData
	Latencies []latency
	ByMethod  []methodRow
	Codes     []statusRow
	Calls     []waterfall
	CutMarks  int
	NoP99     bool // windows have too few calls each for a p99
}

// chartData is the JSON block's part for one load.
type chartData struct {
	Curve  curve    `json:"curve"`
	Time   timeline `json:"time"`
	Heat   heatmap  `json:"heat"`
	Marks  []mark   `json:"marks"`
	Phases []phase  `json:"phases"`
}

// mark and phase are those of a report, their text made harmless.
type mark struct {
	T    float64 `json:"t"`
	Kind string  `json:"kind"`
	Text string  `json:"text"`
}

type phase struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// latency is a row of the latency table.
type latency struct {
	Name string
	report.Latency
	Unsupported string // says which quantiles the sample is too small for
}

// methodRow is one method of a mix.
type methodRow struct {
	report.Method
	Share, Errors string
}

// statusRow is how many calls ended with a status, and how long those took.
type statusRow struct {
	Name    string
	Count   int64
	Share   string
	Latency *report.Latency // nil when all calls ended alike
}

func newLoad(id int, l *report.Load, limit int) load {
	out := load{Load: l, ID: id, Calls: callWaterfalls(l)}
	out.Chart = chartData{Curve: newCurve("response", l.Response, "service", l.Service), Time: newTimeline(l.Windows, limit), Heat: newHeatmap(l.Windows), Marks: []mark{}, Phases: []phase{}}
	for _, m := range l.Marks[:min(len(l.Marks), maxMarks)] {
		out.Chart.Marks = append(out.Chart.Marks, mark{m.T, visible(m.Kind), visible(m.Text)})
	}
	out.CutMarks = len(l.Marks) - len(out.Chart.Marks)
	for _, p := range l.Phases[:min(len(l.Phases), maxMarks)] {
		out.Chart.Phases = append(out.Chart.Phases, phase{visible(p.Name), p.StartS, p.EndS})
	}
	for _, m := range l.Methods {
		out.ByMethod = append(out.ByMethod, methodRow{m, percent(m.Weight, 1), percent(float64(m.Sent-m.Statuses["OK"]), float64(m.Sent))})
	}
	out.Codes = statusRows(l)
	out.Latencies = latencies(l)
	out.NoP99 = len(l.Windows) > 0 && !slices.ContainsFunc(l.Windows, func(w report.Window) bool { return w.P99 != nil })
	return out
}

func latencies(l *report.Load) []latency {
	return []latency{newLatency("response", l.Response), newLatency("service", l.Service), newLatency("lag", l.Lag)}
}

// StreamRows are the latencies that only streams have.
func (l load) StreamRows() []latency {
	if l.Stream == nil {
		return nil
	}
	var out []latency
	if l.Stream.Headers != nil {
		out = append(out, newLatency("response headers", *l.Stream.Headers))
	}
	out = append(out, newLatency("first message", l.Stream.FirstMessage), newLatency("between messages", l.Stream.BetweenMessages))
	if l.Stream.RoundTrip != nil {
		out = append(out, newLatency("round trip", *l.Stream.RoundTrip))
	}
	return out
}

func newLatency(name string, d report.Latency) latency { return latency{name, d, unsupported(d)} }

// tooFew says of all rows what their samples are too small for. A row without
// any sample says so by its count.
func tooFew(rows []latency) string {
	var out []string
	for _, r := range rows {
		if r.Unsupported != "" && r.Count > 0 {
			out = append(out, r.Name+" "+r.Unsupported)
		}
	}
	return strings.Join(out, "; ")
}

// unsupported names the smallest quantile that is left out, and what it needs.
func unsupported(d report.Latency) string {
	for _, q := range []struct {
		name  string
		q     float64
		value *float64
	}{{"p50", .5, d.P50}, {"p75", .75, d.P75}, {"p90", .9, d.P90}, {"p95", .95, d.P95}, {"p99", .99, d.P99}, {"p99.9", .999, d.P999}} {
		if q.value == nil {
			return fmt.Sprintf("%s needs %s samples, there are %s", q.name, count(hist.Needed(q.q)), count(d.Count))
		}
	}
	return ""
}

// statusRows lists OK first, then the most frequent.
func statusRows(l *report.Load) []statusRow {
	var out []statusRow
	for _, code := range slices.Sorted(maps.Keys(l.Statuses)) {
		row := statusRow{Name: code, Count: l.Statuses[code], Share: percent(float64(l.Statuses[code]), float64(l.Completed))}
		if d, ok := l.ByStatus[code]; ok {
			row.Latency = &d
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b statusRow) int {
		switch {
		case a.Name == "OK":
			return -1
		case b.Name == "OK":
			return 1
		}
		return cmp.Compare(b.Count, a.Count)
	})
	return out
}

// Errors is the share of the calls sent that did not end OK.
func (l load) Errors() string {
	return percent(float64(l.Sent-l.Statuses["OK"]), float64(l.Sent))
}
