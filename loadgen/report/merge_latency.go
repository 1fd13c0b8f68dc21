package report

import (
	"errors"
	"fmt"
	"math"

	"touchstone/loadgen/hist"
)

// MergeLatencies returns the distribution of the samples of all. Its figures are
// those of one histogram that has counted all of them; the mean is within a
// nanosecond.
func MergeLatencies(all ...Latency) (Latency, error) {
	sum, out := hist.New(), Latency{}
	total := 0.0
	for _, l := range all {
		if l.Count == 0 {
			continue
		}
		if l.HDR == "" {
			return Latency{}, errors.New("a distribution has no histogram")
		}
		h, err := hist.Decode(l.HDR)
		if err != nil {
			return Latency{}, err
		}
		if h.Count() != l.Count {
			return Latency{}, fmt.Errorf("a histogram has %d samples, its report says %d", h.Count(), l.Count)
		}
		if out.Count == 0 {
			out.Min, out.Max = l.Min, l.Max
		}
		out.Min, out.Max = min(out.Min, l.Min), max(out.Max, l.Max)
		out.Count += l.Count
		total += l.Mean * float64(l.Count)
		sum.Merge(h)
	}
	if out.Count == 0 {
		return out, nil
	}
	exact := out
	out = Latencies(sum)
	out.Min, out.Max, out.Mean = exact.Min, exact.Max, math.Round(total/float64(exact.Count)*1e6)/1e6
	// A decoded histogram knows its ends as its buckets do.
	for _, q := range []*float64{out.P50, out.P75, out.P90, out.P95, out.P99, out.P999} {
		if q != nil {
			*q = min(max(*q, exact.Min), exact.Max)
		}
	}
	return out, nil
}

// mergeAll merges each of others into its like.
func mergeAll(into, others []*Latency) error {
	for i, l := range into {
		merged, err := MergeLatencies(*l, *others[i])
		if err != nil {
			return err
		}
		*l = merged
	}
	return nil
}

// gather merges one distribution of all parts; get returns nil where a part
// has none, and gather nil when no part has one.
func gather(parts []part, get func(*Load) *Latency) (*Latency, error) {
	var all []Latency
	for _, p := range parts {
		if l := get(p.Load); l != nil {
			all = append(all, *l)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	merged, err := MergeLatencies(all...)
	return &merged, err
}

// distributions merges the distributions of a load.
func (m *merger) distributions(l *Load, parts []part) error {
	for _, one := range []struct {
		name string
		into *Latency
		get  func(*Load) *Latency
	}{
		{"response", &l.Response, func(l *Load) *Latency { return &l.Response }},
		{"service", &l.Service, func(l *Load) *Latency { return &l.Service }},
		{"lag", &l.Lag, func(l *Load) *Latency { return &l.Lag }},
	} {
		merged, err := gather(parts, one.get)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		*one.into = *merged
	}
	if err := l.mergeStreams(parts); err != nil {
		return err
	}
	return m.byStatus(l, parts)
}

// mergeStreams merges what only streams have.
func (l *Load) mergeStreams(parts []part) error {
	messages, seconds := 0.0, 0.0
	var out Stream
	some := false
	for _, p := range parts {
		if p.Stream != nil {
			some = true
			messages += math.Round(p.Stream.MessagesPerS * p.span())
			seconds = max(seconds, p.span())
		}
	}
	if !some {
		return nil
	}
	if seconds > 0 {
		out.MessagesPerS = messages / seconds
	}
	of := func(get func(*Stream) *Latency) (*Latency, error) {
		return gather(parts, func(l *Load) *Latency {
			if l.Stream == nil {
				return nil
			}
			return get(l.Stream)
		})
	}
	first, err1 := of(func(s *Stream) *Latency { return &s.FirstMessage })
	between, err2 := of(func(s *Stream) *Latency { return &s.BetweenMessages })
	headers, err3 := of(func(s *Stream) *Latency { return s.Headers })
	trip, err4 := of(func(s *Stream) *Latency { return s.RoundTrip })
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	out.FirstMessage, out.BetweenMessages, out.Headers, out.RoundTrip = *first, *between, headers, trip
	l.Stream = &out
	return nil
}

// byStatus merges the distributions by status. A part whose calls all ended
// alike has them in its response time only.
func (m *merger) byStatus(l *Load, parts []part) error {
	if len(l.Statuses) < 2 {
		return nil
	}
	merged := map[string]Latency{}
	for _, p := range parts {
		own := p.ByStatus
		if len(own) == 0 && p.Completed > 0 {
			if len(p.Statuses) != 1 {
				m.warn("%s: response times by status are left out: not every shard has them", l.Name)
				return nil
			}
			for code := range p.Statuses {
				own = map[string]Latency{code: p.Response}
			}
		}
		for code, one := range own {
			both, err := MergeLatencies(merged[code], one)
			if err != nil {
				return fmt.Errorf("status %s: %w", code, err)
			}
			merged[code] = both
		}
	}
	l.ByStatus = merged
	return nil
}
