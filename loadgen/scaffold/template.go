package scaffold

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxDepth is how deep a template goes. A message below it is left out, unless
// it is required.
const maxDepth = 4

// message writes a message under a key: every field with its default, and its
// type beside it. Of a oneof it is the first field. above are the types that
// the message is within.
func (w *writer) message(depth int, key string, md protoreflect.MessageDescriptor, above []protoreflect.FullName) {
	if value, known := wellKnown[md.FullName()]; known {
		w.commented(depth, key+": "+value, string(md.FullName()))
		return
	}
	fields := written(md, above)
	if len(fields) == 0 {
		w.line(depth, "%s: {}", key)
		return
	}
	w.line(depth, "%s:", key)
	for _, fd := range fields {
		w.field(depth+1, "", fd, append(above, md.FullName()))
	}
}

// listed writes a message as an item of a list.
func (w *writer) listed(depth int, md protoreflect.MessageDescriptor, above []protoreflect.FullName) {
	if value, known := wellKnown[md.FullName()]; known {
		w.commented(depth, "- "+value, string(md.FullName()))
		return
	}
	fields := written(md, above)
	if len(fields) == 0 {
		w.line(depth, "- {}")
		return
	}
	for i, fd := range fields {
		dash := "  "
		if i == 0 {
			dash = "- "
		}
		w.field(depth, dash, fd, append(above, md.FullName()))
	}
}

// written returns the fields of a message that its template has.
func written(md protoreflect.MessageDescriptor, above []protoreflect.FullName) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		oneof := fd.ContainingOneof()
		switch {
		case oneof != nil && !oneof.IsSynthetic() && oneof.Fields().Get(0) != fd:
		case fd.Cardinality() != protoreflect.Required && nested(fd) != nil && tooDeep(nested(fd), append(above, md.FullName())):
		default:
			fields = append(fields, fd)
		}
	}
	return fields
}

// nested returns the message that a field holds, nil for a scalar or a type
// that is written as one value.
func nested(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	md := fd.Message()
	if md == nil || fd.IsMap() {
		return nil
	}
	if _, known := wellKnown[md.FullName()]; known {
		return nil
	}
	return md
}

// tooDeep reports a type that holds itself, or is far down.
func tooDeep(md protoreflect.MessageDescriptor, above []protoreflect.FullName) bool {
	if len(above) >= maxDepth {
		return true
	}
	for _, name := range above {
		if name == md.FullName() {
			return true
		}
	}
	return false
}

// field writes a field; dash goes before its name.
func (w *writer) field(depth int, dash string, fd protoreflect.FieldDescriptor, above []protoreflect.FullName) {
	key := dash + fd.TextName()
	if fd.IsExtension() {
		key = dash + `"` + fd.TextName() + `"`
	}
	below := depth + len(dash)/2
	md := nested(fd)
	switch {
	case md == nil:
		w.commented(depth, key+": "+zero(fd), about(fd))
	case fd.IsList():
		w.commented(depth, key+":", about(fd))
		w.listed(below+1, md, above)
	case len(written(md, above)) == 0:
		w.commented(depth, key+": {}", about(fd))
	default:
		w.commented(depth, key+":", about(fd))
		for _, inner := range written(md, above) {
			w.field(below+1, "", inner, append(above, md.FullName()))
		}
	}
}

// wellKnown are the types that are written in forms of their own, and a value
// of each.
var wellKnown = map[protoreflect.FullName]string{
	"google.protobuf.Timestamp":   `"1970-01-01T00:00:00Z"`,
	"google.protobuf.Duration":    "0s",
	"google.protobuf.FieldMask":   `""`,
	"google.protobuf.Struct":      "{}",
	"google.protobuf.Value":       "{}",
	"google.protobuf.ListValue":   "[]",
	"google.protobuf.Any":         "{}",
	"google.protobuf.BoolValue":   "false",
	"google.protobuf.StringValue": `""`,
	"google.protobuf.BytesValue":  `""`,
	"google.protobuf.DoubleValue": "0",
	"google.protobuf.FloatValue":  "0",
	"google.protobuf.Int32Value":  "0",
	"google.protobuf.Int64Value":  "0",
	"google.protobuf.UInt32Value": "0",
	"google.protobuf.UInt64Value": "0",
}

// zero returns the default value of a field.
func zero(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "{}"
	case fd.IsList():
		return "[]"
	case fd.Message() != nil:
		return wellKnown[fd.Message().FullName()]
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.EnumKind:
		return plain(string(fd.Enum().Values().Get(0).Name()))
	}
	return "0"
}

// special are words that YAML may not read as text.
var special = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n|nan|inf)$`)

func plain(word string) string {
	if special.MatchString(word) {
		return `"` + word + `"`
	}
	return word
}

// maxValues is how many values of an enum are listed.
const maxValues = 6

// about tells the type of a field, and the choices that it leaves.
func about(fd protoreflect.FieldDescriptor) string {
	text := typeName(fd)
	if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() && oneof.Fields().Len() > 1 {
		var others []string
		for i := 1; i < oneof.Fields().Len(); i++ {
			others = append(others, oneof.Fields().Get(i).TextName())
		}
		text += ", or in its place: " + strings.Join(others, ", ")
	}
	return text
}

func typeName(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return fmt.Sprintf("map<%s, %s>", typeName(fd.MapKey()), typeName(fd.MapValue()))
	case fd.IsList() && fd.Message() != nil:
		return "repeated " + string(fd.Message().FullName())
	case fd.IsList():
		return "repeated " + fd.Kind().String()
	case fd.Message() != nil:
		return string(fd.Message().FullName())
	case fd.Enum() != nil:
		return "one of " + values(fd.Enum())
	}
	return fd.Kind().String()
}

// values lists the values of an enum.
func values(ed protoreflect.EnumDescriptor) string {
	var names []string
	for i := range ed.Values().Len() {
		if i == maxValues {
			names = append(names, "...")
			break
		}
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}
