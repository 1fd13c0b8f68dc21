package report

import (
	"maps"
	"math"
	"slices"
)

// windows merges the windows that cover the same second. Quantiles are merged
// where the windows have their histograms, and left out elsewhere.
func (m *merger) windows(parts []part) []Window {
	bySecond := map[int][]Window{}
	for _, p := range parts {
		for _, w := range p.Windows {
			w.T += p.shift
			at := int(math.Round(w.T))
			bySecond[at] = append(bySecond[at], w)
		}
	}
	var out []Window
	for _, at := range slices.Sorted(maps.Keys(bySecond)) {
		out = append(out, m.window(float64(at), bySecond[at]))
	}
	return out
}

// window merges the windows of one second.
func (m *merger) window(t float64, all []Window) Window {
	if len(all) == 1 {
		all[0].T = t
		return all[0]
	}
	out := Window{T: t}
	for _, w := range all {
		out.Sent += w.Sent
		out.Completed += w.Completed
		out.InFlight += w.InFlight
		out.Due += w.Due
		out.Dropped += w.Dropped
		out.Max = max(out.Max, w.Max)
		for code, n := range w.Statuses {
			if out.Statuses == nil {
				out.Statuses = map[string]int64{}
			}
			out.Statuses[code] += n
		}
		if w.LagP99 != nil {
			m.warn("the lag of single seconds is left out: a quantile of quantiles is none")
		}
	}
	m.windowLatency(&out, all)
	return out
}

// windowLatency merges the response times of the windows of one second.
func (m *merger) windowLatency(out *Window, all []Window) {
	var parts []Latency
	for _, w := range all {
		switch {
		case w.Completed == 0:
		case w.HDR == "":
			m.warn("the quantiles of single seconds are left out: the windows have no histograms")
			return
		default:
			// The ends that a window knows: 0 is below every sample.
			parts = append(parts, Latency{Count: w.Completed, Max: w.Max, HDR: w.HDR})
		}
	}
	merged, err := MergeLatencies(parts...)
	if err != nil {
		m.warn("the quantiles of some seconds are left out: %v", err)
		return
	}
	out.P50, out.P99, out.HDR = merged.P50, merged.P99, merged.HDR
}
