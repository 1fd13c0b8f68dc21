package assert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// checker finds what of a pattern can never match.
type checker struct {
	r        *source.Reporter
	p        *provider
	json     bool
	patterns *Pattern
}

// open reports whether a node fits values of every type.
func (c *checker) open(n *source.Node) bool {
	return n.Kind == source.Null || n.Kind == source.String && (n.Text == "*" || c.patterns.tree.templates[n] != nil)
}

func (c *checker) message(n *source.Node, md protoreflect.MessageDescriptor) {
	if op, ok := operatorOf(n); ok {
		c.operator(op, func(inner *source.Node) { c.message(inner, md) })
		return
	}
	if c.open(n) {
		return
	}
	switch {
	case md.FullName() == "google.protobuf.Any":
		c.any(n)
	case isWellKnown(md) && md.Name() != "Empty":
		c.wellKnown(n, md)
	case n.Kind != source.Object:
		c.never(n, "a message of type "+string(md.FullName()))
	default:
		c.fields(n.Fields, md)
	}
}

// never reports a pattern of the wrong kind.
func (c *checker) never(n *source.Node, what string) {
	if len(n.Fields) == 1 && strings.HasPrefix(n.Fields[0].Key, "$") {
		c.unknownOperator(n.Fields[0])
		return
	}
	c.r.Errorf(n.Pos, "%s never matches %s", n.Kind, what)
}

func (c *checker) unknownOperator(f source.Field) {
	e := c.r.Errorf(f.Pos, "unknown operator %q", f.Key)
	if slices.Contains(operators, f.Key) {
		e.Msg = "operator " + f.Key + " is not the only key of its mapping"
		return
	}
	e.Hint = "the operators are " + strings.Join(operators, ", ")
}

func (c *checker) fields(fields []source.Field, md protoreflect.MessageDescriptor) {
	seen := map[protoreflect.FieldDescriptor]bool{}
	for _, f := range fields {
		fd := c.p.keyField(md, f.Key)
		switch {
		case fd == nil && strings.HasPrefix(f.Key, "$"):
			c.unknownOperator(f)
		case fd == nil:
			e := c.r.Errorf(f.Pos, "unknown field %q of %s", f.Key, md.FullName())
			e.Hint = fieldHint(md, f.Key)
		case seen[fd]:
			c.r.Errorf(f.Pos, "field %q is given twice, by both of its names", fd.Name())
		default:
			seen[fd] = true
			c.field(f.Value, fd)
		}
	}
}

// fieldHint names the field that is likely meant, or else those that exist.
func fieldHint(md protoreflect.MessageDescriptor, key string) string {
	var names, all []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		names = append(names, string(fd.Name()))
		all = append(all, string(fd.Name()), fd.JSONName())
	}
	switch hint := source.DidYouMean(key, all); {
	case hint != "":
		return hint
	case len(names) == 0:
		return string(md.FullName()) + " has no fields"
	case len(names) > 12:
		names = append(names[:12], "...")
	}
	return "the fields are " + strings.Join(names, ", ")
}

func (c *checker) field(n *source.Node, fd protoreflect.FieldDescriptor) {
	if !fd.IsList() && !fd.IsMap() {
		c.single(n, fd)
		return
	}
	if op, ok := operatorOf(n); ok {
		c.operator(op, func(inner *source.Node) { c.field(inner, fd) })
		return
	}
	switch {
	case c.open(n):
	case fd.IsList() && n.Kind != source.List:
		c.never(n, "the list "+string(fd.Name()))
	case fd.IsList():
		for _, item := range n.Items {
			c.single(item, fd)
		}
	case n.Kind != source.Object:
		c.never(n, "the map "+string(fd.Name()))
	default:
		for _, f := range n.Fields {
			c.single(f.Value, fd.MapValue())
		}
	}
}

// operator checks what an operator is given; same checks a pattern of the type
// that the operator itself stands for.
func (c *checker) operator(op source.Field, same func(*source.Node)) {
	switch op.Key {
	case opRegexp:
		if op.Value.Kind != source.String {
			c.r.Errorf(op.Value.Pos, "want a regular expression, got %s", op.Value.Kind)
		}
	case opJSON:
		c.free(op.Value)
	case opUnordered:
		if op.Value.Kind != source.List {
			c.r.Errorf(op.Value.Pos, "want a list, got %s", op.Value.Kind)
			return
		}
		same(op.Value)
	case opContains:
		if op.Value.Kind != source.List {
			op.Value = &source.Node{Kind: source.List, Pos: op.Value.Pos, Items: []*source.Node{op.Value}}
		}
		same(op.Value)
	default:
		same(op.Value)
	}
}

// free checks a pattern for JSON, which has any type.
func (c *checker) free(n *source.Node) {
	if op, ok := operatorOf(n); ok {
		c.operator(op, c.free)
		return
	}
	for _, item := range n.Items {
		c.free(item)
	}
	for _, f := range n.Fields {
		c.free(f.Value)
	}
}

// text checks a pattern for a plain text.
func (c *checker) text(n *source.Node) {
	if op, ok := operatorOf(n); ok {
		c.operator(op, c.text)
		return
	}
	if n.Kind == source.List || n.Kind == source.Object {
		c.never(n, "a text")
	}
}

// single checks a pattern for a value that is neither a list nor a map.
func (c *checker) single(n *source.Node, fd protoreflect.FieldDescriptor) {
	if fd.Message() != nil {
		c.message(n, fd.Message())
		return
	}
	if c.json && (fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BytesKind) {
		c.free(n)
		return
	}
	if op, ok := operatorOf(n); ok {
		c.operator(op, func(inner *source.Node) { c.single(inner, fd) })
		return
	}
	if !c.open(n) {
		c.scalar(n, fd)
	}
}

func (c *checker) scalar(n *source.Node, fd protoreflect.FieldDescriptor) {
	text := n.Kind == source.String
	number := n.Kind == source.Int || n.Kind == source.Float || text && isDecimal(n.Text)
	what := fd.Kind().String() + " " + strconv.Quote(string(fd.Name()))
	switch fd.Kind() {
	case protoreflect.StringKind:
		c.stringScalar(n, what)
	case protoreflect.BytesKind:
		if _, err := decodeBase64(n.Text); !text || err != nil {
			c.never(n, what+", which is written as base64")
		}
	case protoreflect.BoolKind:
		if n.Kind != source.Bool {
			c.never(n, what)
		}
	case protoreflect.EnumKind:
		c.enum(n, fd.Enum(), number)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if !number && !(text && slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, n.Text)) {
			c.never(n, what)
		}
	default:
		if d, _ := decimalOf(n.Text); !number || d.exponent < 0 {
			c.never(n, what)
		}
	}
}

func (c *checker) stringScalar(n *source.Node, what string) {
	switch n.Kind {
	case source.String:
	case source.Object, source.List:
		e := c.r.Errorf(n.Pos, "%s never matches %s", n.Kind, what)
		e.Hint = "if the text is JSON, match it with {$json: ...}, or with `json:` instead of `message:`"
	default:
		e := c.r.Errorf(n.Pos, "%s never matches %s", n.Kind, what)
		e.Hint = "put it in quotes: " + strconv.Quote(n.Text)
	}
}

func (c *checker) enum(n *source.Node, ed protoreflect.EnumDescriptor, number bool) {
	switch {
	case number:
	case n.Kind != source.String:
		c.never(n, "enum "+string(ed.FullName()))
	case ed.Values().ByName(protoreflect.Name(n.Text)) == nil:
		var names []string
		for i := range ed.Values().Len() {
			names = append(names, string(ed.Values().Get(i).Name()))
		}
		e := c.r.Errorf(n.Pos, "enum %s has no value %q", ed.FullName(), n.Text)
		if e.Hint = source.DidYouMean(n.Text, names); e.Hint == "" {
			e.Hint = "the values are " + strings.Join(names[:min(len(names), 12)], ", ")
		}
	}
}

// any checks the content of an Any, if the pattern names its type.
func (c *checker) any(n *source.Node) {
	if n.Kind != source.Object {
		c.never(n, "an Any")
		return
	}
	url := n.Get("@type")
	if url == nil || c.open(url) {
		return
	}
	md := c.p.message(typeName(url.Text))
	if md == nil {
		c.r.Errorf(url.Pos, "the target does not know type %q", url.Text)
		return
	}
	var rest []source.Field
	for _, f := range n.Fields {
		if f.Key != "@type" {
			rest = append(rest, f)
		}
	}
	if isWellKnown(md) {
		if value := n.Get("value"); value != nil {
			c.message(value, md)
		}
		return
	}
	c.fields(rest, md)
}

func (c *checker) wellKnown(n *source.Node, md protoreflect.MessageDescriptor) {
	var err error
	switch {
	case isWrapper(md):
		c.single(n, md.Fields().ByNumber(1))
		return
	case isJSON(md):
		c.free(n)
		return
	case n.Kind != source.String:
		c.never(n, string(md.FullName())+", which is written as a text")
		return
	case md.Name() == "Timestamp":
		_, err = time.Parse(time.RFC3339Nano, n.Text)
	case md.Name() == "Duration":
		_, err = time.ParseDuration(n.Text)
	}
	if err != nil {
		e := c.r.Errorf(n.Pos, "%q is not a %s", n.Text, strings.ToLower(string(md.Name())))
		e.Hint = map[bool]string{true: "write 2024-02-29T12:00:00Z", false: "write 1.5s"}[md.Name() == "Timestamp"]
	}
}
