package scenario

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/assert"
	"touchstone/server/source"
)

// RoundTrip says how the responses of a bidi stream find the messages that they
// answer.
type RoundTrip struct {
	InOrder        bool // the n-th answers the n-th
	sent, received *assert.Expr
}

// Key returns what a message has in common with its counterpart. The error is
// a [source.Errors].
func (t *RoundTrip) Key(v *Vars, msg proto.Message, sent bool) (string, error) {
	expr := t.received
	if sent {
		expr = t.sent
	}
	value, err := expr.Eval(v.Child(map[string]any{varMsg: msg}))
	if err != nil {
		return "", asErrors(err)
	}
	return fmt.Sprint(value), nil
}

// pairDecl is `round_trip:` as it is written: order, an expression for messages
// of both directions, or one for each.
type pairDecl struct {
	pos            source.Pos
	inOrder        bool
	sent, received *source.Node
}

func parsePair(r *source.Reporter, n *source.Node) *pairDecl {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.String && n.Text == "order":
		return &pairDecl{pos: n.Pos, inOrder: true}
	case n.Kind == source.String:
		return &pairDecl{pos: n.Pos, sent: n, received: n}
	case n.Kind == source.Object:
		m := r.Mapping(n)
		d := &pairDecl{pos: n.Pos, sent: m.Need("sent"), received: m.Need("received")}
		m.Done()
		return d
	}
	r.Errorf(n.Pos, "round_trip: want order or an expression, got %s", n.JSON()).Hint = "write round_trip: order, or round_trip: {sent: msg.id, received: msg.reply_to}"
	return nil
}

// pair compiles the expressions for one step.
func (c *compiler) pair(d *pairDecl, step *Step) *RoundTrip {
	if d == nil || !step.Method.IsStreamingClient() || !step.Method.IsStreamingServer() {
		return nil
	}
	if d.inOrder || d.sent == nil || d.received == nil {
		return &RoundTrip{InOrder: d.inOrder}
	}
	scope := c.scope.In(step.Method.ParentFile().Package())
	return &RoundTrip{
		sent:     scope.With(varMsg, assert.Message(step.Method.Input())).Expr(c.r, d.sent),
		received: scope.With(varMsg, assert.Message(step.Method.Output())).Expr(c.r, d.received),
	}
}
