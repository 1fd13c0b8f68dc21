package scenario

import (
	"maps"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// work compiles what the call sends and expects.
func (s *stepCompiler) work(d *StepDecl) {
	s.flow.times = 1
	if d.ops == nil {
		s.step.Ops = s.ops(s.spellOut(d))
		return
	}
	s.step.Ops = s.ops(d.ops)
	s.finish(d)
	if s.flow.over {
		return
	}
	var rest []*opDecl
	if !s.flow.closed && !s.flow.cancelled {
		rest = append(rest, &opDecl{kind: opHalfClose, pos: d.Pos})
	}
	rest = append(rest, &opDecl{kind: opEnd, pos: d.Pos, expect: &expectDecl{}})
	s.step.Ops = append(s.step.Ops, s.ops(rest)...)
}

// spellOut turns the short form into the operations that it stands for.
func (s *stepCompiler) spellOut(d *StepDecl) []*opDecl {
	ops := d.sends
	if ops == nil && !s.step.Method.IsStreamingClient() {
		empty := &source.Node{Kind: source.Object, Pos: d.Pos}
		ops = []*opDecl{{kind: opSend, pos: d.Pos, node: empty}}
	}
	if !s.step.Method.IsStreamingClient() && s.count(ops) == 0 {
		s.r.Errorf(d.Pos, "step %q sends no message", d.ID).Hint = s.step.Call + " takes one"
	}
	s.checkExpect(d)
	pos := d.expect.pos
	if pos.IsZero() {
		pos = d.Pos
	}
	end := &opDecl{kind: opEnd, pos: pos, expect: d.expect, save: d.save}
	if d.cancel == nil {
		return append(ops[:len(ops):len(ops)],
			&opDecl{kind: opHalfClose, pos: pos}, &opDecl{kind: opRecvAll, pos: pos, expect: d.expect}, end)
	}
	ops = ops[:len(ops):len(ops)]
	if d.cancel.after > 0 {
		recv := &opDecl{kind: opRecv, pos: d.cancel.pos, node: &source.Node{Kind: source.Object, Pos: d.cancel.pos}}
		ops = append(ops, &opDecl{kind: opRepeat, pos: d.cancel.pos, count: d.cancel.after, do: []*opDecl{recv}})
	}
	return append(ops, &opDecl{kind: opCancel, pos: d.cancel.pos}, end)
}

// count returns how many messages operations send.
func (s *stepCompiler) count(ops []*opDecl) int {
	n := 0
	for _, op := range ops {
		if op.kind == opRepeat {
			n += op.count
		} else {
			n++
		}
	}
	return n
}

// ops compiles operations in order.
func (s *stepCompiler) ops(decls []*opDecl) []Op {
	var ops []Op
	for _, d := range decls {
		s.check(d)
		if d.kind == opHalfClose && !s.step.Method.IsStreamingClient() {
			continue // goes without saying after the one message
		}
		ops = append(ops, s.op(d))
		if d.kind != opHalfClose && !s.step.Method.IsStreamingClient() && s.flow.sends > 0 && !s.flow.closed && s.flow.times == 1 {
			s.flow.closed, s.flow.autoClosed = true, true
			ops = append(ops, &HalfClose{place: place{d.pos}})
		}
	}
	return ops
}

func (s *stepCompiler) op(d *opDecl) Op {
	switch d.kind {
	case opSend:
		return s.send(d)
	case opRecv:
		return &Recv{place: place{d.pos}, Within: d.within, check: s.recv(d)}
	case opRecvUntil:
		return s.recvUntil(d)
	case opRecvAll:
		return s.recvAll(d)
	case opRecvNone:
		return &RecvNone{place: place{d.pos}, For: d.within}
	case opHalfClose:
		return &HalfClose{place: place{d.pos}}
	case opCancel:
		s.step.cancels = true
		return &Cancel{place: place{d.pos}}
	case opSleep:
		return &Sleep{place: place{d.pos}, For: d.within}
	case opEnd:
		return s.end(d)
	}
	return s.repeat(d)
}

func (s *stepCompiler) repeat(d *opDecl) Op {
	locals, times := s.locals, s.flow.times
	s.locals = maps.Clone(locals)
	s.locals[varI] = assert.TypeOf(0)
	s.flow.times = min(times*max(d.count, 1), maxCount)
	do := s.ops(d.do)
	s.locals, s.flow.times = locals, times
	return &Repeat{place: place{d.pos}, Count: d.count, Do: do}
}

// send compiles a message. One without expressions is built once.
func (s *stepCompiler) send(d *opDecl) Op {
	o := &Send{place: place{d.pos}, file: s.r.File, md: s.input(), types: s.schema.Types(), json: d.json}
	if d.json && d.node.Kind != source.Object {
		s.r.Errorf(d.node.Pos, "send_json: want a mapping from fields to values, got %s", d.node.Kind)
		return o
	}
	o.tree = s.here().Tree(s.r, d.node)
	if !o.tree.Static() {
		dynamic.Check(s.r, o.md, o.form(d.node), o.types)
		return o
	}
	n, err := o.tree.Node(nil)
	if err != nil {
		return o // reported by Tree
	}
	o.message = dynamic.Build(s.r, o.md, o.form(n), o.types)
	return o
}

// received is the scope in which one message is judged.
func (s *stepCompiler) received() *assert.Scope {
	return s.here().With(varMsg, assert.Message(s.output())).With(varIndex, assert.TypeOf(0))
}

func (s *stepCompiler) recv(d *opDecl) messageCheck {
	opts := assert.PatternOptions{Exact: d.options.exact, Unordered: d.options.unordered, JSON: d.json}
	scope := s.received()
	return messageCheck{
		step:       s.step,
		patterns:   []*assert.Pattern{s.here().Message(s.r, d.node, s.output(), opts)},
		conditions: s.conditions(scope, d.options.asserts),
		saves:      s.saves(scope, d.save),
	}
}

// recvUntil compiles an operation that waits for a condition or a pattern.
func (s *stepCompiler) recvUntil(d *opDecl) Op {
	o := &RecvUntil{place: place{d.pos}, Max: d.max, Within: d.within}
	scope := s.received()
	if d.node.Kind == source.String {
		o.condition = scope.Condition(s.r, d.node)
	} else {
		opts := assert.PatternOptions{Exact: d.options.exact, Unordered: d.options.unordered}
		o.pattern = s.here().Message(s.r, d.node, s.output(), opts)
	}
	o.check = messageCheck{step: s.step, conditions: s.conditions(scope, d.options.asserts), saves: s.saves(scope, d.save)}
	return o
}

// defaultStatus is the status of a call of which nothing else is expected.
func (s *stepCompiler) defaultStatus() codes.Code {
	if s.flow.cancelled {
		return codes.Canceled
	}
	return codes.OK
}
