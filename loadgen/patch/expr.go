package patch

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// expr is an expression that a program can compute.
type expr struct {
	kind  exprKind
	index int // of the expression in its program: each has random values of its own

	factor, modulus, add int64    // counter: (i*factor)%modulus + add; a modulus of 0 is none
	low, span            int64    // random: low to low+span-1; a span of 0 is 2^64
	n                    int      // bytes
	unit                 int64    // instant as a number: nanoseconds
	layout               string   // instant as text
	path                 []string // row
}

// exprKind is what an expression is made of.
type exprKind int

const (
	counter exprKind = iota
	randomInt
	uuid
	randomBytes
	instant     // as a number
	instantText // as text
	row
)

// syntax of expressions.
var (
	counterSyntax = regexp.MustCompile(`^i(?:\s*([*%])\s*(\d+))?(?:\s*([-+])\s*(\d+))?$`)
	randomSyntax  = regexp.MustCompile(`^random\(\s*(\d+)\s*\)$`)
	rangeSyntax   = regexp.MustCompile(`^random\.int\(\s*(-?\d+)\s*,\s*(-?\d+)\s*\)$`)
	bytesSyntax   = regexp.MustCompile(`^bytes\(\s*(\d+)\s*\)$`)
	rowSyntax     = regexp.MustCompile(`^row((?:\.[A-Za-z_][A-Za-z0-9_]*|\["[^"\\]+"\])+)$`)
	rowPart       = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_]*)|\["([^"\\]+)"\]`)
)

// units and layouts are the forms of now.
var (
	units = map[string]time.Duration{
		"now.unix": time.Second, "now.unix_ms": time.Millisecond, "now.unix_us": time.Microsecond, "now.unix_ns": 1,
	}
	layouts = map[string]string{
		"now": time.RFC3339Nano, "now()": time.RFC3339Nano, "now.rfc3339": time.RFC3339Nano,
		"now.http": http.TimeFormat, "now.date": time.DateOnly,
	}
)

// maxRandomBytes bounds bytes(n).
const maxRandomBytes = 16 << 20

// forms is the hint for what is no expression.
const forms = "the expressions are i (also i % 10, i * 2 + 1), row.NAME, uuid(), random(N), random.int(A, B), bytes(N), now(), and now.unix, unix_ms, unix_us, unix_ns, rfc3339, http, date"

// parseExpr reads an expression.
func parseExpr(text string) (expr, error) {
	text = strings.TrimSpace(text)
	if unit, ok := units[text]; ok {
		return expr{kind: instant, unit: int64(unit)}, nil
	}
	if layout, ok := layouts[text]; ok {
		return expr{kind: instantText, layout: layout}, nil
	}
	if text == "uuid" || text == "uuid()" {
		return expr{kind: uuid}, nil
	}
	if m := counterSyntax.FindStringSubmatch(text); m != nil {
		return parseCounter(m)
	}
	if m := randomSyntax.FindStringSubmatch(text); m != nil {
		return parseRange("0", m[1], 0)
	}
	if m := rangeSyntax.FindStringSubmatch(text); m != nil {
		return parseRange(m[1], m[2], 1)
	}
	if m := bytesSyntax.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > maxRandomBytes {
			return expr{}, fmt.Errorf("bytes(%s): at most %d", m[1], maxRandomBytes)
		}
		return expr{kind: randomBytes, n: n}, nil
	}
	if m := rowSyntax.FindStringSubmatch(text); m != nil {
		x := expr{kind: row}
		for _, part := range rowPart.FindAllStringSubmatch(m[1], -1) {
			x.path = append(x.path, part[1]+part[2])
		}
		return x, nil
	}
	return expr{}, fmt.Errorf("a load cannot compute %q for each call", text)
}

// parseCounter reads i, with an operator or two.
func parseCounter(m []string) (expr, error) {
	x := expr{kind: counter, factor: 1}
	first, err := operand(m[2])
	if err != nil {
		return expr{}, err
	}
	second, err := operand(m[4])
	if err != nil {
		return expr{}, err
	}
	switch m[1] {
	case "*":
		x.factor = first
	case "%":
		if x.modulus = first; first == 0 {
			return expr{}, fmt.Errorf("i %% 0 divides by nothing")
		}
	}
	if x.add = second; m[3] == "-" {
		x.add = -second
	}
	return x, nil
}

// operand reads a number that leaves room for what is done with it.
func operand(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is not within 0 and %d", text, math.MaxInt32)
	}
	return v, nil
}

// parseRange reads the bounds of a random integer; last is 1 when the upper
// one is among the values.
func parseRange(low, high string, last int64) (expr, error) {
	from, err := strconv.ParseInt(low, 10, 64)
	if err != nil {
		return expr{}, fmt.Errorf("%s is no 64-bit integer", low)
	}
	to, err := strconv.ParseInt(high, 10, 64)
	if err != nil {
		return expr{}, fmt.Errorf("%s is no 64-bit integer", high)
	}
	if to < from || last == 0 && to == from {
		return expr{}, fmt.Errorf("there is no integer from %s up to %s", low, high)
	}
	return expr{kind: randomInt, low: from, span: to - from + last}, nil
}

// isNumber reports whether the value is an integer.
func (x *expr) isNumber() bool {
	return x.kind == counter || x.kind == randomInt || x.kind == instant
}

// bounds returns within what a number stays; high is not known of a count that
// only ends with the load.
func (x *expr) bounds() (low, high int64, known bool) {
	switch {
	case x.kind == randomInt:
		return x.low, x.low + x.span - 1, true
	case x.kind == counter && x.modulus > 0:
		return x.add, x.modulus - 1 + x.add, true
	case x.kind == counter:
		return x.add, 0, false
	}
	const year2100 = 4102444800 * int64(time.Second)
	return 0, year2100 / x.unit, true
}

// random returns the expression's own source of a call.
func (x *expr) random(seed uint64, c Call) rand.PCG {
	var source rand.PCG
	source.Seed(seed^uint64(x.index)<<48, uint64(c.K))
	return source
}

// number returns the value of an expression that is an integer.
func (x *expr) number(seed uint64, c Call) int64 {
	switch x.kind {
	case counter:
		v := int64(c.K) * x.factor
		if x.modulus > 0 {
			v %= x.modulus
		}
		return v + x.add
	case randomInt:
		source := x.random(seed, c)
		if x.span == 0 {
			return int64(source.Uint64())
		}
		return x.low + int64(source.Uint64()%uint64(x.span))
	}
	return floorDiv(c.Now.UnixNano(), x.unit)
}

// text appends the value of any expression but a row as text.
func (x *expr) text(dst []byte, seed uint64, c Call) []byte {
	switch x.kind {
	case uuid:
		return x.uuid(dst, seed, c)
	case randomBytes:
		return x.base64(dst, seed, c)
	case instantText:
		return c.Now.UTC().AppendFormat(dst, x.layout)
	}
	return strconv.AppendInt(dst, x.number(seed, c), 10)
}

// uuid appends a random UUID, of version 4 as RFC 9562 has it.
func (x *expr) uuid(dst []byte, seed uint64, c Call) []byte {
	source := x.random(seed, c)
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], source.Uint64())
	binary.BigEndian.PutUint64(id[8:], source.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		start := [...]int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, id[start:end])
	}
	return dst
}

// fill fills a block with random bytes.
func fill(block *[chunk]byte, source *rand.PCG) {
	for i := 0; i < chunk; i += 8 {
		binary.LittleEndian.PutUint64(block[i:], source.Uint64())
	}
}
