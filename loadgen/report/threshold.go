package report

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"touchstone/server/source"
)

// Condition is a threshold on the figures of a load, such as
//
//	response.p99 < 50ms
//	error_rate <= 0.1%
//	dropped == 0
//
// A condition is a metric, one of < <= > >= == !=, and a limit with the unit
// that the metric asks for:
//
//   - a duration (ns, us, ms, s, m): response, service, lag, stream.headers,
//     stream.first_message, stream.between_messages or stream.round_trip,
//     followed by .min, .mean, .max or .pN, N being any percentile such as 50
//     or 99.9;
//   - a share (a number, or a percentage): achieved, of the offered rate;
//     error_rate, of the calls sent, where an error is whatever did not end
//     OK; status.CODE, of the calls sent;
//   - a count, or a share of the calls scheduled: dropped, cancelled;
//   - a number: rps, sent, completed, attempts_per_call,
//     stream.messages_per_s.
//
// A metric that is followed by {METHOD}, such as
// response.p99{HelloService/SayHello}, is that of one method of a mix; one that
// is followed by {STATUS}, which response has, that of the calls that ended so.
type Condition struct {
	metric   string
	scope    string // a method or status; "" is all calls
	operator string
	limit    float64
	unit     string // as written: ms, %, or "" for a plain number
}

// operators, the longer ones first so that "<=" is not read as "<".
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// latencyMetrics are the metrics that have a distribution.
var latencyMetrics = []string{
	"response", "service", "lag", "stream.headers", "stream.first_message", "stream.between_messages", "stream.round_trip",
}

// plainMetrics are the metrics that are one number, and what their limit may be.
var plainMetrics = map[string]kind{
	"achieved": share, "error_rate": share,
	"dropped": count | share, "cancelled": count | share,
	"rps": count, "sent": count, "completed": count, "attempts_per_call": count, "stream.messages_per_s": count,
}

// kind is what a limit may be.
type kind int

const (
	duration kind = 1 << iota
	share
	count
)

// units are the units by kind: how much one of them is, in milliseconds or as
// a plain number.
var units = map[string]struct {
	kind  kind
	scale float64
}{
	"ns": {duration, 1e-6}, "us": {duration, 1e-3}, "µs": {duration, 1e-3}, "ms": {duration, 1},
	"s": {duration, 1e3}, "m": {duration, 6e4},
	"%": {share, 0.01}, "": {count, 1},
}

// syntax splits metric, operator, number and unit; whatever they are is judged
// one by one, so that each mistake has its own message.
var syntax = regexp.MustCompile(`^(\s*)([^\s<>=!]*)(\s*)([<>=!]*)(\s*)([-+]?[0-9.]*(?:[eE][-+]?[0-9]+)?)(\s*)(\S*)(.*)$`)

// ParseThreshold reads a condition. A mistake is a *source.Error that points
// at the column.
func ParseThreshold(text string) (Condition, error) {
	r := &source.Reporter{File: source.NewFile("threshold", text)}
	c := parseCondition(r, text)
	if err := r.Err(); err != nil {
		return Condition{}, r.Errors()[0]
	}
	return c, nil
}

func parseCondition(r *source.Reporter, text string) Condition {
	part := syntax.FindStringSubmatch(text)
	if part == nil { // a line break: the expression is one line
		r.Errorf(source.Pos{Line: 1, Col: 1}, "want METRIC OPERATOR LIMIT on one line")
		return Condition{}
	}
	// at is the position of the i-th part.
	at := func(i int) source.Pos {
		return source.Pos{Line: 1, Col: 1 + len([]rune(strings.Join(part[1:i], "")))}
	}
	c := Condition{operator: part[4], unit: part[8]}
	c.metric, c.scope = splitScope(part[2])
	if c.unit == "µs" {
		c.unit = "us"
	}
	allowed := checkMetric(r, at(2), c.metric)
	if allowed == 0 {
		return c
	}
	c.checkScope(r, at(2))
	if !slices.Contains(operators, c.operator) {
		r.Errorf(at(4), "want one of %s, got %q", strings.Join(operators, " "), c.operator)
		return c
	}
	limit, err := strconv.ParseFloat(part[6], 64)
	if err != nil || math.IsInf(limit, 0) || math.IsNaN(limit) {
		e := r.Errorf(at(6), "want a number, got %q", part[6]+part[7]+part[8])
		e.Hint = "write a limit such as " + example(allowed)
		return c
	}
	c.limit = limit
	if rest := strings.TrimSpace(part[9]); rest != "" {
		r.Errorf(at(9), "want the end, got %q", rest)
		return c
	}
	if unit, known := units[c.unit]; !known || !fits(allowed, unit.kind) {
		e := r.Errorf(at(8), "%s cannot be compared with a limit in %q", c.metric, c.unit)
		e.Hint = "write a limit such as " + example(allowed)
	}
	return c
}

// fits reports whether a limit of the given kind fits; a plain number may also
// be a share.
func fits(allowed, unit kind) bool {
	return allowed&unit != 0 || allowed&share != 0 && unit == count
}

// example shows a limit of an allowed kind.
func example(allowed kind) string {
	switch {
	case allowed&duration != 0:
		return "50ms"
	case allowed&count != 0:
		return "0"
	}
	return "0.1%"
}

// checkMetric returns what a metric may be compared with, 0 and a report when
// there is no such metric.
func checkMetric(r *source.Reporter, pos source.Pos, metric string) kind {
	if k, ok := plainMetrics[metric]; ok {
		return k
	}
	if code, ok := strings.CutPrefix(metric, "status."); ok {
		return checkStatus(r, pos, code)
	}
	if name, stat, ok := splitLatency(metric); ok {
		if _, ok := statistic(stat); ok {
			return duration
		}
		e := r.Errorf(pos, "%s has no statistic %q", name, stat)
		e.Hint = "use min, mean, max or a percentile such as p99 or p99.9"
		return 0
	}
	return unknownMetric(r, pos, metric)
}

// splitLatency splits response.p99.9 into response and p99.9; it is false for
// a metric that has no distribution.
func splitLatency(metric string) (name, stat string, ok bool) {
	for _, name := range latencyMetrics {
		if stat, ok := strings.CutPrefix(metric, name+"."); ok {
			return name, stat, true
		}
	}
	return "", "", false
}

// unknownMetric reports a metric that does not exist.
func unknownMetric(r *source.Reporter, pos source.Pos, metric string) kind {
	e := r.Errorf(pos, "unknown metric %q", metric)
	names := slices.Sorted(maps.Keys(plainMetrics))
	for _, name := range latencyMetrics {
		names = append(names, name+".p50", name+".p99", name+".mean", name+".max")
	}
	if e.Hint = source.DidYouMean(metric, names); e.Hint == "" {
		e.Hint = "metrics are " + strings.Join(names, ", ")
	}
	return 0
}

// checkStatus reports a status that gRPC does not have.
func checkStatus(r *source.Reporter, pos source.Pos, code string) kind {
	if slices.Contains(statusNames[:], code) {
		return share
	}
	e := r.Errorf(pos, "unknown status %q", code)
	e.Hint = source.DidYouMean(code, statusNames[:])
	return 0
}

// statistic returns what a name selects of a distribution: min, mean, max, or
// a quantile within (0, 1).
func statistic(name string) (q float64, ok bool) {
	switch name {
	case "min", "mean", "max":
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, "p")
	if !ok || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	percent, err := strconv.ParseFloat(digits, 64)
	return percent / 100, err == nil && percent > 0 && percent < 100
}

// String returns the condition as ParseThreshold reads it.
func (c Condition) String() string {
	metric := c.metric
	if c.scope != "" {
		metric += "{" + c.scope + "}"
	}
	return fmt.Sprintf("%s %s %s%s", metric, c.operator, strconv.FormatFloat(c.limit, 'g', -1, 64), c.unit)
}

// Unit is the unit of the limit as written: ms, %, or "" for a plain number.
func (c Condition) Unit() string { return c.unit }
