package dynamic

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// scalar builds a value that is not a message. After a mistake, and for what
// is filled in later, the value is not valid.
func (b *builder) scalar(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	if b.interpolated(n) {
		return protoreflect.Value{}
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if n.Kind == source.Bool {
			return protoreflect.ValueOfBool(n.Text == "true")
		}
	case protoreflect.StringKind:
		return b.text(fd, n)
	case protoreflect.BytesKind:
		return b.bytes(fd, n)
	case protoreflect.EnumKind:
		return b.enum(fd, n)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return b.float(fd, n)
	default:
		return b.integer(fd, n)
	}
	return b.wrong(fd, n, "true or false")
}

// wrong reports a value of another kind than its field takes.
func (b *builder) wrong(fd protoreflect.FieldDescriptor, n *source.Node, want string) protoreflect.Value {
	return b.fail(n, "", "%s %q: want %s, got %s", fd.Kind(), fd.TextName(), want, n.Kind)
}

func (b *builder) text(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	switch {
	case n.Kind == source.String && utf8.ValidString(n.Text):
		return protoreflect.ValueOfString(n.Text)
	case n.Kind == source.String:
		return b.fail(n, "", "string %q: not valid UTF-8", fd.TextName())
	case n.Kind == source.Int || n.Kind == source.Float || n.Kind == source.Bool:
		return b.fail(n, fmt.Sprintf("write %q in quotes", n.Text), "string %q: want a string, got %s", fd.TextName(), n.Kind)
	}
	return b.wrong(fd, n, "a string")
}

// alphabet makes both base64 alphabets the standard one, without padding.
var alphabet = strings.NewReplacer("-", "+", "_", "/")

func (b *builder) bytes(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	if n.Kind != source.String {
		return b.wrong(fd, n, "base64 text")
	}
	text := strings.TrimRight(alphabet.Replace(n.Text), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return b.fail(n, "", "bytes %q: not base64: %v", fd.TextName(), err)
	}
	return protoreflect.ValueOfBytes(data)
}

func (b *builder) enum(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	values := fd.Enum().Values()
	switch n.Kind {
	case source.Null: // only NullValue gets here
		return protoreflect.ValueOfEnum(0)
	case source.String:
		if v := values.ByName(protoreflect.Name(n.Text)); v != nil {
			return protoreflect.ValueOfEnum(v.Number())
		}
		return b.fail(n, enumHint(fd.Enum(), n.Text), "enum %s has no value %q", fd.Enum().FullName(), n.Text)
	case source.Int, source.Float:
		number, err := strconv.ParseInt(integral(n.Text), 10, 32)
		known := values.ByNumber(protoreflect.EnumNumber(number)) != nil
		if err != nil || fd.Enum().IsClosed() && !known {
			return b.fail(n, enumHint(fd.Enum(), ""), "enum %s has no value %s", fd.Enum().FullName(), n.Text)
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number))
	}
	return b.wrong(fd, n, "the name or number of a value")
}

// enumHint names the value that is likely meant, or else those that exist.
func enumHint(ed protoreflect.EnumDescriptor, text string) string {
	var names []string
	for i := range ed.Values().Len() {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	if hint := source.DidYouMean(text, names); hint != "" && text != "" {
		return hint
	}
	if len(names) > 12 {
		names = append(names[:12], "...")
	}
	return "the values are " + strings.Join(names, ", ")
}

func (b *builder) float(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	bits := 64
	if fd.Kind() == protoreflect.FloatKind {
		bits = 32
	}
	v, err := strconv.ParseFloat(n.Text, bits)
	special := n.Text == "NaN" || n.Text == "Infinity" || n.Text == "-Infinity"
	switch {
	case n.Kind == source.String && !special && !isNumber(n.Text), n.Kind == source.Null, n.Kind > source.String, n.Kind == source.Bool:
		return b.wrong(fd, n, `a number, "NaN", "Infinity" or "-Infinity"`)
	case err != nil:
		return b.fail(n, "", "%s %q: %s is out of range", fd.Kind(), fd.TextName(), n.Text)
	case bits == 32:
		return protoreflect.ValueOfFloat32(float32(v))
	}
	return protoreflect.ValueOfFloat64(v)
}

// isNumber reports whether text is a number as JSON writes it.
func isNumber(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	return (err == nil || math.IsInf(v, 0)) && strings.Trim(text, "+-.eE0123456789") == "" && !strings.HasPrefix(text, "+")
}

// integer builds the value of any of the ten integer types.
func (b *builder) integer(fd protoreflect.FieldDescriptor, n *source.Node) protoreflect.Value {
	text := integral(n.Text)
	if n.Kind != source.Int && n.Kind != source.Float && n.Kind != source.String || text == "" {
		if n.Kind == source.Float || n.Kind == source.String {
			return b.fail(n, "", "%s %q: %q is not an integer", fd.Kind(), fd.TextName(), n.Text)
		}
		return b.wrong(fd, n, "an integer")
	}
	switch fd.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		if v, err := strconv.ParseInt(text, 10, 32); err == nil {
			return protoreflect.ValueOfInt32(int32(v))
		}
		return b.outside(fd, n, math.MinInt32, math.MaxInt32)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		if v, err := strconv.ParseUint(text, 10, 32); err == nil {
			return protoreflect.ValueOfUint32(uint32(v))
		}
		return b.outside(fd, n, 0, math.MaxUint32)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if v, err := strconv.ParseUint(text, 10, 64); err == nil {
			return protoreflect.ValueOfUint64(v)
		}
		return b.outside(fd, n, 0, math.MaxUint64)
	}
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return protoreflect.ValueOfInt64(v)
	}
	return b.outside(fd, n, math.MinInt64, math.MaxInt64)
}

// outside reports an integer that its type has no room for.
func (b *builder) outside(fd protoreflect.FieldDescriptor, n *source.Node, low int64, high uint64) protoreflect.Value {
	return b.fail(n, "", "%s %q: %s is not within %d and %d", fd.Kind(), fd.TextName(), n.Text, low, high)
}

// maxShift bounds the exponents that integral follows: more digits fit no
// integer type.
const maxShift = 32

// integral returns a number such as 12, 1.50e2 or 300.0 as decimal digits, ""
// when it is not integral. Nothing passes through a float: all digits count.
func integral(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(digits), "e")
	shift, err := strconv.Atoi(exponent)
	if exponent != "" && (err != nil || shift > maxShift || shift < -maxShift) || len(text) > 4*maxShift {
		return ""
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return ""
	}
	point := len(whole) + shift
	all := strings.Repeat("0", max(-point, 0)) + whole + fraction
	point = max(point, 0)
	all += strings.Repeat("0", max(point-len(all), 0))
	if strings.Trim(all[point:], "0") != "" {
		return ""
	}
	all = strings.TrimLeft(all[:point], "0")
	switch {
	case all == "":
		return "0"
	case negative:
		return "-" + all
	}
	return all
}
