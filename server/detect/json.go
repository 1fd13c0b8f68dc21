package detect

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	nullKind kind = iota
	boolKind
	numberKind
	textKind
	arrayKind
	objectKind
)

// String returns the kind as it is called in messages, with its article.
func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// node is a JSON value. Strings without escapes share the memory of the content,
// so a large image is not copied.
type node struct {
	kind   kind
	text   string // text: the string; number and boolean: as written
	raw    string // the value as written
	items  []node // array
	fields []field
}

// field is one member of an object.
type field struct {
	key   string
	value node
}

// get returns the value of a field, nil when it is absent or null.
func (n *node) get(key string) *node {
	for i := range n.fields {
		if n.fields[i].key == key && n.fields[i].value.kind != nullKind {
			return &n.fields[i].value
		}
	}
	return nil
}

// maxValues bounds the memory that a content can take beside its own.
const maxValues = 1 << 20

// jsonReader reads one JSON text (RFC 8259) strictly.
//
// Note: encoding/json would do, if it did not take the last of two equal keys,
// replace lone surrogates, and match names regardless of case.
type jsonReader struct {
	s      string
	at     int
	depth  int // that is left
	values int
	path   []string // of the value being read: ".key" or "[index]"
	bad    *violations
}

// syntaxError is what ends the reading.
type syntaxError struct {
	at  int // byte
	msg string
}

// Error tells the place and what is wrong there.
func (e *syntaxError) Error() string { return fmt.Sprintf("not JSON at byte %d: %s", e.at, e.msg) }

// readJSON reads the whole of s. Keys given twice are added to bad; the error is
// a *syntaxError.
func readJSON(s string, depth int, bad *violations) (n node, err error) {
	if !utf8.ValidString(s) {
		return n, &syntaxError{at: firstInvalid(s), msg: "not UTF-8"}
	}
	r := &jsonReader{s: s, depth: depth, bad: bad}
	if n, err = r.value(); err != nil {
		return n, err
	}
	if r.space(); r.at < len(s) {
		return n, r.unexpected("the end")
	}
	return n, nil
}

func firstInvalid(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}

func (r *jsonReader) space() {
	for r.at < len(r.s) && strings.IndexByte(" \t\r\n", r.s[r.at]) >= 0 {
		r.at++
	}
}

// take reads c, if it comes next.
func (r *jsonReader) take(c byte) bool {
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) fail(format string, args ...any) error {
	return &syntaxError{at: r.at, msg: fmt.Sprintf(format, args...)}
}

// unexpected is the error for what stands where something else was wanted.
func (r *jsonReader) unexpected(want string) error {
	if r.at >= len(r.s) {
		return r.fail("it ends where %s is wanted", want)
	}
	c, _ := utf8.DecodeRuneInString(r.s[r.at:])
	return r.fail("%q where %s is wanted", c, want)
}

func (r *jsonReader) value() (n node, err error) {
	r.space()
	if r.values++; r.values > maxValues {
		return n, r.fail("more than %d values", maxValues)
	}
	start := r.at
	if r.at >= len(r.s) {
		return n, r.unexpected("a value")
	}
	switch c := r.s[r.at]; {
	case c == '{' || c == '[':
		n, err = r.nested(c)
	case c == '"':
		n.kind = textKind
		n.text, err = r.str()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = numberKind
		err = r.number()
		n.text = r.s[start:r.at]
	default:
		n, err = r.word()
	}
	n.raw = r.s[start:r.at]
	return n, err
}

// nested reads an object or array, one level down.
func (r *jsonReader) nested(open byte) (n node, err error) {
	if r.depth == 0 {
		return n, r.fail("nested too deeply")
	}
	r.depth--
	r.at++
	if open == '{' {
		n, err = r.object()
	} else {
		n, err = r.array()
	}
	r.depth++
	return n, err
}

func (r *jsonReader) array() (n node, err error) {
	n.kind = arrayKind
	r.space()
	if r.take(']') {
		return n, nil
	}
	for {
		item, err := r.inside("["+strconv.Itoa(len(n.items))+"]", r.value)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
		r.space()
		if r.take(']') {
			return n, nil
		}
		if !r.take(',') {
			return n, r.unexpected("',' or ']'")
		}
	}
}

func (r *jsonReader) object() (n node, err error) {
	n.kind = objectKind
	seen := map[string]bool{}
	r.space()
	if r.take('}') {
		return n, nil
	}
	for {
		f, err := r.member()
		if err != nil {
			return n, err
		}
		if seen[f.key] {
			r.bad.add(r.where("."+f.key), "is given twice")
		} else {
			n.fields = append(n.fields, f)
		}
		seen[f.key] = true
		r.space()
		if r.take('}') {
			return n, nil
		}
		if !r.take(',') {
			return n, r.unexpected("',' or '}'")
		}
	}
}

func (r *jsonReader) member() (f field, err error) {
	r.space()
	if r.at >= len(r.s) || r.s[r.at] != '"' {
		return f, r.unexpected("a key")
	}
	if f.key, err = r.str(); err != nil {
		return f, err
	}
	if r.space(); !r.take(':') {
		return f, r.unexpected("':'")
	}
	f.value, err = r.inside("."+f.key, r.value)
	return f, err
}

// inside reads a value with its name on the path.
func (r *jsonReader) inside(name string, read func() (node, error)) (node, error) {
	r.path = append(r.path, name)
	n, err := read()
	r.path = r.path[:len(r.path)-1]
	return n, err
}

// where returns the path of a part of the value being read.
func (r *jsonReader) where(name string) string {
	return strings.TrimPrefix(strings.Join(r.path, "")+name, ".")
}

func (r *jsonReader) word() (node, error) {
	for _, w := range []struct {
		text string
		kind kind
	}{{"true", boolKind}, {"false", boolKind}, {"null", nullKind}} {
		if strings.HasPrefix(r.s[r.at:], w.text) {
			r.at += len(w.text)
			return node{kind: w.kind, text: w.text}, nil
		}
	}
	return node{}, r.unexpected("a value")
}

// number reads a number: an integer part without leading zeros, a fraction,
// an exponent.
func (r *jsonReader) number() error {
	r.take('-')
	if !r.take('0') && r.digits() == 0 {
		return r.unexpected("a digit")
	}
	if r.take('.') && r.digits() == 0 {
		return r.unexpected("a digit")
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if r.digits() == 0 {
			return r.unexpected("a digit")
		}
	}
	return nil
}

func (r *jsonReader) digits() (n int) {
	for r.at < len(r.s) && '0' <= r.s[r.at] && r.s[r.at] <= '9' {
		r.at++
		n++
	}
	return n
}

// str reads a string. Most have no escape, and are a part of the content.
func (r *jsonReader) str() (string, error) {
	r.at++
	start := r.at
	var unescaped strings.Builder
	for r.at < len(r.s) {
		switch c := r.s[r.at]; {
		case c == '"':
			part := r.s[start:r.at]
			r.at++
			if unescaped.Len() == 0 {
				return part, nil
			}
			return unescaped.String() + part, nil
		case c == '\\':
			unescaped.WriteString(r.s[start:r.at])
			decoded, err := r.escape()
			if err != nil {
				return "", err
			}
			unescaped.WriteRune(decoded)
			start = r.at
		case c < ' ':
			return "", r.fail("control character %q in a string", c)
		default:
			r.at++
		}
	}
	return "", r.unexpected("'\"'")
}

// escape reads an escape sequence.
func (r *jsonReader) escape() (rune, error) {
	r.at++
	if r.take('u') {
		return r.unicode()
	}
	if r.at < len(r.s) {
		if i := strings.IndexByte(`"\/bfnrt`, r.s[r.at]); i >= 0 {
			r.at++
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	return 0, r.unexpected("an escape")
}

// unicode reads the digits of \u, and the second half of a surrogate pair.
func (r *jsonReader) unicode() (rune, error) {
	c, err := r.hex()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	if strings.HasPrefix(r.s[r.at:], `\u`) {
		r.at += 2
		low, err := r.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, r.fail("half a surrogate pair")
}

func (r *jsonReader) hex() (rune, error) {
	if r.at+4 <= len(r.s) {
		if v, err := strconv.ParseUint(r.s[r.at:r.at+4], 16, 32); err == nil {
			r.at += 4
			return rune(v), nil
		}
	}
	return 0, r.fail("want four hexadecimal digits")
}
