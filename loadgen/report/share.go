package report

import (
	"strings"
	"time"

	"touchstone/loadgen/hist"
)

// Share is how many of some samples are on the wrong side of a condition.
type Share struct {
	Bad, All float64
}

// Shares states the condition as an upper limit on a share of the samples, and
// returns what there is of them in a load: "response.p99 < 50ms" says that less
// than 1 % of the calls take longer than 50 ms, "error_rate < 0.1%" what it
// says. A share has an interval that its sample supports, which a quantile as
// such has not.
//
// There is one Share for each window where the load has what it takes, and one
// for the whole load otherwise: what varies from one second to the next says
// how much the sample is worth. ok is false for a condition that is no such
// limit, as on a mean or on a count.
func (c Condition) Shares(l *Load) (shares []Share, limit float64, ok bool) {
	if c.operator != "<" && c.operator != "<=" {
		return nil, 0, false
	}
	l, err := c.narrow(l)
	if err != nil {
		return nil, 0, false
	}
	if code, found := strings.CutPrefix(c.metric, "status."); found {
		return []Share{{float64(l.Statuses[code]), float64(l.Sent)}}, c.base(), true
	}
	if c.metric == "error_rate" {
		return c.errorShares(l), c.base(), true
	}
	name, stat, found := splitLatency(c.metric)
	q, _ := statistic(stat)
	if !found || q == 0 {
		return nil, 0, false
	}
	if name == "response" {
		shares, ok = c.windowShares(l)
	}
	if !ok {
		d, err := distribution(l, name)
		if err != nil {
			return nil, 0, false
		}
		one, err := c.slow(d.HDR)
		if err != nil {
			return nil, 0, false
		}
		shares = []Share{one}
	}
	return shares, 1 - q, true
}

// base returns the limit in the base unit: milliseconds, or a plain number.
func (c Condition) base() float64 { return c.limit * units[c.unit].scale }

// errorShares counts what did not end OK, those cut at the end included, which
// belong to no window.
func (c Condition) errorShares(l *Load) []Share {
	var shares []Share
	left := Share{float64(l.Sent - l.Statuses["OK"]), float64(l.Sent)}
	for _, w := range l.Windows {
		one := Share{float64(w.Completed - w.Statuses["OK"]), float64(w.Completed)}
		left.Bad -= one.Bad
		left.All -= one.All
		shares = append(shares, one)
	}
	if left.All < 0 || left.Bad < 0 { // the windows lack statuses, or are of another load
		return []Share{{float64(l.Sent - l.Statuses["OK"]), float64(l.Sent)}}
	}
	return append(shares, left)
}

// windowShares counts slow calls window by window; it is false when the
// windows do not hold all of them.
func (c Condition) windowShares(l *Load) ([]Share, bool) {
	var shares []Share
	all := 0.0
	for _, w := range l.Windows {
		one, err := c.slow(w.HDR)
		if err != nil {
			return nil, false
		}
		shares = append(shares, one)
		all += one.All
	}
	return shares, all > 0 && all == float64(l.Response.Count)
}

// slow counts the recordings above the limit; "" holds none.
func (c Condition) slow(hdr string) (Share, error) {
	if hdr == "" {
		return Share{}, nil
	}
	h, err := hist.Decode(hdr)
	if err != nil {
		return Share{}, err
	}
	limit := time.Duration(c.base() * float64(time.Millisecond))
	if c.operator == "<" {
		limit-- // what takes just as long is too long
	}
	return Share{float64(h.Above(limit)), float64(h.Count())}, nil
}
