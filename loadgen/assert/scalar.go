package assert

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// scalar is a field, or an item of one, that is not a message.
type scalar struct {
	leaf
	fd  protoreflect.FieldDescriptor
	v   protoreflect.Value
	set bool
}

func (t scalar) show() string {
	text, _ := t.text()
	switch {
	case !t.set && t.fd.HasPresence():
		return "nothing"
	case t.fd.Kind() == protoreflect.StringKind || t.fd.Kind() == protoreflect.BytesKind:
		return strconv.Quote(shorten(text))
	}
	return text
}

func (t scalar) unset() bool { return !t.set }

// empty counts a value that is set on purpose as something, but for "" and no
// bytes.
func (t scalar) empty() bool {
	switch t.fd.Kind() {
	case protoreflect.StringKind:
		return t.v.String() == ""
	case protoreflect.BytesKind:
		return len(t.v.Bytes()) == 0
	}
	return !t.set
}

// text returns strings as they are, bytes as base64, enums by name.
func (t scalar) text() (string, bool) {
	switch t.fd.Kind() {
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(t.v.Bytes()), true
	case protoreflect.EnumKind:
		if value := t.fd.Enum().Values().ByNumber(t.v.Enum()); value != nil {
			return string(value.Name()), true
		}
		return strconv.Itoa(int(t.v.Enum())), true
	case protoreflect.FloatKind:
		return strconv.FormatFloat(t.v.Float(), 'g', -1, 32), true
	case protoreflect.DoubleKind:
		return strconv.FormatFloat(t.v.Float(), 'g', -1, 64), true
	}
	return t.v.String(), true
}

// raw returns what JSON would be read from: the text of bytes, not its base64.
func (t scalar) raw() string {
	if t.fd.Kind() == protoreflect.BytesKind {
		return string(t.v.Bytes())
	}
	text, _ := t.text()
	return text
}

// equal compares in the forms of protobuf's JSON: integers also as strings,
// enums by name or number, bytes in either alphabet of base64.
func (t scalar) equal(n *source.Node) bool {
	if !t.set && t.fd.HasPresence() {
		return false
	}
	switch t.fd.Kind() {
	case protoreflect.BoolKind:
		return n.Kind == source.Bool && n.Text == strconv.FormatBool(t.v.Bool())
	case protoreflect.StringKind:
		return n.Kind == source.String && n.Text == t.v.String()
	case protoreflect.BytesKind:
		want, err := decodeBase64(n.Text)
		return n.Kind == source.String && err == nil && bytes.Equal(want, t.v.Bytes())
	case protoreflect.EnumKind:
		name, _ := t.text()
		return n.Text == name || n.Kind != source.Bool && sameNumber(n.Text, strconv.Itoa(int(t.v.Enum())))
	case protoreflect.FloatKind:
		return n.Kind != source.Bool && sameFloat(n.Text, t.v.Float(), 32)
	case protoreflect.DoubleKind:
		return n.Kind != source.Bool && sameFloat(n.Text, t.v.Float(), 64)
	}
	return n.Kind != source.Bool && sameNumber(n.Text, t.v.String())
}

// decodeBase64 reads both alphabets of base64, padded or not.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// sameFloat reports whether text is the number that a field of so many bits
// holds.
func sameFloat(text string, v float64, bits int) bool {
	switch text {
	case "NaN":
		return math.IsNaN(v)
	case "Infinity":
		return math.IsInf(v, 1)
	case "-Infinity":
		return math.IsInf(v, -1)
	}
	want, err := strconv.ParseFloat(text, bits)
	return err == nil && isDecimal(text) && want == v
}

// isDecimal tells numbers of JSON from the others that Go reads.
func isDecimal(text string) bool {
	_, ok := decimalOf(text)
	return ok
}

// sameNumber reports whether two numbers of JSON are the same, to the last
// digit: 1.50 and 15e-1 are.
func sameNumber(a, b string) bool {
	x, okX := decimalOf(a)
	y, okY := decimalOf(b)
	return okX && okY && x == y
}

// decimal is a number in one form of the many that it can be written in:
// digits times ten to the power of exponent, the digits without zeros at either
// end. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// decimalOf reads a number as JSON writes it.
func decimalOf(text string) (decimal, bool) {
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return d, false
	}
	if scientific {
		var err error
		if d.exponent, err = strconv.Atoi(exponent); err != nil || d.exponent > math.MaxInt32 || d.exponent < math.MinInt32 {
			return d, false
		}
	}
	d.exponent -= len(fraction)
	d.digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(d.digits, "0")
	d.exponent += len(d.digits) - len(short)
	d.digits = short
	if short == "" {
		return decimal{}, true
	}
	return d, true
}
