package source

import (
	"slices"
	"strconv"
	"time"
)

// Mapping reads the fields of an Object node strictly: what is not asked for
// is a mistake. Ask for every field, then call Done.
//
//	m := r.Mapping(node)
//	name := r.Str(m.Take("name"))
//	m.Done()
type Mapping struct {
	r     *Reporter
	node  *Node
	asked []string
}

// Mapping starts reading node. Another kind than Object is reported, and reads
// as an empty mapping.
func (r *Reporter) Mapping(node *Node) *Mapping {
	if node.Kind != Object {
		r.Errorf(node.Pos, "want a mapping, got %s", node.Kind)
		node = &Node{Kind: Object, Pos: node.Pos}
	}
	return &Mapping{r: r, node: node}
}

// Take returns the value of a field, nil when it is absent.
func (m *Mapping) Take(key string) *Node {
	m.asked = append(m.asked, key)
	return m.node.Get(key)
}

// Need returns the value of a field and reports when it is absent.
func (m *Mapping) Need(key string) *Node {
	n := m.Take(key)
	if n == nil {
		m.r.Errorf(m.node.Pos, "field %q is missing", key)
	}
	return n
}

// Done reports every field that was not asked for.
func (m *Mapping) Done() {
	for _, f := range m.node.Fields {
		if !slices.Contains(m.asked, f.Key) {
			e := m.r.Errorf(f.Pos, "unknown field %q", f.Key)
			e.Hint = DidYouMean(f.Key, m.asked)
		}
	}
}

// The readers below return the zero value for a nil node (an absent field),
// and for a node of the wrong kind, which they report.

// Str reads a string.
func (r *Reporter) Str(n *Node) string {
	if n == nil || !r.want(n, "a string", String) {
		return ""
	}
	return n.Text
}

// Scalar reads a string, number or boolean as text.
func (r *Reporter) Scalar(n *Node) string {
	if n == nil || !r.want(n, "a string, a number or a boolean", String, Int, Float, Bool) {
		return ""
	}
	return n.Text
}

// Bool reads a boolean.
func (r *Reporter) Bool(n *Node) bool {
	return n != nil && r.want(n, "a boolean", Bool) && n.Text == "true"
}

// Int reads an integer within [low, high].
func (r *Reporter) Int(n *Node, low, high int) int {
	if n == nil || !r.want(n, "an integer", Int) {
		return 0
	}
	v, err := strconv.Atoi(n.Text)
	if err != nil || v < low || v > high {
		r.Errorf(n.Pos, "%s is not within %d and %d", n.Text, low, high)
		return 0
	}
	return v
}

// Float reads a number.
func (r *Reporter) Float(n *Node) float64 {
	if n == nil || !r.want(n, "a number", Int, Float) {
		return 0
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		r.Errorf(n.Pos, "%s is out of range", n.Text)
		return 0
	}
	return v
}

// Duration reads a duration such as "1.5s" or 250ms; it is never negative.
func (r *Reporter) Duration(n *Node) time.Duration {
	if n == nil {
		return 0
	}
	if n.Kind == Int && n.Text == "0" {
		return 0
	}
	d, err := time.ParseDuration(n.Text)
	if n.Kind != String || err != nil || d < 0 {
		e := r.Errorf(n.Pos, "want a duration, got %s", n.JSON())
		e.Hint = "write a number with a unit: 250ms, 1.5s, 2m"
		return 0
	}
	return d
}

// List returns the items of a list, or a single value as a list of one.
func (r *Reporter) List(n *Node) []*Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == List:
		return n.Items
	}
	return []*Node{n}
}

// Strings reads a list of strings, or a single one.
func (r *Reporter) Strings(n *Node) []string {
	var out []string
	for _, item := range r.List(n) {
		out = append(out, r.Str(item))
	}
	return out
}

// want reports a node that is of none of the kinds.
func (r *Reporter) want(n *Node, what string, kinds ...Kind) bool {
	if slices.Contains(kinds, n.Kind) {
		return true
	}
	r.Errorf(n.Pos, "want %s, got %s", what, n.Kind)
	return false
}
