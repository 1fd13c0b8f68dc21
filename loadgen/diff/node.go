package diff

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"touchstone/server/source"
)

// node is a value of either side, whether it came from a message or from JSON.
type node struct {
	kind   nodeKind
	text   string // of a scalar: what it says
	time   int64  // of an instant: nanoseconds, as far as they fit
	typ    string // of an object within an Any: its type
	fields []field
	items  []*node

	opened bool  // json is known
	json   *node // what a string holds, nil when that is not JSON
}

type nodeKind int

const (
	isNull nodeKind = iota
	isBool
	isNumber
	isText
	isBytes
	isEnum
	isInstant // a time or a duration
	isObject
	isMap
	isList
)

// field is a field of an object, or an entry of a map.
type field struct {
	name  string
	oneof string // the oneof that it is a member of; "" for none
	value *node
	zero  *node // what a field stands for that is not there; nil when that means something
}

func text(s string) *node   { return &node{kind: isText, text: s} }
func number(s string) *node { return &node{kind: isNumber, text: s} }

func raw(b []byte) *node { return &node{kind: isBytes, text: base64.StdEncoding.EncodeToString(b)} }

func float(f float64, bits int) *node {
	if f == 0 {
		f = 0 // minus zero is no other number
	}
	return number(strconv.FormatFloat(f, 'g', -1, bits))
}

// within returns what a string holds as JSON: an object or list, nil for
// anything else.
func (n *node) within() *node {
	if !n.opened && n.kind == isText {
		n.json = parseJSON(n.text)
	}
	n.opened = true
	return n.json
}

// parseJSON returns an object or a list, nil for any other text.
func parseJSON(s string) *node {
	if t := strings.TrimLeft(s, " \t\r\n"); t == "" || t[0] != '{' && t[0] != '[' {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return nil
	}
	return fromJSON(value)
}

func fromJSON(value any) *node {
	switch v := value.(type) {
	case bool:
		return &node{kind: isBool, text: strconv.FormatBool(v)}
	case json.Number:
		return number(v.String())
	case string:
		return text(v)
	case []any:
		n := &node{kind: isList}
		for _, item := range v {
			n.items = append(n.items, fromJSON(item))
		}
		return n
	case map[string]any:
		n := &node{kind: isObject}
		for key, member := range v {
			n.fields = append(n.fields, field{name: key, value: fromJSON(member)})
		}
		n.sort()
		return n
	}
	return &node{kind: isNull, text: "null"}
}

// sort puts the fields in the order of their names.
func (n *node) sort() {
	slices.SortFunc(n.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
}

// sameNumber reports whether two texts are the same number, exactly.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || x != y || math.IsInf(x, 0) {
		return false
	}
	if x == 0 { // it may be a number too small for a float
		return strings.Trim(a, "-+0.eE") == "" && strings.Trim(b, "-+0.eE") == ""
	}
	exactX, okX := new(big.Rat).SetString(a)
	exactY, okY := new(big.Rat).SetString(b)
	return okX && okY && exactX.Cmp(exactY) == 0
}

// close reports whether two scalars are as near to each other as an allowance
// says.
func (a *allowance) close(want, got *node) bool {
	if want.kind == isNumber {
		x, errX := strconv.ParseFloat(want.text, 64)
		y, errY := strconv.ParseFloat(got.text, 64)
		return errX == nil && errY == nil && a.allows(x, y)
	}
	x, okX := want.instant()
	y, okY := got.instant()
	return okX && okY && time.Duration(x-y).Abs() <= a.time
}

// instant returns the nanoseconds of a time or duration, also of a string in
// RFC 3339.
func (n *node) instant() (int64, bool) {
	if n.kind == isInstant {
		return n.time, true
	}
	t, err := time.Parse(time.RFC3339Nano, n.text)
	return t.UnixNano(), err == nil && n.kind == isText
}

// maxShown is how many bytes of a value a difference shows.
const maxShown = 240

// String writes the value as compact JSON, cut when it is long.
func (n *node) String() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	n.write(&b)
	return cut(b.String())
}

// cut shortens a text to what is shown.
func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "..."
}

func (n *node) write(b *strings.Builder) {
	if b.Len() > maxShown {
		return
	}
	switch n.kind {
	case isText, isBytes, isInstant:
		b.WriteString(source.Quote(n.text))
	case isObject, isMap:
		b.WriteByte('{')
		if n.typ != "" {
			b.WriteString(`"@type":` + source.Quote(n.typ))
		}
		for i, f := range n.fields {
			if i > 0 || n.typ != "" {
				b.WriteByte(',')
			}
			b.WriteString(source.Quote(f.name) + ":")
			f.value.write(b)
		}
		b.WriteByte('}')
	case isList:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	default:
		b.WriteString(n.text)
	}
}
