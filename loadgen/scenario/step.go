package scenario

import (
	"fmt"
	"time"

	"touchstone/server/source"
)

// parseSteps reads the list of steps. A file without any does nothing, which is
// a mistake.
func parseSteps(r *source.Reporter, root, n *source.Node) []*StepDecl {
	switch {
	case n == nil:
		r.Errorf(root.Pos, "field %q is missing", "steps").Hint = "a scenario has at least one step, a call"
		return nil
	case n.Kind != source.List || len(n.Items) == 0:
		r.Errorf(n.Pos, "want a list of steps, got %s", n.JSON())
		return nil
	}
	var steps []*StepDecl
	first := map[string]source.Pos{}
	for i, item := range n.Items {
		s := parseStep(r, item, i)
		if at, twice := first[s.ID]; twice {
			r.Errorf(s.Pos, "step id %q is taken by the step on line %d", s.ID, at.Line)
		}
		first[s.ID] = s.Pos
		steps = append(steps, s)
	}
	return steps
}

func parseStep(r *source.Reporter, n *source.Node, index int) *StepDecl {
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "a step is a mapping, not %s", n.Kind)
		return &StepDecl{Pos: n.Pos, ID: fmt.Sprintf("step-%d", index+1), ops: []*opDecl{}}
	}
	m := r.Mapping(n)
	s := &StepDecl{
		Pos:         n.Pos,
		ID:          r.Str(m.Take("id")),
		Description: r.Str(m.Take("description")),
		skip:        parseSkip(r, m.Take("skip")),
		timeout:     r.Duration(m.Take("timeout")),
		metadata:    parseMetadata(r, m.Take("metadata")),
		repeat:      1,
		forEach:     parseForEach(r, m.Take("for_each")),
		attempts:    parseAttempts(r, m.Take("attempts")),
		cancel:      parseCancel(r, m.Take("cancel")),
	}
	if s.ID == "" {
		s.ID = fmt.Sprintf("step-%d", index+1)
	}
	if call := m.Need("call"); call != nil {
		s.Call, s.callPos = r.Str(call), call.Pos
	}
	if repeat := m.Take("repeat"); repeat != nil {
		s.repeat = r.Int(repeat, 1, maxRepeat)
	}
	s.parseWork(r, m)
	m.Done()
	return s
}

// parseWork reads what the call sends and expects: a script, or its short form.
func (s *StepDecl) parseWork(r *source.Reporter, m *source.Mapping) {
	script, send, sendJSON := m.Take("script"), m.Take("send"), m.Take("send_json")
	expect, save := m.Take("expect"), m.Take("save")
	if script != nil {
		for _, other := range []struct {
			n          *source.Node
			name, hint string
		}{
			{send, "send", "write it in the script"},
			{sendJSON, "send_json", "write it in the script"},
			{expect, "expect", "write it as `end:` in the script"},
			{save, "save", "write it beside a `recv:` or `end:` of the script"},
		} {
			if other.n != nil {
				r.Errorf(other.n.Pos, "script and %s exclude each other", other.name).Hint = other.hint
			}
		}
		if s.cancel != nil {
			r.Errorf(s.cancel.pos, "script and cancel exclude each other").Hint = "write `- cancel: {}` in the script"
		}
		s.ops = parseScript(r, script)
		return
	}
	if send != nil && sendJSON != nil {
		r.Errorf(sendJSON.Pos, "send and send_json exclude each other")
		sendJSON = nil
	}
	s.sends = append(parseSends(r, send, false), parseSends(r, sendJSON, true)...)
	s.expect = parseExpect(r, expect, fullExpect)
	s.save = parseNames(r, save)
}

// parseForEach reads `for_each: row`, the only thing that there are many of.
func parseForEach(r *source.Reporter, n *source.Node) *source.Node {
	if n != nil && r.Str(n) != "row" {
		r.Errorf(n.Pos, "for_each: want row").Hint = "the step then runs once for every row of `data:`"
	}
	return n
}

// parseSends reads a message, or a list of messages and repetitions of one.
func parseSends(r *source.Reporter, n *source.Node, json bool) []*opDecl {
	if n == nil {
		return nil
	}
	if n.Kind != source.List {
		return []*opDecl{{kind: opSend, pos: n.Pos, node: n, json: json}}
	}
	var ops []*opDecl
	for _, item := range n.Items {
		message, count := item, 0
		if repeat := item.Get("repeat"); repeat != nil && item.Get("message") != nil && len(item.Fields) == 2 {
			message, count = item.Get("message"), r.Int(repeat, 1, maxRepeat)
		}
		op := &opDecl{kind: opSend, pos: message.Pos, node: message, json: json}
		if count > 0 {
			op = &opDecl{kind: opRepeat, pos: item.Pos, count: count, do: []*opDecl{op}}
		}
		ops = append(ops, op)
	}
	if ops == nil {
		ops = []*opDecl{} // an empty list sends nothing, on purpose
	}
	return ops
}

// cancelDecl is `cancel:` of a step.
type cancelDecl struct {
	pos   source.Pos
	after int // messages received before
}

// parseCancel reads `cancel: after_begin` and `cancel: {after_messages: N}`.
func parseCancel(r *source.Reporter, n *source.Node) *cancelDecl {
	if n == nil {
		return nil
	}
	c := &cancelDecl{pos: n.Pos}
	if n.Kind == source.Object {
		m := r.Mapping(n)
		c.after = r.Int(m.Need("after_messages"), 1, maxRepeat)
		m.Done()
	} else if n.Kind != source.String || n.Text != "after_begin" {
		r.Errorf(n.Pos, "cancel: want after_begin or {after_messages: N}, got %s", n.JSON())
	}
	return c
}

// parseAttempts reads what the attempts of the call should be.
func parseAttempts(r *source.Reporter, n *source.Node) *Attempts {
	if n == nil {
		return nil
	}
	m := r.Mapping(n)
	a := &Attempts{
		Pos:         n.Pos,
		Count:       parseRange(r, m.Take("count")),
		Transparent: parseRange(r, m.Take("transparent")),
		Backoff:     parseBackoff(r, m.Take("backoff")),
	}
	for _, item := range r.List(m.Take("previous_attempts")) {
		a.Previous = append(a.Previous, r.Int(item, 0, maxCount))
	}
	m.Done()
	return a
}

func parseBackoff(r *source.Reporter, n *source.Node) *Backoff {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.String && n.Text == "policy":
		return &Backoff{Pos: n.Pos, Policy: true}
	case n.Kind != source.List:
		r.Errorf(n.Pos, "backoff: want policy or a list of durations, got %s", n.JSON())
		return nil
	}
	b := &Backoff{Pos: n.Pos, Gaps: []time.Duration{}}
	for _, item := range n.Items {
		b.Gaps = append(b.Gaps, r.Duration(item))
	}
	return b
}
