package scenario

import (
	"encoding/base64"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/assert"
	"touchstone/server/source"
)

// variable is one of the file's vars.
type variable struct {
	name string
	tree *assert.Tree
}

// save is a capture.
type save struct {
	name string
	pos  source.Pos
	expr *assert.Expr
}

// capture evaluates captures, all of them before any is saved.
func capture(v, scope *Vars, saves []save) []Finding {
	values := make([]any, len(saves))
	for i, s := range saves {
		value, err := s.expr.Eval(scope)
		if err != nil {
			return []Finding{assert.FromError(err, "save."+s.name)}
		}
		values[i] = value
	}
	for i, s := range saves {
		v.Set(s.name, values[i])
	}
	return nil
}

// hold checks conditions.
func hold(v *Vars, conditions []*assert.Expr, field string) []Finding {
	var findings []Finding
	for _, x := range conditions {
		holds, err := x.Holds(v)
		switch {
		case err != nil:
			findings = append(findings, assert.FromError(err, field))
		case !holds:
			findings = append(findings, Finding{Pos: x.Pos(), Field: field, Want: strings.TrimSpace(x.Text()), Got: x.Why(v)})
		}
	}
	return findings
}

// messageCheck judges one message.
type messageCheck struct {
	step       *Step
	patterns   []*assert.Pattern
	conditions []*assert.Expr
	saves      []save
}

func (c *messageCheck) run(v *Vars, msg proto.Message, index int) []Finding {
	field := c.step.messageField(index)
	var findings []Finding
	for _, p := range c.patterns {
		findings = append(findings, p.Match(v, msg, field)...)
	}
	if len(c.conditions)+len(c.saves) == 0 {
		return findings
	}
	scope := v.Child(map[string]any{varMsg: msg, varIndex: index})
	findings = append(findings, hold(scope, c.conditions, field)...)
	if len(findings) == 0 {
		findings = capture(v, scope, c.saves)
	}
	return findings
}

// messageField is what findings call a message.
func (s *Step) messageField(index int) string {
	if s.Method.IsStreamingServer() {
		return fmt.Sprintf("message[%d]", index)
	}
	return "message"
}

// receivedKey is where the messages of a step are kept for its end. No name in
// a file is spelt so.
const receivedKey = "@received"

// received are messages of a step.
type received struct {
	step *Step
	msgs []proto.Message
}

// note keeps messages for the end of the step, if that looks at them.
func (s *Step) note(v *Vars, msgs ...proto.Message) {
	if !s.keep {
		return
	}
	v.Set(receivedKey, received{s, append(s.noted(v), msgs...)})
}

// noted returns the messages kept so far.
func (s *Step) noted(v *Vars) []proto.Message {
	if kept, ok := v.Get(receivedKey); ok && kept.(received).step == s {
		return kept.(received).msgs
	}
	return nil
}

// forget drops the messages kept.
func (s *Step) forget(v *Vars) {
	if s.keep {
		v.Set(receivedKey, received{})
	}
}

// messageList judges the messages of a stream one by one, or in any order.
type messageList struct {
	pos       source.Pos
	patterns  []*assert.Pattern
	nodes     []*source.Node
	unordered bool
}

func (l *messageList) run(v *Vars, msgs []proto.Message) []Finding {
	var findings []Finding
	if len(msgs) != len(l.patterns) {
		findings = append(findings, Finding{Pos: l.pos, Field: "messages",
			Want: fmt.Sprintf("%d messages", len(l.patterns)), Got: fmt.Sprintf("%d messages", len(msgs))})
	}
	if l.unordered {
		fits := func(pattern, msg int) bool { return len(l.patterns[pattern].Match(v, msgs[msg], "")) == 0 }
		for _, p := range assert.Unpaired(len(l.patterns), len(msgs), fits) {
			findings = append(findings, Finding{Pos: l.nodes[p].Pos, Field: "messages", Message: "no message (of its own) matches " + l.nodes[p].JSON()})
		}
		return findings
	}
	for i := range min(len(msgs), len(l.patterns)) {
		findings = append(findings, l.patterns[i].Match(v, msgs[i], fmt.Sprintf("message[%d]", i))...)
	}
	return findings
}

// detailCheck judges the details of a status.
type detailCheck struct {
	typeName string
	pos      source.Pos
	pattern  *assert.Pattern
}

// headerCheck judges one key of response metadata.
type headerCheck struct {
	key, of string
	node    *source.Node
	values  []*assert.Pattern
}

// run matches one pattern with any of the values, a list with all of them.
func (c *headerCheck) run(v *Vars, md metadata.MD) []Finding {
	field := c.of + "." + c.key
	got := headerValues(md, c.key)
	switch {
	case c.node.Kind == source.List && len(got) != len(c.values):
		return []Finding{{Pos: c.node.Pos, Field: field, Want: fmt.Sprintf("%d values", len(c.values)), Got: fmt.Sprintf("%d values: %q", len(got), got)}}
	case c.node.Kind == source.List:
		var findings []Finding
		for i, p := range c.values {
			findings = append(findings, p.MatchText(v, got[i], fmt.Sprintf("%s[%d]", field, i))...)
		}
		return findings
	case len(got) == 0:
		return c.values[0].MatchAbsent(v, field)
	}
	var findings []Finding
	for _, value := range got {
		if findings = c.values[0].MatchText(v, value, field); len(findings) == 0 {
			return nil
		}
	}
	return findings
}

// headerValues returns the values of a key as text: binary ones in base64.
func headerValues(md metadata.MD, key string) []string {
	values := md.Get(key)
	if !strings.HasSuffix(key, "-bin") {
		return values
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return texts
}

// headerMap returns metadata for expressions: several values of a key are
// joined by commas, as gRPC allows.
func headerMap(md metadata.MD) map[string]string {
	out := map[string]string{}
	for key := range md {
		out[key] = strings.Join(headerValues(md, key), ",")
	}
	return out
}
