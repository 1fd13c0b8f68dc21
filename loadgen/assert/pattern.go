package assert

import (
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// Pattern is what a message, a JSON text or a plain text should look like. It
// is immutable, and safe for concurrent use as long as the Vars are.
type Pattern struct {
	tree    *Tree
	opts    PatternOptions
	regexps map[*source.Node]*regexp.Regexp // of $re
}

// PatternOptions are how a pattern is meant. The zero value matches partially.
type PatternOptions struct {
	Exact     bool // fields that the pattern does not mention have to be unset
	Unordered bool // lists may be in any order
	JSON      bool // string and bytes fields hold JSON, which is what is matched
}

// The operators: mappings with one key that stands for no field.
const (
	opRegexp    = "$re"        // the text matches a regular expression
	opJSON      = "$json"      // the text is JSON that matches
	opNot       = "$not"       // the pattern does not match
	opUnordered = "$unordered" // the list matches in any order
	opContains  = "$contains"  // the list has an item for each pattern
	opExact     = "$exact"     // no other fields are set, here and below
)

var operators = []string{opRegexp, opJSON, opNot, opUnordered, opContains, opExact}

// operatorOf returns the operator that a mapping is, if it is one.
func operatorOf(n *source.Node) (source.Field, bool) {
	if n.Kind != source.Object || len(n.Fields) != 1 || !slices.Contains(operators, n.Fields[0].Key) {
		return source.Field{}, false
	}
	return n.Fields[0], true
}

// Message compiles a pattern for messages of a type. What can never match, such
// as an unknown field, goes to r.
func (s *Scope) Message(r *source.Reporter, n *source.Node, md protoreflect.MessageDescriptor, opts PatternOptions) *Pattern {
	p := s.pattern(r, n, opts)
	c := checker{r: r, p: s.env.p, json: opts.JSON, patterns: p}
	c.message(n, md)
	return p
}

// Text compiles a pattern for a plain text, such as a header.
func (s *Scope) Text(r *source.Reporter, n *source.Node) *Pattern {
	p := s.pattern(r, n, PatternOptions{})
	c := checker{r: r, p: s.env.p, patterns: p}
	c.text(n)
	return p
}

func (s *Scope) pattern(r *source.Reporter, n *source.Node, opts PatternOptions) *Pattern {
	p := &Pattern{tree: s.Tree(r, n), opts: opts, regexps: map[*source.Node]*regexp.Regexp{}}
	walk(n, func(n *source.Node) {
		if op, ok := operatorOf(n); ok && op.Key == opRegexp && op.Value.Kind == source.String {
			re, err := regexp.Compile(op.Value.Text)
			if err != nil {
				r.Errorf(op.Value.Pos, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
				return
			}
			p.regexps[op.Value] = re
		}
	})
	return p
}

// Match returns what of the pattern does not hold for a message. Fields are
// named from root on.
func (p *Pattern) Match(v *Vars, m proto.Message, root string) []Mismatch {
	x := matcher{p: p, v: v, exact: p.opts.Exact, unordered: p.opts.Unordered}
	x.match(root, p.tree.env.p.target(m.ProtoReflect(), p.opts.JSON), p.tree.root, false)
	return x.out
}

// MatchText returns what of the pattern does not hold for a text.
func (p *Pattern) MatchText(v *Vars, text, name string) []Mismatch {
	x := matcher{p: p, v: v}
	x.match(name, plainText{s: text}, p.tree.root, false)
	return x.out
}

// MatchAbsent returns what of the pattern does not hold for something that is
// not there.
func (p *Pattern) MatchAbsent(v *Vars, name string) []Mismatch {
	x := matcher{p: p, v: v}
	x.match(name, absent{}, p.tree.root, false)
	return x.out
}

// matcher matches one value.
type matcher struct {
	p                *Pattern
	v                *Vars
	exact, unordered bool
	out              []Mismatch
}

func (x *matcher) fail(n *source.Node, path, want, got string) {
	x.out = append(x.out, Mismatch{Pos: n.Pos, Field: path, Want: want, Got: got})
}

func (x *matcher) complain(n *source.Node, path, message string) {
	x.out = append(x.out, Mismatch{Pos: n.Pos, Field: path, Message: message})
}

// match matches t with a pattern. Within a literal, which is what the value of
// an expression is, nothing has a special meaning.
func (x *matcher) match(path string, t target, n *source.Node, literal bool) {
	if template := x.p.tree.templates[n]; template != nil {
		filled, err := template.node(x.p.tree.env, x.v, n)
		if err != nil {
			x.out = append(x.out, FromError(err, path))
			return
		}
		x.match(path, t, filled, true)
		return
	}
	if !literal && n.Kind == source.String && n.Text == "*" {
		if t.empty() {
			x.fail(n, path, `"*" (present and not empty)`, t.show())
		}
		return
	}
	if op, ok := operatorOf(n); ok && !literal {
		x.operator(path, t, op)
		return
	}
	switch n.Kind {
	case source.Null:
		if !t.unset() {
			x.fail(n, path, "null (unset)", t.show())
		}
	case source.Object:
		x.object(path, t, n, literal)
	case source.List:
		x.list(path, t, n, n.Items, literal, x.unordered, false)
	default:
		if !t.equal(n) && !(literal && sameText(t, n)) {
			x.fail(n, path, show(n), t.show())
		}
	}
}

// sameText reports whether the value of an expression, which may be a number,
// is the text of a string field.
func sameText(t target, n *source.Node) bool {
	s, ok := t.(scalar)
	return ok && s.fd.Kind() == protoreflect.StringKind && n.Text == s.v.String()
}

// show returns a pattern for messages.
func show(n *source.Node) string { return shorten(n.JSON()) }

func (x *matcher) object(path string, t target, n *source.Node, literal bool) {
	if !t.object() {
		x.fail(n, path, show(n), t.show())
		return
	}
	mentioned := map[string]bool{}
	for _, f := range n.Fields {
		name, value, known := t.field(f.Key)
		if !known {
			x.complain(&source.Node{Pos: f.Pos}, join(path, f.Key), "no such field")
			continue
		}
		mentioned[name] = true
		x.match(join(path, name), value, f.Value, literal)
	}
	if !x.exact {
		return
	}
	for _, name := range t.names() {
		if !mentioned[name] {
			_, value, _ := t.field(name)
			x.fail(n, join(path, name), "unset (exact)", value.show())
		}
	}
}

// join names a field of a value: by a dot, or in brackets when it is not an
// identifier.
func join(path, name string) string {
	for i, r := range name {
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return path + "[" + quote(name) + "]"
		}
	}
	if name == "" {
		return path + `[""]`
	}
	return path + "." + name
}

func (x *matcher) operator(path string, t target, op source.Field) {
	switch op.Key {
	case opRegexp:
		text, ok := t.text()
		if re := x.p.regexps[op.Value]; !ok || re == nil || !re.MatchString(text) {
			x.fail(op.Value, path, "a match of "+op.Value.Text, t.show())
		}
	case opJSON:
		inner, err := parseTarget(t)
		if err != nil {
			x.complain(op.Value, path, err.Error())
			return
		}
		x.match(path, inner, op.Value, false)
	case opNot:
		if x.matches(t, op.Value, false) {
			x.fail(op.Value, path, "not "+show(op.Value), t.show())
		}
	case opUnordered:
		x.list(path, t, op.Value, op.Value.Items, false, true, false)
	case opContains:
		items := op.Value.Items
		if op.Value.Kind != source.List {
			items = []*source.Node{op.Value}
		}
		x.list(path, t, op.Value, items, false, true, true)
	case opExact:
		inner := matcher{p: x.p, v: x.v, exact: true, unordered: x.unordered}
		inner.match(path, t, op.Value, false)
		x.out = append(x.out, inner.out...)
	}
}

// matches reports whether a pattern holds.
func (x *matcher) matches(t target, n *source.Node, literal bool) bool {
	inner := matcher{p: x.p, v: x.v, exact: x.exact, unordered: x.unordered}
	inner.match("", t, n, literal)
	return len(inner.out) == 0
}

// FromError returns an error of an evaluation as a mismatch.
func FromError(err error, field string) Mismatch {
	m := Mismatch{Field: field, Message: err.Error()}
	if at, ok := err.(*source.Error); ok {
		m.Pos, m.Message = at.Pos, at.Msg
	}
	return m
}
