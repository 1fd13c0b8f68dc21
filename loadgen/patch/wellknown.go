package patch

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// wellKnown adds a message of a type that has a JSON form of its own, and is
// false for any other.
func (c *compiler) wellKnown(md protoreflect.MessageDescriptor, n *source.Node) bool {
	switch md.FullName() {
	case "google.protobuf.Any":
		c.any(n)
	case "google.protobuf.Struct":
		if fields := md.Fields().ByNumber(1); fields != nil && fields.IsMap() && n.Kind == source.Object {
			c.mapping(fields, n)
			return true
		}
		c.whole(md, n)
	case "google.protobuf.ListValue":
		if values := md.Fields().ByNumber(1); values != nil && values.IsList() && n.Kind == source.List {
			c.field(values, n)
			return true
		}
		c.whole(md, n)
	case "google.protobuf.Value":
		c.anyJSON(md, n)
	case "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value", "google.protobuf.UInt64Value",
		"google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue",
		"google.protobuf.BytesValue":
		if value := md.Fields().ByNumber(1); value != nil {
			c.element(value, n)
		}
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask", "google.protobuf.Empty":
		c.whole(md, n)
	default:
		return false
	}
	return true
}

// The fields of google.protobuf.Value.
const (
	numberValue = 2
	stringValue = 3
	structValue = 5
	listValue   = 6
)

// anyJSON adds a google.protobuf.Value: a number when it is one expression that
// is a number.
func (c *compiler) anyJSON(md protoreflect.MessageDescriptor, n *source.Node) {
	number := protoreflect.FieldNumber(stringValue)
	switch n.Kind {
	case source.Object:
		number = structValue
	case source.List:
		number = listValue
	default:
		p := c.peek(n)
		if p != nil && p.expr.kind == row {
			c.whole(md, n)
			return
		}
		if p != nil && p.expr.isNumber() {
			number = numberValue
		}
	}
	if fd := md.Fields().ByNumber(number); fd != nil {
		c.element(fd, n)
	}
}

// peek returns the expression that is all of a string, nil when it is none;
// mistakes are reported when the string is compiled.
func (c *compiler) peek(n *source.Node) *part {
	ahead := compiler{r: &source.Reporter{File: c.r.File}}
	return ahead.parse(n).single()
}

// whole adds a message that is one expression: a row's value, or the time.
func (c *compiler) whole(md protoreflect.MessageDescriptor, n *source.Node) {
	if n.Kind != source.String {
		c.r.Errorf(n.Pos, "a load cannot put expressions into %s", md.FullName())
		return
	}
	t := c.parse(n)
	p := t.single()
	switch {
	case t == nil:
	case p != nil && p.expr.kind == row:
		c.rows(c.columnOfMessages(md, p))
	case p != nil && p.expr.kind == instantText && md.FullName() == "google.protobuf.Timestamp":
		x := *p.expr
		x.kind, x.unit = instant, 1
		c.literal(protowire.AppendTag(nil, 1, protowire.VarintType))
		c.emit(op{kind: opNumber, expr: x, form: secondsOf})
		c.literal(protowire.AppendTag(nil, 2, protowire.VarintType))
		c.emit(op{kind: opNumber, expr: x, form: nanosOf})
	default:
		c.r.Errorf(n.Pos, "%s: the expression has no such value", md.FullName()).Hint = "write a column, ${row.NAME}, or ${now()} for a Timestamp"
	}
}

// columnOfMessages returns the values of a column, each encoded as a message.
func (c *compiler) columnOfMessages(md protoreflect.MessageDescriptor, p *part) [][]byte {
	var out [][]byte
	before := len(c.r.Errors())
	for _, value := range c.column(p) {
		m := dynamic.Build(c.r, md, node(value, p.pos), c.cfg.Types)
		raw, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err != nil {
			c.r.Errorf(p.pos, "%v", err)
		}
		if len(c.r.Errors()) > before {
			return nil
		}
		out = append(out, raw)
	}
	return out
}

// any adds a google.protobuf.Any.
func (c *compiler) any(n *source.Node) {
	url := n.Get("@type")
	if url == nil || Dynamic(url) {
		c.r.Errorf(n.Pos, "a load cannot make the type of an Any from an expression")
		return
	}
	mt, err := c.cfg.Types.FindMessageByURL(url.Text)
	if err != nil {
		c.r.Errorf(url.Pos, "unknown type %q", url.Text)
		return
	}
	var fields []source.Field
	for _, f := range n.Fields {
		if f.Key != "@type" {
			fields = append(fields, f)
		}
	}
	c.literal(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), url.Text))
	c.enclose(2, n.Pos, func() {
		inner := mt.Descriptor()
		if isForm := inner.ParentFile().Package() == "google.protobuf"; isForm && len(fields) == 1 && fields[0].Key == "value" {
			c.message(inner, fields[0].Value)
			return
		}
		c.fields(inner, fields)
	})
}
