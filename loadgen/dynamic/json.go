package dynamic

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
)

// JSON returns a message as JSON on one line. The same message gives the same
// text. Nothing is an error: fields that the schema does not know are counted
// under "@unknown", and an Any of unknown type has its bytes under "@value".
func JSON(m proto.Message, types schema.Types) string { return Printer{Types: types}.JSON(m) }

// Printer prints messages as JSON. The zero value prints on one line, without
// the fields that are unset.
type Printer struct {
	Types        schema.Types // nil: every Any is of unknown type
	EmitDefaults bool         // also print unset fields that have no presence
	Indent       string       // of each level, on lines of their own; "": one line
}

// JSON returns a message as JSON text.
func (p Printer) JSON(m proto.Message) string {
	w := &writer{Printer: p}
	w.message(m.ProtoReflect())
	if p.Indent == "" {
		return w.b.String()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(w.b.String()), "", p.Indent); err != nil {
		return w.b.String()
	}
	return out.String()
}

// maxPrinted bounds how deep messages are printed: an Any within an Any can
// nest deeper than any decoder's limit.
const maxPrinted = 200

type writer struct {
	Printer
	b     strings.Builder
	depth int
}

func (w *writer) message(m protoreflect.Message) {
	if w.depth++; w.depth > maxPrinted {
		w.b.WriteString(`"..."`)
	} else if !w.wellKnown(m) && !w.any(m) {
		w.b.WriteByte('{')
		w.fields(m, "")
		w.b.WriteByte('}')
	}
	w.depth--
}

// wellKnown prints a well-known type in its own form. A value that has none,
// such as a Timestamp past the year 9999, is left to be printed by its fields.
func (w *writer) wellKnown(m protoreflect.Message) bool {
	if !isWellKnown(m.Descriptor()) || len(m.GetUnknown()) > 0 {
		return false
	}
	text, err := protojson.Marshal(m.Interface())
	var compact bytes.Buffer // protojson adds spaces at random
	if err != nil || json.Compact(&compact, text) != nil {
		return false
	}
	w.b.Write(compact.Bytes())
	return true
}

// any prints an Any with the fields of its content.
func (w *writer) any(m protoreflect.Message) bool {
	md := m.Descriptor()
	if !isAny(md) || len(m.GetUnknown()) > 0 {
		return false
	}
	url := m.Get(md.Fields().ByName("type_url")).String()
	value := m.Get(md.Fields().ByName("value")).Bytes()
	if url == "" && len(value) == 0 {
		w.b.WriteString("{}")
		return true
	}
	w.b.WriteString(`{"@type":`)
	w.text(url)
	switch content := w.content(url, value); {
	case content == nil:
		w.b.WriteString(`,"@value":"` + base64.StdEncoding.EncodeToString(value) + `"`)
	case isWellKnown(content.Descriptor()) || isAny(content.Descriptor()):
		w.b.WriteString(`,"value":`)
		w.message(content)
	default:
		w.depth++
		w.fields(content, ",")
		w.depth--
	}
	w.b.WriteByte('}')
	return true
}

// content decodes what is within an Any, nil when that cannot be done.
func (w *writer) content(url string, value []byte) protoreflect.Message {
	if w.Types == nil || w.depth >= maxPrinted {
		return nil
	}
	mt, err := w.Types.FindMessageByURL(url)
	if err != nil {
		return nil
	}
	m := mt.New()
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: w.Types}).Unmarshal(value, m.Interface()); err != nil {
		return nil
	}
	return m
}

// fields prints the fields of a message: those declared in their order, then
// extensions by name, then a note on those that are not known.
func (w *writer) fields(m protoreflect.Message, separator string) {
	for _, fd := range w.printed(m) {
		w.b.WriteString(separator)
		separator = ","
		if fd.IsExtension() {
			w.text("[" + string(fd.FullName()) + "]")
		} else {
			w.text(fd.JSONName())
		}
		w.b.WriteByte(':')
		w.field(fd, m.Get(fd))
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		w.b.WriteString(separator + `"@unknown":`)
		w.text(describeUnknown(unknown))
	}
}

// printed returns the fields of a message that are to be printed, in order.
func (w *writer) printed(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var fields, extensions []protoreflect.FieldDescriptor
	declared := m.Descriptor().Fields()
	for i := range declared.Len() {
		if fd := declared.Get(i); m.Has(fd) || w.EmitDefaults && !fd.HasPresence() {
			fields = append(fields, fd)
		}
	}
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if fd.IsExtension() {
			extensions = append(extensions, fd)
		}
		return true
	})
	slices.SortFunc(extensions, func(a, b protoreflect.FieldDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return append(fields, extensions...)
}

// describeUnknown names the numbers of fields that the schema does not know.
func describeUnknown(raw protoreflect.RawFields) string {
	var numbers []string
	size := len(raw)
	for len(raw) > 0 {
		number, _, n := protowire.ConsumeField(raw)
		if n < 0 {
			break
		}
		if text := strconv.Itoa(int(number)); !slices.Contains(numbers, text) && len(numbers) < 20 {
			numbers = append(numbers, text)
		}
		raw = raw[n:]
	}
	return fmt.Sprintf("%d bytes of fields %s", size, strings.Join(numbers, ", "))
}

func (w *writer) field(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.IsList():
		w.b.WriteByte('[')
		for i := range v.List().Len() {
			if i > 0 {
				w.b.WriteByte(',')
			}
			w.value(fd, v.List().Get(i))
		}
		w.b.WriteByte(']')
	case fd.IsMap():
		w.mapping(fd, v.Map())
	default:
		w.value(fd, v)
	}
}

// mapping prints a map by its keys: text in code point order, numbers by size.
func (w *writer) mapping(fd protoreflect.FieldDescriptor, m protoreflect.Map) {
	var keys []protoreflect.MapKey
	m.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, key)
		return true
	})
	slices.SortFunc(keys, compareKeys)
	w.b.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			w.b.WriteByte(',')
		}
		w.text(key.String())
		w.b.WriteByte(':')
		w.value(fd.MapValue(), m.Get(key))
	}
	w.b.WriteByte('}')
}

func compareKeys(a, b protoreflect.MapKey) int {
	switch x := a.Interface().(type) {
	case int32, int64:
		return cmp.Compare(a.Int(), b.Int())
	case uint32, uint64:
		return cmp.Compare(a.Uint(), b.Uint())
	default:
		return strings.Compare(fmt.Sprint(x), fmt.Sprint(b.Interface()))
	}
}

// value prints a single value.
func (w *writer) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		w.message(v.Message())
	case protoreflect.EnumKind:
		w.enum(fd.Enum(), v.Enum())
	case protoreflect.StringKind:
		w.text(v.String())
	case protoreflect.BytesKind:
		w.b.WriteString(`"` + base64.StdEncoding.EncodeToString(v.Bytes()) + `"`)
	case protoreflect.FloatKind:
		w.float(v.Float(), 32)
	case protoreflect.DoubleKind:
		w.float(v.Float(), 64)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		w.b.WriteString(`"` + v.String() + `"`) // beyond what JSON readers keep exact
	default:
		w.b.WriteString(v.String())
	}
}

func (w *writer) enum(ed protoreflect.EnumDescriptor, number protoreflect.EnumNumber) {
	value := ed.Values().ByNumber(number)
	switch {
	case ed.FullName() == "google.protobuf.NullValue":
		w.b.WriteString("null")
	case value != nil:
		w.text(string(value.Name()))
	default:
		w.b.WriteString(strconv.Itoa(int(number)))
	}
}

// float prints the shortest digits that read back as the same number.
func (w *writer) float(v float64, bits int) {
	switch {
	case math.IsNaN(v):
		w.b.WriteString(`"NaN"`)
	case math.IsInf(v, 1):
		w.b.WriteString(`"Infinity"`)
	case math.IsInf(v, -1):
		w.b.WriteString(`"-Infinity"`)
	case v != 0 && (math.Abs(v) < 1e-6 || math.Abs(v) >= 1e21):
		w.b.WriteString(strconv.FormatFloat(v, 'e', -1, bits))
	default:
		w.b.WriteString(strconv.FormatFloat(v, 'f', -1, bits))
	}
}

// text prints a string, without the HTML escapes of encoding/json.
func (w *writer) text(s string) {
	encoder := json.NewEncoder(trimmed{&w.b})
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes
}

// trimmed drops the line end that an Encoder adds.
type trimmed struct{ b *strings.Builder }

// Write writes without the last line end.
func (t trimmed) Write(p []byte) (int, error) {
	t.b.Write(bytes.TrimSuffix(p, []byte("\n")))
	return len(p), nil
}
