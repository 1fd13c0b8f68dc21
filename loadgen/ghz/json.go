package ghz

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bojand/ghz/runner"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// WriteJSON writes a load in the JSON form of ghz, which ghz-web takes in.
// Latencies are response times, which count from the moment a call was due. The
// list of single results is empty: loadgen keeps none.
func WriteJSON(w io.Writer, r *report.Report, l *report.Load) error {
	h, err := hist.Decode(l.Response.HDR)
	if l.Response.HDR == "" {
		h, err = hist.New(), nil
	}
	if err != nil {
		return fmt.Errorf("write ghz's JSON: %w", err)
	}
	out := &runner.Report{
		Name: r.Name, EndReason: runner.ReasonNormalEnd, Date: r.Started, Options: options(r, l),
		Count: uint64(l.Completed), Total: milliseconds(r.DurationMS), Rps: l.AchievedRPS,
		Average: milliseconds(l.Response.Mean), Fastest: milliseconds(l.Response.Min), Slowest: milliseconds(l.Response.Max),
		ErrorDist: map[string]int{}, StatusCodeDist: map[string]int{},
		LatencyDistribution: distribution(h), Histogram: buckets(h, &l.Response), Details: []runner.ResultDetail{},
		Tags: map[string]string{"tool": "loadgen", "transport": l.Transport, "latency": "response time, from the moment a call was due"},
	}
	if l.Aborted != "" {
		out.EndReason = runner.ReasonCancel
	}
	for name, n := range l.Statuses {
		out.StatusCodeDist[goName(name)] = int(n)
		if name != "OK" {
			out.ErrorDist["rpc error: code = "+goName(name)] = int(n)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// options returns what ghz keeps of how it was called.
func options(r *report.Report, l *report.Load) runner.Options {
	return runner.Options{
		Call: l.Method, Host: r.Target.Address, RPS: int(l.OfferedRPS), LoadSchedule: "const", CSchedule: "const",
		Total: int(l.Scheduled), Connections: l.Connections, Duration: milliseconds(r.DurationMS), CPUs: r.Tool.CPUs,
		Name: r.Name, CountErrors: true,
	}
}

// percentages are those that ghz reports.
var percentages = []int{10, 25, 50, 75, 90, 95, 99}

// distribution returns the quantiles that the sample supports.
func distribution(h *hist.Histogram) []runner.LatencyDistribution {
	out := []runner.LatencyDistribution{}
	for _, p := range percentages {
		if q := float64(p) / 100; h.Supported(q) {
			out = append(out, runner.LatencyDistribution{Percentage: p, Latency: h.Quantile(q)})
		}
	}
	return out
}

// bucketCount is how many steps ghz has from the fastest to the slowest call.
const bucketCount = 10

// buckets returns the histogram as ghz draws it: how many calls took up to each
// mark, and more than the mark before.
func buckets(h *hist.Histogram, l *report.Latency) []runner.Bucket {
	out := []runner.Bucket{}
	if h.Count() == 0 {
		return out
	}
	above := h.Count()
	for i := range bucketCount + 1 {
		mark := l.Min + (l.Max-l.Min)*float64(i)/bucketCount
		left := h.Above(milliseconds(mark))
		if i == bucketCount {
			left = 0 // the histogram's last bucket ends beyond the slowest call
		}
		n := above - left
		above = left
		out = append(out, runner.Bucket{Mark: mark / 1000, Count: int(n), Frequency: float64(n) / float64(h.Count())})
	}
	return out
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
