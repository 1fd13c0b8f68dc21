package scenario

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// Op is one operation of a step. The operations of a step run in order; the
// last one is always an [End].
type Op interface {
	// Position is where the operation is written; so is the field Pos of each.
	Position() source.Pos
}

// place is embedded in every operation.
type place struct{ Pos source.Pos }

// Position returns Pos.
func (p place) Position() source.Pos { return p.Pos }

// Send sends one message.
type Send struct {
	place

	file    *source.File
	md      protoreflect.MessageDescriptor
	types   schema.Types
	json    bool
	tree    *assert.Tree
	message proto.Message // nil if it differs from call to call
}

// Message builds the message. The error is a [source.Errors]. The message is
// shared: it must not be changed.
func (o *Send) Message(v *Vars) (proto.Message, error) {
	if o.message != nil {
		return o.message, nil
	}
	n, err := o.tree.Node(v)
	if err != nil {
		return nil, asErrors(err)
	}
	r := &source.Reporter{File: o.file}
	m := dynamic.Build(r, o.md, asText(o.md, o.form(n)), o.types)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// form returns the node of the message: for send_json, one in which the values
// of the fields are JSON text.
func (o *Send) form(n *source.Node) *source.Node {
	if !o.json {
		return n
	}
	out := &source.Node{Kind: source.Object, Pos: n.Pos}
	for _, f := range n.Fields {
		text := &source.Node{Kind: source.String, Pos: f.Value.Pos, Text: f.Value.JSON()}
		out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: f.Pos, Value: text})
	}
	return out
}

// asErrors returns an error of an evaluation as the Errors that it is promised
// to be.
func asErrors(err error) error {
	if one, ok := err.(*source.Error); ok {
		return source.Errors{one}
	}
	return err
}

// Recv takes the next message.
type Recv struct {
	place
	Within time.Duration // how long to wait for it, 0 as long as the call

	check messageCheck
}

// Check matches the message and, when all is well, saves captures. index
// counts the messages of the call from 0.
func (o *Recv) Check(v *Vars, msg proto.Message, index int) []Finding {
	o.check.step.note(v, msg)
	return o.check.run(v, msg, index)
}

// RecvUntil takes messages up to and including the first that Until is true
// for, at most Max.
type RecvUntil struct {
	place
	Max    int           // at least 1
	Within time.Duration // how long all of them may take, 0 as long as the call

	condition *assert.Expr // or
	pattern   *assert.Pattern
	check     messageCheck
}

// Until says whether the message is the one waited for. The error is a
// [source.Errors].
func (o *RecvUntil) Until(v *Vars, msg proto.Message, index int) (bool, error) {
	o.check.step.note(v, msg)
	if o.pattern != nil {
		return len(o.pattern.Match(v, msg, "")) == 0, nil
	}
	holds, err := o.condition.Holds(v.Child(map[string]any{varMsg: msg, varIndex: index}))
	if err != nil {
		return false, asErrors(err)
	}
	return holds, nil
}

// Check checks the message waited for, and saves captures.
func (o *RecvUntil) Check(v *Vars, msg proto.Message, index int) []Finding {
	return o.check.run(v, msg, index)
}

// RecvAll takes all messages up to the end of the stream, whatever the status.
type RecvAll struct {
	place
	Count       *Range        // how many there should be, nil any number; judged by CheckAll
	FirstWithin time.Duration // how long the first may take, 0 any time
	Within      time.Duration // how long all of them may take, 0 any time

	step       *Step
	countPos   source.Pos
	each       messageCheck
	messages   *messageList
	conditions []*assert.Expr
}

// CheckEach checks one message. index counts the messages of the call from 0.
func (o *RecvAll) CheckEach(v *Vars, msg proto.Message, index int) []Finding {
	return o.each.run(v, msg, index)
}

// CheckAll checks the messages as a whole.
func (o *RecvAll) CheckAll(v *Vars, msgs []proto.Message) []Finding {
	o.step.note(v, msgs...)
	var findings []Finding
	if o.Count != nil && !o.Count.Contains(len(msgs)) {
		findings = append(findings, Finding{Pos: o.countPos, Field: "count", Want: o.Count.String(), Got: fmt.Sprint(len(msgs))})
	}
	if o.messages != nil {
		findings = append(findings, o.messages.run(v, msgs)...)
	}
	if len(o.conditions) > 0 {
		scope := v.Child(map[string]any{varMessages: msgs, varCount: len(msgs)})
		findings = append(findings, hold(scope, o.conditions, "messages")...)
	}
	return findings
}

// RecvNone checks that no message arrives for some time.
type RecvNone struct {
	place
	For time.Duration
}

// HalfClose ends the sending side.
type HalfClose struct{ place }

// Cancel cancels the call.
type Cancel struct{ place }

// Sleep waits.
type Sleep struct {
	place
	For time.Duration
}

// End waits for the status. A message that is left over is a failure. It is
// the last operation of every step.
type End struct {
	place

	step       *Step
	status     []codes.Code // any of them
	statusPos  source.Pos
	statusText *assert.Pattern
	details    []detailCheck
	headers    []headerCheck
	conditions []*assert.Expr
	saves      []save
}

// Repeat runs operations several times, with `i` counting from 0 (see
// [Vars.Child]).
type Repeat struct {
	place
	Count int // at least 1
	Do    []Op
}
