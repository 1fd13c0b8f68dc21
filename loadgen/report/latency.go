package report

import (
	"time"

	"touchstone/loadgen/hist"
)

// Latencies summarises h. Quantiles that the sample is too small for are left
// out; see hist.Needed for the rule.
func Latencies(h *hist.Histogram) Latency {
	out := Latency{
		Count: h.Count(), Min: Milliseconds(h.Min()), Mean: Milliseconds(h.Mean()), Max: Milliseconds(h.Max()),
		P50: Quantile(h, 0.5), P75: Quantile(h, 0.75), P90: Quantile(h, 0.9),
		P95: Quantile(h, 0.95), P99: Quantile(h, 0.99), P999: Quantile(h, 0.999),
	}
	if h.Count() > 0 {
		// Encoding into memory fails for no histogram that hist makes; without
		// it the figures above still stand.
		out.HDR, _ = h.Encode()
	}
	return out
}

// Quantile returns a quantile in milliseconds, nil when h does not support it.
func Quantile(h *hist.Histogram, q float64) *float64 {
	if !h.Supported(q) {
		return nil
	}
	return new(Milliseconds(h.Quantile(q)))
}

// Milliseconds is how a report writes a duration.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
