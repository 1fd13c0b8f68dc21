package retry

import (
	"fmt"
	"strings"
	"time"

	"touchstone/server/source"
)

// Question is what is asked of a config beside the config itself. The zero
// Question asks about every entry, without a deadline.
type Question struct {
	Service, Method string        // explain what applies to this method only
	Deadline        time.Duration // of the application; 0: none
	RequestBytes    int           // the size of requests; 0: unknown
}

// Explanation says what one entry of a config makes clients do.
type Explanation struct {
	Name     string // the methods it applies to
	Line     int    // where the entry stands; 0: no entry applies
	Policy   *Policy
	Deadline time.Duration // the shorter of the entry's timeout and the application's; 0: none
	Least    int           // attempts that start before the deadline, if all fail at once
	Most     int
}

// Explain returns what each entry does, or the one that wins for a method.
func (c *Config) Explain(q Question) []Explanation {
	if q.Service != "" {
		m := c.Method(q.Service, q.Method)
		name := Name{Service: q.Service, Method: q.Method}.String()
		if m == nil {
			return []Explanation{explain(name, &MethodConfig{}, q)}
		}
		return []Explanation{explain(name, m, q)}
	}
	var out []Explanation
	for i := range c.Methods {
		m := &c.Methods[i]
		var names []string
		for _, name := range m.Names {
			names = append(names, name.String())
		}
		if len(names) > 0 {
			out = append(out, explain(strings.Join(names, ", "), m, q))
		}
	}
	return out
}

func explain(name string, m *MethodConfig, q Question) Explanation {
	e := Explanation{Name: name, Line: m.Pos.Line, Policy: m.Retry, Deadline: m.Timeout, Least: 1, Most: 1}
	if q.Deadline > 0 && (e.Deadline == 0 || q.Deadline < e.Deadline) {
		e.Deadline = q.Deadline
	}
	if m.Retry == nil {
		return e
	}
	e.Least, e.Most = m.Retry.Attempts(), m.Retry.Attempts()
	if e.Deadline > 0 {
		e.Least, e.Most = m.Retry.Within(e.Deadline)
	}
	return e
}

// buffers are the retry buffers of clients, for one call: a request above them
// is not kept, and so not retried. Sources: grpc-go's MaxRetryRPCBufferSize,
// C-core's GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, grpc-java's perRpcBufferLimit,
// grpc-js's grpc-node.per_rpc_retry_buffer_size.
var buffers = []struct {
	client string
	bytes  int
}{
	{"grpc-go, and C-core with Python, C++, Ruby and PHP", 256 << 10},
	{"grpc-java and grpc-js", 1 << 20},
}

// Warnings returns what is valid and yet switches retries off, or differs
// among clients; by position.
func (c *Config) Warnings(file *source.File, q Question) source.Errors {
	r := &source.Reporter{File: file}
	retries := false
	for i := range c.Methods {
		m := &c.Methods[i]
		retries = retries || m.Retry != nil
		c.warnEntry(r, m)
		if m.Retry != nil {
			warnPolicy(r, m.Retry, q)
		}
	}
	if t := c.Throttling; t != nil && t.MaxTokens <= 2 {
		r.Errorf(t.Pos, "maxTokens %v switches retries off: the first failure leaves no more than half of the tokens", t.MaxTokens)
	}
	if c.Throttling != nil && !retries {
		r.Errorf(c.Throttling.Pos, "retryThrottling has nothing to throttle: no entry has a retryPolicy")
	}
	return r.Errors()
}

// warnEntry warns of an entry that does nothing, or takes retries away.
func (c *Config) warnEntry(r *source.Reporter, m *MethodConfig) {
	if len(m.Names) == 0 {
		r.Errorf(m.Pos, "the entry has no name, and so applies to no method").Hint = `add "name": [{}] to make it the default for all methods`
		return
	}
	if m.Hedging {
		r.Errorf(m.Pos, "hedgingPolicy: grpc-go and C-core (Python, C++, Ruby, PHP) do not hedge, and make one attempt")
	}
	if m.Retry != nil || m.Hedging {
		return
	}
	for _, name := range m.Names {
		if wider := c.wider(name); wider != nil {
			r.Errorf(name.Pos, "%s has no retryPolicy, and hides the one of line %d: entries are not merged", name, wider.Pos.Line).Hint = "repeat the retryPolicy here"
		}
	}
}

// wider returns the entry with a retryPolicy that would apply without the one
// of the given name.
func (c *Config) wider(name Name) *MethodConfig {
	var outer *MethodConfig
	switch {
	case name.Method != "":
		outer = c.Method(name.Service, "")
	case name.Service != "":
		outer = c.Method("", "")
	}
	if outer == nil || outer.Retry == nil {
		return nil
	}
	return outer
}

func warnPolicy(r *source.Reporter, p *Policy, q Question) {
	at := func(field string) source.Pos { return p.node.Get(field).Pos }
	if p.MaxAttempts > AttemptCap {
		r.Errorf(at("maxAttempts"), "maxAttempts %d is taken as %d, the cap of clients", p.MaxAttempts, AttemptCap)
	}
	if p.MaxBackoff < p.InitialBackoff {
		r.Errorf(at("maxBackoff"), "maxBackoff %v is below initialBackoff %v: every backoff is maxBackoff", p.MaxBackoff, p.InitialBackoff)
	}
	for _, item := range p.node.Get("retryableStatusCodes").Items {
		warnCode(r, item)
	}
	for _, b := range buffers {
		if q.RequestBytes > b.bytes {
			r.Errorf(p.Pos, "requests of %d bytes are above the retry buffer of %s (%d), and are not retried", q.RequestBytes, b.client, b.bytes).Hint = "raise the client's retry buffer, or send less in a request"
		}
	}
}

func warnCode(r *source.Reporter, n *source.Node) {
	code, ok := statusCode(n)
	switch {
	case !ok:
	case n.Kind == source.String && n.Text != strings.ToUpper(n.Text):
		r.Errorf(n.Pos, "%s is valid, and yet grpc-go and C-core reject it: they read upper case only", n.JSON()).Hint = fmt.Sprintf("write %q", CodeName(code))
	case code == 0:
		r.Errorf(n.Pos, "OK as a retryable code is unspecified: a call that succeeded is not retried")
	case code == 4:
		r.Errorf(n.Pos, "DEADLINE_EXCEEDED is seldom retried: the deadline is that of the whole call")
	}
}
