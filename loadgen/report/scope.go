package report

import (
	"fmt"
	"slices"
	"strings"

	"touchstone/server/source"
)

// splitScope splits response.p99{HelloService/SayHello} into metric and scope;
// the scope is "" of a metric that is of all calls.
func splitScope(text string) (metric, scope string) {
	metric, rest, found := strings.Cut(text, "{")
	if scope, closed := strings.CutSuffix(rest, "}"); found && closed {
		return metric, scope
	}
	return text, ""
}

// ofMethod are the metrics that each method of a mix has, besides latencies.
var ofMethod = []string{"error_rate", "dropped", "cancelled", "sent", "completed"}

// checkScope reports a scope that the metric does not have.
func (c *Condition) checkScope(r *source.Reporter, pos source.Pos) {
	name, _, isLatency := splitLatency(c.metric)
	switch {
	case c.scope == "":
	case slices.Contains(statusNames[:], c.scope):
		if name != "response" {
			r.Errorf(pos, "only response times are known by status, not %s", c.metric)
		}
	case !strings.Contains(c.scope, "/"):
		e := r.Errorf(pos, "{%s} is neither a method nor a status", c.scope)
		if e.Hint = source.DidYouMean(c.scope, statusNames[:]); e.Hint == "" {
			e.Hint = "write {HelloService/SayHello}, or {OK} for response times"
		}
	case isLatency && !strings.HasPrefix(name, "stream."), strings.HasPrefix(c.metric, "status."), slices.Contains(ofMethod, c.metric):
	default:
		r.Errorf(pos, "%s is not known of each method", c.metric)
	}
}

// narrow returns the figures of the scope as those of a load.
func (c Condition) narrow(l *Load) (*Load, error) {
	if c.scope == "" {
		return l, nil
	}
	if !strings.Contains(c.scope, "/") {
		if response, some := l.ByStatus[c.scope]; some {
			return &Load{Name: l.Name, Response: response}, nil
		}
		if n := l.Statuses[c.scope]; n > 0 && len(l.Statuses) == 1 {
			return &Load{Name: l.Name, Response: l.Response}, nil
		}
		return nil, fmt.Errorf("no call ended %s", c.scope)
	}
	for i := range l.Methods {
		if m := &l.Methods[i]; m.Method == c.scope {
			return &Load{
				Name: l.Name, Scheduled: m.Sent + m.Dropped, Sent: m.Sent, Completed: m.Completed, Cancelled: m.Cancelled,
				Dropped: m.Dropped, Statuses: m.Statuses, Response: m.Response, Service: m.Service, Lag: m.Lag,
			}, nil
		}
	}
	if len(l.Methods) == 0 && strings.TrimPrefix(l.Method, "/") == c.scope {
		return l, nil
	}
	return nil, fmt.Errorf("the load has no calls of %s", c.scope)
}
