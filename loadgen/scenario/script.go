package scenario

import (
	"strings"
	"time"

	"touchstone/server/source"
)

// The operations of a script, by the key that they are written with.
const (
	opSend      = "send"
	opSendJSON  = "send_json"
	opRecv      = "recv"
	opRecvJSON  = "recv_json"
	opRecvUntil = "recv_until"
	opRecvAll   = "recv_all"
	opRecvNone  = "recv_none"
	opHalfClose = "half_close"
	opCancel    = "cancel"
	opSleep     = "sleep"
	opEnd       = "end"
	opRepeat    = "repeat"
)

var opKinds = []string{opSend, opSendJSON, opRecv, opRecvJSON, opRecvUntil, opRecvAll, opRecvNone,
	opHalfClose, opCancel, opSleep, opEnd, opRepeat}

// opDecl is an operation as it is written.
type opDecl struct {
	kind    string // one of the constants, but for the JSON forms
	pos     source.Pos
	node    *source.Node // the message, pattern or expression
	json    bool         // of the JSON forms
	options matchDecl
	save    []source.Field
	within  time.Duration // how long recv and recv_until wait, sleep and recv_none last
	max     int           // of recv_until
	expect  *expectDecl   // of recv_all and end
	count   int           // of repeat
	do      []*opDecl     // of repeat
}

// matchDecl is what goes with a pattern.
type matchDecl struct {
	exact, unordered bool
	asserts          []*source.Node
}

// maxDepth bounds how deep repeats nest.
const maxDepth = 8

func parseScript(r *source.Reporter, n *source.Node) []*opDecl {
	ops := parseOps(r, n, 0)
	if ops == nil {
		ops = []*opDecl{}
	}
	return ops
}

func parseOps(r *source.Reporter, n *source.Node, depth int) []*opDecl {
	if n.Kind != source.List {
		r.Errorf(n.Pos, "want a list of operations, got %s", n.Kind)
		return nil
	}
	if depth > maxDepth {
		r.Errorf(n.Pos, "repeats nest deeper than %d levels", maxDepth)
		return nil
	}
	var ops []*opDecl
	for _, item := range n.Items {
		if op := parseOp(r, item, depth); op != nil {
			ops = append(ops, op)
		}
	}
	return ops
}

func parseOp(r *source.Reporter, n *source.Node, depth int) *opDecl {
	if n.Kind == source.String {
		n = bareOp(n)
	}
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "an operation is a mapping, not %s", n.Kind)
		return nil
	}
	m := r.Mapping(n)
	var op *opDecl
	for _, kind := range opKinds {
		value := m.Take(kind)
		switch {
		case value == nil:
		case op != nil:
			r.Errorf(value.Pos, "%s and %s in one operation", op.kind, kind).Hint = "start a new list item with a dash"
		default:
			op = &opDecl{kind: kind, pos: n.Pos, node: value}
		}
	}
	if op == nil {
		reportNoOp(r, n)
		return nil
	}
	op.parse(r, m, depth)
	m.Done()
	return op
}

// bareOp reads `- half_close` as `- half_close: {}`.
func bareOp(n *source.Node) *source.Node {
	empty := &source.Node{Kind: source.Object, Pos: n.Pos}
	return &source.Node{Kind: source.Object, Pos: n.Pos, Fields: []source.Field{{Key: n.Text, Pos: n.Pos, Value: empty}}}
}

func reportNoOp(r *source.Reporter, n *source.Node) {
	if len(n.Fields) == 0 {
		r.Errorf(n.Pos, "an operation is missing")
		return
	}
	e := r.Errorf(n.Fields[0].Pos, "unknown operation %q", n.Fields[0].Key)
	if e.Hint = source.DidYouMean(n.Fields[0].Key, opKinds); e.Hint == "" {
		e.Hint = "the operations are " + strings.Join(opKinds, ", ")
	}
}

// parse reads the rest of an operation whose kind is known.
func (op *opDecl) parse(r *source.Reporter, m *source.Mapping, depth int) {
	switch op.kind {
	case opSendJSON:
		op.kind, op.json = opSend, true
	case opRecv, opRecvJSON:
		op.json = op.kind == opRecvJSON
		op.kind = opRecv
		op.within = r.Duration(m.Take("within"))
		op.options = parseMatch(r, m)
		op.save = parseNames(r, m.Take("save"))
	case opRecvUntil:
		op.max = 100
		if n := m.Take("max"); n != nil {
			op.max = r.Int(n, 1, maxRepeat)
		}
		op.within = r.Duration(m.Take("within"))
		op.options = parseMatch(r, m)
		op.save = parseNames(r, m.Take("save"))
	case opRecvAll:
		op.expect = parseExpect(r, op.node, allExpect)
	case opRecvNone, opSleep:
		op.within = parseFor(r, op.node)
	case opHalfClose, opCancel:
		r.Mapping(op.node).Done()
	case opEnd:
		op.expect = parseExpect(r, op.node, endExpect)
		op.save = parseNames(r, m.Take("save"))
	case opRepeat:
		op.count = r.Int(op.node, 1, maxRepeat)
		if do := m.Need("do"); do != nil {
			op.do = parseOps(r, do, depth+1)
		}
	}
}

// parseFor reads a duration, as such or as {for: duration}.
func parseFor(r *source.Reporter, n *source.Node) time.Duration {
	if n.Kind != source.Object {
		return r.Duration(n)
	}
	m := r.Mapping(n)
	d := r.Duration(m.Need("for"))
	m.Done()
	return d
}

func parseMatch(r *source.Reporter, m *source.Mapping) matchDecl {
	return matchDecl{
		exact:     r.Bool(m.Take("exact")),
		unordered: r.Bool(m.Take("unordered")),
		asserts:   r.List(m.Take("assert")),
	}
}
