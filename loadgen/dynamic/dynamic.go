// Package dynamic turns YAML and JSON values into protobuf messages that are
// known by their descriptors only, and back.
//
// The forms are those of the protobuf JSON mapping: fields by their proto or
// JSON names, 64-bit integers as numbers or strings, bytes as base64 (standard
// or URL alphabet), enums by name or number, the well-known types in their own
// forms, an Any with "@type", an extension as "[pkg.name]". Every mistake is
// reported at its own place, all of them at once.
package dynamic

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// Build returns the message that n describes. Mistakes go to r, each at its
// position; what they concern is left unset.
func Build(r *source.Reporter, md protoreflect.MessageDescriptor, n *source.Node, types schema.Types) *dynamicpb.Message {
	b := builder{r: r, types: types}
	return b.message(md, n)
}

// Check reports what Build would report of a template: a string that contains
// ${ fits any scalar, and one that is a single ${expression} fits anything.
func Check(r *source.Reporter, md protoreflect.MessageDescriptor, n *source.Node, types schema.Types) {
	b := builder{r: r, types: types, template: true}
	b.message(md, n)
}

// builder walks nodes and descriptors side by side.
type builder struct {
	r        *source.Reporter
	types    schema.Types
	template bool // ${...} stands for values that are not known yet
}

// interpolated reports whether a scalar is filled in later.
func (b *builder) interpolated(n *source.Node) bool {
	return b.template && n.Kind == source.String && strings.Contains(n.Text, "${")
}

// expression reports whether the whole of a value is filled in later.
func (b *builder) expression(n *source.Node) bool {
	return b.interpolated(n) && strings.HasPrefix(n.Text, "${") && strings.HasSuffix(n.Text, "}")
}

// fail reports a mistake and returns a value that is not there.
func (b *builder) fail(n *source.Node, hint, format string, args ...any) protoreflect.Value {
	b.r.Errorf(n.Pos, format, args...).Hint = hint
	return protoreflect.Value{}
}

// message builds a message of any type.
func (b *builder) message(md protoreflect.MessageDescriptor, n *source.Node) *dynamicpb.Message {
	switch {
	case b.expression(n):
		return dynamicpb.NewMessage(md)
	case md.IsPlaceholder():
		b.fail(n, "", "the schema does not declare type %s", md.FullName())
		return dynamicpb.NewMessage(md)
	case isAny(md):
		return b.any(md, n)
	case isWellKnown(md):
		return b.wellKnown(md, n)
	case n.Kind == source.Null:
		b.fail(n, "write {} for an empty message", "want a message of type %s, got null", md.FullName())
	case n.Kind != source.Object:
		b.fail(n, "", "want a message of type %s, got %s", md.FullName(), n.Kind)
	default:
		return b.fields(md, n, n.Fields)
	}
	return dynamicpb.NewMessage(md)
}

// fields builds a message from the fields of an object, or some of them.
func (b *builder) fields(md protoreflect.MessageDescriptor, n *source.Node, fields []source.Field) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	seen := map[protoreflect.FieldNumber]string{}
	oneofs := map[protoreflect.Name]string{}
	var given []protoreflect.FieldNumber
	for _, f := range fields {
		fd := b.find(md, f)
		if fd == nil || !b.first(fd, f, seen) || isUnset(fd, f.Value) || !b.only(fd, f, oneofs) {
			continue
		}
		given = append(given, fd.Number())
		if v := b.field(m, fd, f.Value); v.IsValid() {
			m.Set(fd, v)
		}
	}
	b.required(md, n, given)
	return m
}

// find returns the field of a key, nil when there is none.
func (b *builder) find(md protoreflect.MessageDescriptor, f source.Field) protoreflect.FieldDescriptor {
	if name, ok := strings.CutPrefix(f.Key, "["); ok {
		return b.findExtension(md, f, strings.TrimSuffix(name, "]"))
	}
	if fd := md.Fields().ByJSONName(f.Key); fd != nil {
		return fd
	}
	if fd := md.Fields().ByTextName(f.Key); fd != nil {
		return fd
	}
	e := b.r.Errorf(f.Pos, "unknown field %q of %s", f.Key, md.FullName())
	e.Hint = fieldHint(md, f.Key)
	return nil
}

// findExtension returns the extension of a name if it extends md.
func (b *builder) findExtension(md protoreflect.MessageDescriptor, f source.Field, name string) protoreflect.FieldDescriptor {
	if xt, err := b.types.FindExtensionByName(protoreflect.FullName(name)); err == nil {
		xd := xt.TypeDescriptor()
		if xd.ContainingMessage().FullName() == md.FullName() && md.ExtensionRanges().Has(xd.Number()) {
			return xd
		}
	}
	b.r.Errorf(f.Pos, "unknown extension %q of %s", f.Key, md.FullName())
	return nil
}

// fieldHint names the field that is likely meant, or else those that exist.
func fieldHint(md protoreflect.MessageDescriptor, key string) string {
	var names, all []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		names = append(names, fd.TextName())
		all = append(all, fd.TextName(), fd.JSONName())
	}
	if hint := source.DidYouMean(key, all); hint != "" {
		return hint
	}
	switch {
	case len(names) == 0:
		return fmt.Sprintf("%s has no fields", md.FullName())
	case len(names) > 12:
		names = append(names[:12], "...")
	}
	return "the fields are " + strings.Join(names, ", ")
}

// first reports a field that is given by both of its names.
func (b *builder) first(fd protoreflect.FieldDescriptor, f source.Field, seen map[protoreflect.FieldNumber]string) bool {
	if before, ok := seen[fd.Number()]; ok {
		b.r.Errorf(f.Pos, "field %q is given twice, also as %q", f.Key, before)
		return false
	}
	seen[fd.Number()] = f.Key
	return true
}

// isUnset reports whether a value leaves its field unset: null does, but for
// the two types that have a null.
func isUnset(fd protoreflect.FieldDescriptor, n *source.Node) bool {
	return n.Kind == source.Null && (fd.IsList() || fd.IsMap() || !takesNull(fd))
}

// takesNull reports whether null is a value of the field's type.
func takesNull(fd protoreflect.FieldDescriptor) bool {
	return fd.Enum() != nil && fd.Enum().FullName() == "google.protobuf.NullValue" ||
		fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value"
}

// only reports a second field of a oneof.
func (b *builder) only(fd protoreflect.FieldDescriptor, f source.Field, oneofs map[protoreflect.Name]string) bool {
	oneof := fd.ContainingOneof()
	if oneof == nil || oneof.IsSynthetic() {
		return true
	}
	if before, ok := oneofs[oneof.Name()]; ok {
		e := b.r.Errorf(f.Pos, "%q and %q exclude each other: both are of oneof %q", before, f.Key, oneof.Name())
		e.Hint = "give one of them"
		return false
	}
	oneofs[oneof.Name()] = f.Key
	return true
}

// required reports the required fields of proto2 that are not given.
func (b *builder) required(md protoreflect.MessageDescriptor, n *source.Node, given []protoreflect.FieldNumber) {
	numbers := md.RequiredNumbers()
	for i := range numbers.Len() {
		if !slices.Contains(given, numbers.Get(i)) {
			b.r.Errorf(n.Pos, "required field %q of %s is missing", md.Fields().ByNumber(numbers.Get(i)).TextName(), md.FullName())
		}
	}
}

// field builds the value of a field, which is not valid after a mistake.
func (b *builder) field(m *dynamicpb.Message, fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	switch {
	case (fd.IsList() || fd.IsMap()) && b.expression(n):
		return protoreflect.Value{}
	case fd.IsList() && n.Kind != source.List:
		return b.fail(n, "", "field %q is repeated: want a list, got %s", fd.TextName(), n.Kind)
	case fd.IsList():
		return b.list(m.NewField(fd), fd, n)
	case fd.IsMap() && n.Kind != source.Object:
		return b.fail(n, "", "field %q is a map: want a mapping, got %s", fd.TextName(), n.Kind)
	case fd.IsMap():
		return b.mapping(m.NewField(fd), fd, n)
	}
	return b.single(fd, n)
}

// single builds a value that is neither a list nor a map.
func (b *builder) single(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	if fd.Message() != nil {
		return protoreflect.ValueOfMessage(b.message(fd.Message(), n))
	}
	return b.scalar(fd, n)
}

func (b *builder) list(v protoreflect.Value, fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	for _, item := range n.Items {
		if item.Kind == source.Null && !takesNull(fd) {
			b.fail(item, "", "null cannot be an item of list %q", fd.TextName())
			continue
		}
		if element := b.single(fd, item); element.IsValid() {
			v.List().Append(element)
		}
	}
	return v
}

func (b *builder) mapping(v protoreflect.Value, fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	for _, f := range n.Fields {
		key, ok := b.mapKey(fd.MapKey(), f)
		switch {
		case f.Value.Kind == source.Null && !takesNull(fd.MapValue()):
			b.fail(f.Value, "", "null cannot be a value of map %q", fd.TextName())
			continue
		case ok && v.Map().Has(key):
			b.r.Errorf(f.Pos, "key %q of map %q is given twice", f.Key, fd.TextName())
			continue
		}
		if element := b.single(fd.MapValue(), f.Value); ok && element.IsValid() {
			v.Map().Set(key, element)
		}
	}
	return v
}

// mapKey reads a key, which is text in JSON and YAML whatever its type is.
func (b *builder) mapKey(fd protoreflect.FieldDescriptor, f source.Field) (protoreflect.MapKey, bool) {
	n := &source.Node{Kind: source.String, Pos: f.Pos, Text: f.Key}
	if fd.Kind() == protoreflect.BoolKind && slices.Contains([]string{"true", "false"}, f.Key) {
		n.Kind = source.Bool
	}
	v := b.scalar(fd, n)
	if !v.IsValid() {
		return protoreflect.MapKey{}, false
	}
	return v.MapKey(), true
}

// Scalar returns the value that n gives to a field, or to one item of it, that
// is not a message. After a mistake, which goes to r, the value is not valid.
func Scalar(r *source.Reporter, fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	b := builder{r: r}
	return b.scalar(fd, n)
}
