package report

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"touchstone/loadgen/hist"
)

// Evaluate judges the condition on the figures of one load. A figure that does
// not exist, or that the sample is too small for, fails the condition and says
// so in Message: what was not measured has not held.
func (c Condition) Evaluate(l *Load) Threshold {
	out := Threshold{Expression: c.String(), Limit: c.limit, Load: l.Name}
	value := 0.0
	narrowed, err := c.narrow(l)
	if err == nil {
		value, err = c.value(narrowed)
	}
	if err != nil {
		out.Message = err.Error()
		return out
	}
	// Both sides in the base unit, so that "< 50ms" and "< 0.05s" agree.
	unit := units[c.unit]
	out.Value = value / unit.scale
	out.Passed = holds(c.operator, value, c.limit*unit.scale)
	return out
}

// holds compares.
func holds(operator string, value, limit float64) bool {
	switch operator {
	case "<":
		return value < limit
	case "<=":
		return value <= limit
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	case "==":
		return value == limit
	case "!=":
		return value != limit
	}
	return false // the zero Condition
}

// value returns the figure in the base unit: milliseconds, or a plain number.
func (c Condition) value(l *Load) (float64, error) {
	if code, ok := strings.CutPrefix(c.metric, "status."); ok {
		return ratio(l.Statuses[code], l.Sent, "no calls were sent")
	}
	if name, stat, ok := splitLatency(c.metric); ok {
		return latencyValue(l, name, stat)
	}
	asShare := units[c.unit].kind == share
	switch c.metric {
	case "achieved":
		return achieved(l)
	case "error_rate":
		return ratio(l.Sent-l.Statuses["OK"], l.Sent, "no calls were sent")
	case "dropped":
		return countOrShare(l.Dropped, l.Scheduled, asShare)
	case "cancelled":
		return countOrShare(l.Cancelled, l.Scheduled, asShare)
	}
	return plainValue(l, c.metric)
}

// plainValue returns a figure that stands in the load as it is.
func plainValue(l *Load, metric string) (float64, error) {
	switch metric {
	case "rps":
		return l.AchievedRPS, nil
	case "sent":
		return float64(l.Sent), nil
	case "completed":
		return float64(l.Completed), nil
	case "attempts_per_call":
		if l.AttemptsPerCall == 0 {
			return 0, errors.New("attempts were not counted")
		}
		return l.AttemptsPerCall, nil
	case "stream.messages_per_s":
		if l.Stream == nil {
			return 0, errNoStream
		}
		return l.Stream.MessagesPerS, nil
	}
	return 0, fmt.Errorf("no metric %q", metric)
}

// errNoStream says why a unary load has no stream figures.
var errNoStream = errors.New("the call is unary: it has no stream figures")

// achieved returns the achieved rate as a share of the offered one.
func achieved(l *Load) (float64, error) {
	if l.OfferedRPS == 0 {
		return 0, errors.New("a closed loop has no offered rate")
	}
	return l.AchievedRPS / l.OfferedRPS, nil
}

// countOrShare returns n, or n as a share of all.
func countOrShare(n, all int64, asShare bool) (float64, error) {
	if !asShare {
		return float64(n), nil
	}
	return ratio(n, all, "no calls were scheduled")
}

// ratio returns n as a share of all; none is the message when all is 0.
func ratio(n, all int64, none string) (float64, error) {
	if all == 0 {
		return 0, errors.New(none)
	}
	return float64(n) / float64(all), nil
}

// latencyValue returns a statistic of a distribution in milliseconds.
func latencyValue(l *Load, metric, name string) (float64, error) {
	d, err := distribution(l, metric)
	switch {
	case err != nil:
		return 0, err
	case d.Count == 0:
		return 0, fmt.Errorf("%s has no samples", metric)
	}
	switch name {
	case "min":
		return d.Min, nil
	case "mean":
		return d.Mean, nil
	case "max":
		return d.Max, nil
	}
	return d.percentile(name)
}

// distribution returns the distribution that a metric names.
func distribution(l *Load, metric string) (*Latency, error) {
	switch metric {
	case "response":
		return &l.Response, nil
	case "service":
		return &l.Service, nil
	case "lag":
		return &l.Lag, nil
	}
	if l.Stream == nil {
		return nil, errNoStream
	}
	switch metric {
	case "stream.first_message":
		return &l.Stream.FirstMessage, nil
	case "stream.between_messages":
		return &l.Stream.BetweenMessages, nil
	case "stream.headers":
		return present(l.Stream.Headers)
	case "stream.round_trip":
		return present(l.Stream.RoundTrip)
	}
	return nil, fmt.Errorf("no metric %q", metric)
}

// present returns a distribution that not every stream has.
func present(d *Latency) (*Latency, error) {
	if d == nil {
		return &Latency{}, nil
	}
	return d, nil
}

// percentile returns a percentile such as p99.9 out of the histogram.
func (d *Latency) percentile(name string) (float64, error) {
	q, ok := statistic(name)
	if !ok {
		return 0, fmt.Errorf("no statistic %q", name)
	}
	if need := hist.Needed(q); d.Count < need {
		return 0, fmt.Errorf("%s needs %d samples, there are %d", name, need, d.Count)
	}
	h, err := hist.Decode(d.HDR)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return math.Min(Milliseconds(h.Quantile(q)), d.Max), nil
}
