package dynamic

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"touchstone/server/source"
)

// wellKnown holds the types that have a JSON form of their own, without Any.
var wellKnown = byName(
	&durationpb.Duration{}, &timestamppb.Timestamp{}, &fieldmaskpb.FieldMask{}, &emptypb.Empty{},
	&structpb.Struct{}, &structpb.Value{}, &structpb.ListValue{},
	&wrapperspb.DoubleValue{}, &wrapperspb.FloatValue{}, &wrapperspb.Int64Value{}, &wrapperspb.UInt64Value{},
	&wrapperspb.Int32Value{}, &wrapperspb.UInt32Value{}, &wrapperspb.BoolValue{}, &wrapperspb.StringValue{}, &wrapperspb.BytesValue{},
)

func byName(messages ...proto.Message) map[protoreflect.FullName]protoreflect.MessageDescriptor {
	table := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	for _, m := range messages {
		md := m.ProtoReflect().Descriptor()
		table[md.FullName()] = md
	}
	return table
}

// isWellKnown reports whether md is a well-known type in shape, not only in
// name: a target may declare what it likes, and protojson panics on a
// Timestamp with other fields.
func isWellKnown(md protoreflect.MessageDescriptor) bool {
	original := wellKnown[md.FullName()]
	return original != nil && sameShape(md, original, nil)
}

// isAny reports whether md is google.protobuf.Any in name and shape.
func isAny(md protoreflect.MessageDescriptor) bool {
	original := (*anypb.Any)(nil).ProtoReflect().Descriptor()
	return md.FullName() == original.FullName() && sameShape(md, original, nil)
}

// sameShape compares fields by number and type. The types on the way down are
// in seen: Struct, Value and ListValue contain each other.
func sameShape(a, b protoreflect.MessageDescriptor, seen []protoreflect.FullName) bool {
	if a.FullName() != b.FullName() || a.Fields().Len() != b.Fields().Len() {
		return false
	}
	for _, name := range seen {
		if name == a.FullName() {
			return true
		}
	}
	seen = append(seen, a.FullName())
	for i := range b.Fields().Len() {
		want := b.Fields().Get(i)
		got := a.Fields().ByNumber(want.Number())
		if got == nil || got.Kind() != want.Kind() || got.Cardinality() != want.Cardinality() || got.IsMap() != want.IsMap() ||
			(got.ContainingOneof() == nil) != (want.ContainingOneof() == nil) || got.Name() != want.Name() {
			return false
		}
		if want.Message() != nil && !sameShape(got.Message(), want.Message(), seen) {
			return false
		}
	}
	return true
}

// libraryPrefix is what protojson puts before the cause of its errors, with a
// no-break space at random.
var libraryPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*(syntax error )?\(line \d+:\d+\): `)

// wellKnown builds a well-known type from its own JSON form.
func (b *builder) wellKnown(md protoreflect.MessageDescriptor, n *source.Node) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	if b.interpolated(n) || b.template && strings.Contains(n.JSON(), "${") {
		return m
	}
	if err := (protojson.UnmarshalOptions{Resolver: b.types}).Unmarshal([]byte(n.JSON()), m); err != nil {
		b.fail(n, forms[md.FullName()], "%s: %s", md.FullName(), libraryPrefix.ReplaceAllString(err.Error(), ""))
		return dynamicpb.NewMessage(md)
	}
	return m
}

// forms are the hints on types whose form is not obvious.
var forms = map[protoreflect.FullName]string{
	"google.protobuf.Duration":  `write seconds: "1.5s"`,
	"google.protobuf.Timestamp": `write RFC 3339: "2026-01-31T12:00:00Z"`,
	"google.protobuf.FieldMask": `write paths: "user.displayName,photo"`,
	"google.protobuf.Empty":     `write {}`,
}

// any builds an Any from "@type" and the fields of that type, or from "@type"
// with "value" for a type that has its own JSON form. "@value" holds the bytes
// of a type that is not known, in base64: that is how [JSON] prints one.
func (b *builder) any(md protoreflect.MessageDescriptor, n *source.Node) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	if n.Kind != source.Object {
		b.fail(n, `write {"@type": "pkg.Message", ...}`, "want an Any, got %s", n.Kind)
		return m
	}
	url := n.Get("@type")
	switch {
	case url == nil && len(n.Fields) == 0:
		return m
	case url == nil:
		b.fail(n, `write {"@type": "pkg.Message", ...}`, `an Any needs "@type"`)
		return m
	case b.interpolated(url):
		return m
	case url.Kind != source.String || url.Text == "":
		b.fail(url, "", `"@type": want the URL of a type, got %s`, url.JSON())
		return m
	}
	if !strings.Contains(url.Text, "/") {
		url = &source.Node{Kind: source.String, Pos: url.Pos, Text: "type.googleapis.com/" + url.Text}
	}
	m.Set(md.Fields().ByName("type_url"), protoreflect.ValueOfString(url.Text))
	m.Set(md.Fields().ByName("value"), protoreflect.ValueOfBytes(b.anyValue(md, n, url)))
	return m
}

// anyValue encodes what is within an Any.
func (b *builder) anyValue(md protoreflect.MessageDescriptor, n, url *source.Node) []byte {
	var rest []source.Field
	for _, f := range n.Fields {
		if f.Key != "@type" {
			rest = append(rest, f)
		}
	}
	if len(rest) == 1 && rest[0].Key == "@value" {
		v := b.scalar(md.Fields().ByName("value"), rest[0].Value)
		if !v.IsValid() {
			return nil
		}
		return v.Bytes()
	}
	mt, err := b.types.FindMessageByURL(url.Text)
	if err != nil {
		b.fail(url, "", "the target does not know type %q", url.Text)
		return nil
	}
	data, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(b.anyContent(mt.Descriptor(), n, rest))
	if err != nil {
		b.fail(n, "", "%s: %v", mt.Descriptor().FullName(), err)
	}
	return data
}

// anyContent builds the message within an Any.
func (b *builder) anyContent(md protoreflect.MessageDescriptor, n *source.Node, rest []source.Field) *dynamicpb.Message {
	if !isWellKnown(md) && !isAny(md) {
		return b.fields(md, n, rest)
	}
	for _, f := range rest {
		if f.Key != "value" {
			b.r.Errorf(f.Pos, `unknown field %q beside "@type" of %s, which takes "value"`, f.Key, md.FullName())
		}
	}
	value := n.Get("value")
	if value == nil {
		b.fail(n, "", `%s within an Any needs "value"`, md.FullName())
		return dynamicpb.NewMessage(md)
	}
	return b.message(md, value)
}
