// Package patch makes a message for each call of a load by patching values into
// bytes that were encoded once.
//
// A message is written as for any call, with ${expressions} in its strings:
//
//	{"user": {"id": "${i}", "name": "load-${i % 100}"}, "token": "${uuid()}"}
//
// Compile turns it into a Program: pieces of encoded bytes, and between them
// the values that differ from call to call. Append puts them together, mends
// the lengths of whatever encloses a value, and allocates nothing.
//
// The expressions are the simple ones of the scenario language:
//
//	i, i % 100, i * 2 + 1    the number of the call, from 0
//	row.name                 of the call's row of the data; call i has row i modulo their number
//	uuid()                   a random UUID
//	random(n)                a random integer from 0 to n-1
//	random.int(a, b)         a random integer from a to b
//	bytes(n)                 n random bytes; base64 within text
//	now()                    the time the call is made at, as RFC 3339
//	now.unix                 the same, as seconds since 1970; also
//	                         unix_ms, unix_us, unix_ns, rfc3339, http, date
//
// The parentheses of uuid() and now() may be left out; $${ stands for ${. A
// string that is nothing but one expression keeps its type, so that it also
// fits fields that are numbers, bytes, enums and timestamps. Within a longer
// string, values are written as text; where that string is JSON, they are
// escaped as it asks.
//
// Random values depend on the seed and on the number of the call only.
package patch

import (
	"encoding/base64"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Program is a message that is made anew for each call. It is immutable, so
// that it may be used concurrently.
type Program struct {
	ops  []op
	seed uint64
}

// Call is what values are taken from.
type Call struct {
	K   int       // the number of the call, from 0
	Now time.Time // when it is made
}

// op is one step of putting a message together.
type op struct {
	kind opKind
	text []byte   // opLiteral, and the tag of opOpen
	room int      // opOpen and opClose: bytes kept for the length
	pair int      // opClose: its opOpen
	expr expr     // of what follows
	form form     // opNumber
	rows [][]byte // opRow: what stands for each row
}

// opKind is what an op does.
type opKind int

const (
	opLiteral opKind = iota // append text
	opOpen                  // append text, and a length that is mended later
	opClose                 // mend the length
	opNumber                // append a number
	opText                  // append text, such as that of a UUID
	opBytes                 // append random bytes
	opRow                   // append what stands for the call's row
)

// form is how a number is encoded.
type form int

const (
	varint form = iota
	zigzag
	fixed32
	fixed64
	float32bits
	float64bits
	secondsOf // of a time in nanoseconds, as varint
	nanosOf   // the rest of it
)

// maxDepth bounds how deep lengths are nested.
const maxDepth = 128

// Append appends the message of a call to dst, and returns it.
func (p *Program) Append(dst []byte, c Call) []byte {
	var open [maxDepth]int
	depth := 0
	for i := range p.ops {
		o := &p.ops[i]
		switch o.kind {
		case opLiteral:
			dst = append(dst, o.text...)
		case opOpen:
			dst = append(dst, o.text...)
			open[depth] = len(dst)
			depth++
			dst = append(dst, zeros[:o.room]...)
		case opClose:
			depth--
			dst = mend(dst, open[depth], o.room)
		case opRow:
			dst = append(dst, o.rows[c.K%len(o.rows)]...)
		default:
			dst = p.value(dst, o, c)
		}
	}
	return dst
}

// value appends a value that is computed.
func (p *Program) value(dst []byte, o *op, c Call) []byte {
	switch o.kind {
	case opNumber:
		return o.form.append(dst, o.expr.number(p.seed, c))
	case opBytes:
		return o.expr.bytes(dst, p.seed, c)
	}
	return o.expr.text(dst, p.seed, c)
}

// zeros fill the place of a length.
var zeros [maxVarint]byte

// maxVarint is the length of the longest varint.
const maxVarint = 10

// mend writes the length of what follows at, where room bytes are kept for it,
// and moves it when that is not the number of bytes needed.
func mend(dst []byte, at, room int) []byte {
	size := len(dst) - at - room
	need := protowire.SizeVarint(uint64(size))
	switch {
	case need > room:
		dst = append(dst, zeros[:need-room]...)
		copy(dst[at+need:], dst[at+room:at+room+size])
	case need < room:
		copy(dst[at+need:], dst[at+room:])
		dst = dst[:at+need+size]
	}
	protowire.AppendVarint(dst[:at], uint64(size))
	return dst
}

// append appends a number in its form.
func (f form) append(dst []byte, v int64) []byte {
	switch f {
	case varint:
		return protowire.AppendVarint(dst, uint64(v))
	case zigzag:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(v))
	case fixed32:
		return protowire.AppendFixed32(dst, uint32(v))
	case fixed64:
		return protowire.AppendFixed64(dst, uint64(v))
	case float32bits:
		return protowire.AppendFixed32(dst, math.Float32bits(float32(v)))
	case float64bits:
		return protowire.AppendFixed64(dst, math.Float64bits(float64(v)))
	case secondsOf:
		return protowire.AppendVarint(dst, uint64(floorDiv(v, 1e9)))
	}
	return protowire.AppendVarint(dst, uint64(v-1e9*floorDiv(v, 1e9)))
}

// floorDiv divides, rounding down: the nanoseconds of a Timestamp count
// forward, before 1970 too.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// settle keeps as much room for each length as the first call needs: most
// calls then need not move anything.
func (p *Program) settle() {
	var open []int
	dst := []byte{}
	for i := range p.ops {
		o := &p.ops[i]
		switch o.kind {
		case opLiteral:
			dst = append(dst, o.text...)
		case opOpen:
			dst = append(dst, o.text...)
			open = append(open, len(dst))
		case opClose:
			at := open[len(open)-1]
			open = open[:len(open)-1]
			o.room = protowire.SizeVarint(uint64(len(dst) - at))
			p.ops[o.pair].room = o.room
			dst = append(dst, zeros[:o.room]...)
		case opRow:
			dst = append(dst, o.rows[0]...)
		default:
			dst = p.value(dst, o, Call{})
		}
	}
}

// chunk is how many random bytes are made at a time: a multiple of three, so
// that their base64 needs no padding in between, and of eight.
const chunk = 48

// bytes appends random bytes.
func (x *expr) bytes(dst []byte, seed uint64, c Call) []byte {
	var block [chunk]byte
	random := x.random(seed, c)
	for left := x.n; left > 0; left -= chunk {
		fill(&block, &random)
		dst = append(dst, block[:min(left, chunk)]...)
	}
	return dst
}

// base64 appends random bytes as text.
func (x *expr) base64(dst []byte, seed uint64, c Call) []byte {
	var block [chunk]byte
	random := x.random(seed, c)
	for left := x.n; left > 0; left -= chunk {
		fill(&block, &random)
		dst = base64.StdEncoding.AppendEncode(dst, block[:min(left, chunk)])
	}
	return dst
}
