package assert

import (
	"strings"

	"touchstone/server/source"
)

// Partial returns the tree with the values of its templates in their places,
// but for the expressions that keep wants, by their text: those stay as they are
// written, within ${ and }. In all else that is text, `${` is written `$${`. The
// error is a [*source.Error].
func (t *Tree) Partial(v *Vars, keep func(expression string) bool) (*source.Node, error) {
	return t.partial(v, keep, t.root)
}

func (t *Tree) partial(v *Vars, keep func(string) bool, n *source.Node) (*source.Node, error) {
	if template := t.templates[n]; template != nil {
		return template.partial(t.env, v, keep, n)
	}
	out := &source.Node{Kind: n.Kind, Pos: n.Pos, Text: n.Text}
	for _, item := range n.Items {
		filled, err := t.partial(v, keep, item)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, filled)
	}
	for _, f := range n.Fields {
		filled, err := t.partial(v, keep, f.Value)
		if err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: f.Pos, Value: filled})
	}
	return out, nil
}

// partial returns the template as a node in the place of n, with the
// expressions that keep wants still in it.
func (t *template) partial(e *Env, v *Vars, keep func(string) bool, n *source.Node) (*source.Node, error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil && !keep(t.parts[0].expr.text) {
		filled, err := t.node(e, v, n)
		if err != nil {
			return nil, err
		}
		walk(filled, func(n *source.Node) {
			if n.Kind == source.String {
				n.Text = escaped(n.Text)
			}
		})
		return filled, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr != nil && keep(p.expr.text) {
			b.WriteString("${" + p.expr.text + "}")
			continue
		}
		text, err := p.eval(v)
		if err != nil {
			return nil, err
		}
		b.WriteString(escaped(text))
	}
	return &source.Node{Kind: source.String, Pos: n.Pos, Text: b.String()}, nil
}

// escaped writes text so that no expression is read in it.
func escaped(text string) string { return strings.ReplaceAll(text, "${", "$${") }
