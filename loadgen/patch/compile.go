package patch

import (
	"bytes"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// Config is what the messages of a load have in common.
type Config struct {
	Types schema.Types
	Rows  []any // of the data, as JSON: mappings in most cases
	Seed  uint64
	// Text says what values are within the strings of fields.
	Text Text
}

// Text is how values are written into the strings of fields.
type Text int

// The ways. A row's text that reads as a number, true, false or null may be
// meant as one where a JSON text has a value: a CSV file has nothing but text.
const (
	GuessJSON Text = iota // as JSON, with that meaning, in what is JSON text
	TypedJSON             // as JSON, a row's text being text
	Verbatim              // as they are, whatever the string is
)

// Compile turns a message with expressions in its strings into a program.
// Mistakes go to r, each at its position; the program is of no use then.
func Compile(r *source.Reporter, md protoreflect.MessageDescriptor, n *source.Node, cfg Config) *Program {
	before := len(r.Errors())
	dynamic.Check(r, md, n, cfg.Types)
	if len(r.Errors()) > before {
		return nil
	}
	c := &compiler{r: r, cfg: cfg, program: &Program{seed: cfg.Seed}}
	c.message(md, n)
	if len(r.Errors()) > before {
		return nil
	}
	c.program.ops = fold(c.program.ops)
	c.program.settle()
	return c.program
}

// compiler writes a program.
type compiler struct {
	r           *source.Reporter
	cfg         Config
	program     *Program
	expressions int   // met so far
	open        []int // ops that are not closed yet
}

func (c *compiler) emit(o op) { c.program.ops = append(c.program.ops, o) }

// literal adds bytes that are the same in every call.
func (c *compiler) literal(text []byte) {
	ops := c.program.ops
	if last := len(ops) - 1; last >= 0 && ops[last].kind == opLiteral {
		ops[last].text = append(ops[last].text, text...)
		return
	}
	c.emit(op{kind: opLiteral, text: bytes.Clone(text)})
}

// enclose adds what write adds, with its length before it.
func (c *compiler) enclose(number protowire.Number, pos source.Pos, write func()) {
	if len(c.open) == maxDepth {
		c.r.Errorf(pos, "more than %d messages within each other", maxDepth)
		return
	}
	c.open = append(c.open, len(c.program.ops))
	c.emit(op{kind: opOpen, text: protowire.AppendTag(nil, number, protowire.BytesType), room: 1})
	write()
	last := len(c.open) - 1
	c.emit(op{kind: opClose, pair: c.open[last], room: 1})
	c.open = c.open[:last]
}

// message adds the fields of a message.
func (c *compiler) message(md protoreflect.MessageDescriptor, n *source.Node) {
	switch {
	case !Dynamic(n):
		c.static(md, n)
	case c.wellKnown(md, n):
	case n.Kind == source.Object:
		c.fields(md, n.Fields)
	default:
		c.whole(md, n)
	}
}

// fields adds fields, those without expressions as they are encoded.
func (c *compiler) fields(md protoreflect.MessageDescriptor, fields []source.Field) {
	for _, f := range fields {
		if !Dynamic(f.Value) {
			c.static(md, &source.Node{Kind: source.Object, Pos: f.Pos, Fields: []source.Field{f}})
		} else if fd := c.find(md, f.Key); fd != nil {
			c.field(fd, f.Value)
		}
	}
}

// static adds a message without expressions. What may be wrong with it has been
// reported, or, of a part, is not wrong.
func (c *compiler) static(md protoreflect.MessageDescriptor, n *source.Node) {
	var ignored source.Reporter
	ignored.File = c.r.File
	raw, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(dynamic.Build(&ignored, md, n, c.cfg.Types))
	if err != nil {
		c.r.Errorf(n.Pos, "%v", err)
	}
	c.literal(raw)
}

// find returns the field of a key; that there is one has been checked.
func (c *compiler) find(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if name, ok := bytes.CutPrefix([]byte(key), []byte("[")); ok {
		xt, err := c.cfg.Types.FindExtensionByName(protoreflect.FullName(bytes.TrimSuffix(name, []byte("]"))))
		if err != nil {
			return nil
		}
		return xt.TypeDescriptor()
	}
	if fd := md.Fields().ByJSONName(key); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(key)
}

// field adds a field that has expressions in it.
func (c *compiler) field(fd protoreflect.FieldDescriptor, n *source.Node) {
	switch {
	case (fd.IsList() || fd.IsMap()) && n.Kind == source.String:
		c.r.Errorf(n.Pos, "a load cannot make all of %q from an expression", fd.TextName()).Hint = "write its items, with expressions in them"
	case fd.IsMap():
		c.mapping(fd, n)
	case fd.IsPacked():
		c.enclose(fd.Number(), n.Pos, func() {
			for _, item := range n.Items {
				c.scalar(fd, item)
			}
		})
	case fd.IsList():
		for _, item := range n.Items {
			c.element(fd, item)
		}
	default:
		c.element(fd, n)
	}
}

// mapping adds the entries of a map.
func (c *compiler) mapping(fd protoreflect.FieldDescriptor, n *source.Node) {
	for _, f := range n.Fields {
		c.enclose(fd.Number(), f.Pos, func() {
			key := &source.Node{Kind: source.String, Pos: f.Pos, Text: f.Key}
			if fd.MapKey().Kind() == protoreflect.BoolKind {
				key.Kind = source.Bool
			}
			c.constant(fd.MapKey(), key, true)
			c.element(fd.MapValue(), f.Value)
		})
	}
}

// element adds a field, or an item of one, with its tag.
func (c *compiler) element(fd protoreflect.FieldDescriptor, n *source.Node) {
	switch {
	case fd.Kind() == protoreflect.GroupKind:
		c.literal(protowire.AppendTag(nil, fd.Number(), protowire.StartGroupType))
		c.message(fd.Message(), n)
		c.literal(protowire.AppendTag(nil, fd.Number(), protowire.EndGroupType))
	case fd.Message() != nil:
		c.enclose(fd.Number(), n.Pos, func() { c.message(fd.Message(), n) })
	case !Dynamic(n):
		c.constant(fd, n, true)
	case fd.Kind() == protoreflect.StringKind:
		c.enclose(fd.Number(), n.Pos, func() { c.text(n) })
	case fd.Kind() == protoreflect.BytesKind:
		c.enclose(fd.Number(), n.Pos, func() { c.bytes(fd, n) })
	default:
		c.literal(protowire.AppendTag(nil, fd.Number(), wireType(fd.Kind())))
		c.scalar(fd, n)
	}
}

// constant adds a scalar without expressions, with its tag or without.
func (c *compiler) constant(fd protoreflect.FieldDescriptor, n *source.Node, tagged bool) {
	v := dynamic.Scalar(c.r, fd, n)
	if !v.IsValid() {
		return
	}
	if tagged {
		c.literal(protowire.AppendTag(nil, fd.Number(), wireType(fd.Kind())))
	}
	c.literal(appendScalar(nil, fd.Kind(), v))
}

// text adds the contents of a string.
func (c *compiler) text(n *source.Node) {
	t := c.parse(n)
	if c.cfg.Text != Verbatim {
		t.quote()
	}
	for i := range t {
		switch p := &t[i]; {
		case p.expr == nil:
			c.literal([]byte(p.text))
		case p.expr.kind == row:
			c.rows(c.texts(p))
		case p.quoted == alone && !p.expr.isNumber():
			c.literal([]byte(`"`))
			c.emit(op{kind: opText, expr: *p.expr})
			c.literal([]byte(`"`))
		default:
			c.emit(op{kind: opText, expr: *p.expr})
		}
	}
}

// rows adds what stands for each row; nothing after a mistake.
func (c *compiler) rows(rows [][]byte) {
	if len(rows) > 0 {
		c.emit(op{kind: opRow, rows: rows})
	}
}

// bytes adds the contents of a field of bytes.
func (c *compiler) bytes(fd protoreflect.FieldDescriptor, n *source.Node) {
	t := c.parse(n)
	switch p := t.single(); {
	case t == nil:
	case p != nil && p.expr.kind == randomBytes:
		c.emit(op{kind: opBytes, expr: *p.expr})
	case p != nil && p.expr.kind == row:
		c.rows(c.column64(fd, p))
	default:
		c.r.Errorf(n.Pos, "bytes %q: want ${bytes(N)}, or a column that holds base64", fd.TextName())
	}
}

// column64 returns the bytes that a column has as base64.
func (c *compiler) column64(fd protoreflect.FieldDescriptor, p *part) [][]byte {
	var out [][]byte
	for _, value := range c.column(p) {
		v := dynamic.Scalar(c.r, fd, node(value, p.pos))
		if !v.IsValid() {
			return nil
		}
		out = append(out, v.Bytes())
	}
	return out
}

// scalar adds the value of a number, boolean or enum, without its tag.
func (c *compiler) scalar(fd protoreflect.FieldDescriptor, n *source.Node) {
	if !Dynamic(n) {
		c.constant(fd, n, false)
		return
	}
	t := c.parse(n)
	p := t.single()
	switch {
	case t == nil:
	case p == nil:
		c.r.Errorf(n.Pos, "%s %q: want one expression and nothing else", fd.Kind(), fd.TextName())
	case p.expr.kind == row:
		c.rows(c.columnOf(fd, p))
	case !p.expr.isNumber(), fd.Enum() != nil, fd.Kind() == protoreflect.BoolKind:
		c.r.Errorf(p.pos, "%s %q: the expression has no such value", fd.Kind(), fd.TextName())
	default:
		c.checkRange(fd, p)
		c.emit(op{kind: opNumber, expr: *p.expr, form: formOf(fd.Kind())})
	}
}

// columnOf returns the values of a column, encoded for a field.
func (c *compiler) columnOf(fd protoreflect.FieldDescriptor, p *part) [][]byte {
	var out [][]byte
	for i, value := range c.column(p) {
		before := len(c.r.Errors())
		v := dynamic.Scalar(c.r, fd, typed(fd, node(value, p.pos)))
		if !v.IsValid() {
			for _, e := range c.r.Errors()[before:] {
				e.Hint = fmt.Sprintf("this is in row %d of the data", i+1)
			}
			return nil
		}
		out = append(out, appendScalar(nil, fd.Kind(), v))
	}
	return out
}

// typed gives text of a CSV file the type that a field needs.
func typed(fd protoreflect.FieldDescriptor, n *source.Node) *source.Node {
	switch {
	case n.Kind != source.String:
	case fd.Kind() == protoreflect.BoolKind && (n.Text == "true" || n.Text == "false"):
		n.Kind = source.Bool
	case fd.Enum() != nil && isPlainJSON(n.Text):
		n.Kind = source.Int
	}
	return n
}

// checkRange reports a number that its field has no room for.
func (c *compiler) checkRange(fd protoreflect.FieldDescriptor, p *part) {
	low, high, known := p.expr.bounds()
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	switch fd.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		least, most = math.MinInt32, math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		least, most = 0, math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		least = 0
	}
	if low < least || known && high > most {
		c.r.Errorf(p.pos, "%s %q: the expression has values outside of %d to %d", fd.Kind(), fd.TextName(), least, most)
	}
}

// fold turns what encloses nothing but literal bytes into literal bytes, and
// joins those that stand beside each other.
func fold(ops []op) []op {
	var out []op
	var open []int // of out
	for _, o := range ops {
		last := len(out) - 1
		switch {
		case o.kind == opClose && (open[len(open)-1] == last || open[len(open)-1] == last-1 && out[last].kind == opLiteral):
			at := open[len(open)-1]
			open = open[:len(open)-1]
			var contents []byte
			if at < last {
				contents = out[last].text
			}
			out = join(out[:at], protowire.AppendBytes(out[at].text, contents))
		case o.kind == opClose:
			o.pair = open[len(open)-1]
			open = open[:len(open)-1]
			out = append(out, o)
		case o.kind == opLiteral:
			out = join(out, o.text)
		default:
			if o.kind == opOpen {
				open = append(open, len(out))
			}
			out = append(out, o)
		}
	}
	return out
}

// join appends literal bytes.
func join(ops []op, text []byte) []op {
	if last := len(ops) - 1; last >= 0 && ops[last].kind == opLiteral {
		ops[last].text = append(ops[last].text, text...)
		return ops
	}
	return append(ops, op{kind: opLiteral, text: bytes.Clone(text)})
}
