package html

import (
	"cmp"
	"slices"

	"touchstone/loadgen/report"
)

// capacityData is the JSON block's part for a capacity search: its runs, by
// rate.
type capacityData struct {
	Rate     []float64  `json:"rate"`
	Achieved []float64  `json:"achieved"`
	Name     string     `json:"name"` // of High: the highest quantile that every run's sample supports
	High     []*float64 `json:"high"`
	P50      []*float64 `json:"p50"`
	Verdict  []string   `json:"verdict"`
	Found    float64    `json:"found"`
}

// quantileOf is a figure of a latency that can stand for its tail.
type quantileOf struct {
	name string
	of   func(report.Latency) *float64
}

// tails are those of a capacity chart, the best first; the last one is always
// known.
var tails = []quantileOf{
	{"p99", func(d report.Latency) *float64 { return d.P99 }},
	{"p95", func(d report.Latency) *float64 { return d.P95 }},
	{"p90", func(d report.Latency) *float64 { return d.P90 }},
	{"p75", func(d report.Latency) *float64 { return d.P75 }},
	{"max", func(d report.Latency) *float64 { return &d.Max }},
}

func newCapacity(c *report.Capacity) *capacityData {
	if c == nil {
		return nil
	}
	out := &capacityData{Rate: []float64{}, Achieved: []float64{}, P50: []*float64{}, High: []*float64{}, Verdict: []string{}, Found: c.FoundRPS}
	points := slices.Clone(c.Points)
	slices.SortStableFunc(points, func(a, b report.CapacityPoint) int { return cmp.Compare(a.RateRPS, b.RateRPS) })
	high := tails[slices.IndexFunc(tails, func(q quantileOf) bool {
		return !slices.ContainsFunc(points, func(p report.CapacityPoint) bool { return q.of(p.Response) == nil })
	})]
	out.Name = high.name
	for _, p := range points {
		out.Rate, out.Achieved = append(out.Rate, p.RateRPS), append(out.Achieved, p.AchievedRPS)
		out.P50, out.High = append(out.P50, rounded(p.Response.P50)), append(out.High, rounded(high.of(p.Response)))
		out.Verdict = append(out.Verdict, visible(p.Verdict))
	}
	return out
}
