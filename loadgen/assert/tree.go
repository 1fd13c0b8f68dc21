package assert

import (
	"strings"

	"touchstone/server/source"
)

// Tree is a node whose strings are templates. It is immutable.
type Tree struct {
	env       *Env
	root      *source.Node
	templates map[*source.Node]*template
	static    bool
}

// Tree compiles the templates of a node; keys are none. Mistakes go to r.
func (s *Scope) Tree(r *source.Reporter, n *source.Node) *Tree {
	t := &Tree{env: s.env, root: n, templates: map[*source.Node]*template{}, static: true}
	walk(n, func(n *source.Node) {
		if n.Kind == source.String && strings.Contains(n.Text, "${") && t.templates[n] == nil {
			filled := s.template(r, n)
			t.templates[n] = filled
			t.static = t.static && !filled.broken
			for _, p := range filled.parts {
				t.static = t.static && p.expr == nil
			}
		}
	})
	return t
}

// walk calls f for a node and all below it.
func walk(n *source.Node, f func(*source.Node)) {
	f(n)
	for _, item := range n.Items {
		walk(item, f)
	}
	for _, field := range n.Fields {
		walk(field.Value, f)
	}
}

// Static reports whether the tree has the same value in every scope.
func (t *Tree) Static() bool { return t.static }

// Node returns the tree with the values of its templates in their places. The
// error is a [*source.Error].
func (t *Tree) Node(v *Vars) (*source.Node, error) {
	if len(t.templates) == 0 {
		return t.root, nil
	}
	return t.fill(v, t.root)
}

// Type returns the type of the tree's value, as [Tree.Eval] returns it.
func (t *Tree) Type() Type {
	if template := t.templates[t.root]; template != nil {
		return template.kind()
	}
	switch t.root.Kind {
	case source.Bool:
		return TypeOf(false)
	case source.Int:
		return TypeOf(0)
	case source.Float:
		return TypeOf(0.0)
	case source.String:
		return TypeOf("")
	}
	return Dynamic()
}

// Eval returns the tree as a value, to be handed to [Vars.Set]. The error is a
// [*source.Error].
func (t *Tree) Eval(v *Vars) (any, error) {
	if template := t.templates[t.root]; template != nil {
		value, err := template.eval(v)
		if err != nil {
			return nil, err
		}
		return value, nil
	}
	node, err := t.Node(v)
	if err != nil {
		return nil, err
	}
	return node.Value(), nil
}

func (t *Tree) fill(v *Vars, n *source.Node) (*source.Node, error) {
	if template := t.templates[n]; template != nil {
		return template.node(t.env, v, n)
	}
	if len(n.Items)+len(n.Fields) == 0 {
		return n, nil
	}
	out := &source.Node{Kind: n.Kind, Pos: n.Pos, Text: n.Text}
	for _, item := range n.Items {
		filled, err := t.fill(v, item)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, filled)
	}
	for _, f := range n.Fields {
		filled, err := t.fill(v, f.Value)
		if err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: f.Pos, Value: filled})
	}
	return out, nil
}

// node returns the template's value as a node in the place of n.
func (t *template) node(e *Env, v *Vars, n *source.Node) (*source.Node, error) {
	value, err := t.eval(v)
	if err != nil {
		return nil, err
	}
	node, nodeErr := e.p.node(value, n.Pos)
	if nodeErr != nil {
		return nil, t.parts[0].expr.fail(n.Pos, nodeErr.Error())
	}
	return node, nil
}
