package scenario

import (
	"regexp"
	"strings"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// Template is a message of a step in which some expressions have no values yet.
type Template struct {
	Node  *source.Node
	Types schema.Types
	// JSON says that the strings of its fields are JSON text.
	JSON bool
}

// Partial returns the messages that the step sends, with the values of all
// expressions but those that keep wants. It is false for a step whose calls
// differ in more than that: in their metadata, or from one repetition to the
// next.
func (s *Step) Partial(v *Vars, keep func(expression string) bool) ([]Template, bool) {
	for _, h := range s.metadata {
		if !h.tree.Static() {
			return nil, false
		}
	}
	var out []Template
	for _, op := range s.Ops {
		switch op := op.(type) {
		case *Send:
			n, err := op.tree.Partial(v, keep)
			if err != nil {
				return nil, false
			}
			out = append(out, Template{Node: op.partialForm(n), Types: op.types, JSON: op.json})
		case *Repeat:
			return nil, false
		}
	}
	return out, true
}

// wholly is a JSON string that is an expression and nothing else.
var wholly = regexp.MustCompile(`"(\$\{[^"\\}]*\})"`)

// partialForm is form for a message with expressions in it. One that is all of
// a string keeps its type, so it stands there without quotes.
func (o *Send) partialForm(n *source.Node) *source.Node {
	if !o.json {
		return n
	}
	out := &source.Node{Kind: source.Object, Pos: n.Pos}
	for _, f := range n.Fields {
		text := wholly.ReplaceAllString(escapeKeys(f.Value).JSON(), "$1")
		out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: f.Pos,
			Value: &source.Node{Kind: source.String, Pos: f.Value.Pos, Text: text}})
	}
	return out
}

// escapeKeys writes the keys of a JSON value so that no expression is read in
// them.
func escapeKeys(n *source.Node) *source.Node {
	out := &source.Node{Kind: n.Kind, Pos: n.Pos, Text: n.Text}
	for _, item := range n.Items {
		out.Items = append(out.Items, escapeKeys(item))
	}
	for _, f := range n.Fields {
		f.Key, f.Value = strings.ReplaceAll(f.Key, "${", "$${"), escapeKeys(f.Value)
		out.Fields = append(out.Fields, f)
	}
	return out
}
