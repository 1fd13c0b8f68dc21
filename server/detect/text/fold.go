package text

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// class says what a folded character is to a matcher.
type class uint8

// The classes. Those up to hard are separators: they part words, and evaders
// put them inside words.
const (
	soft  class = iota // punctuation and symbols that do not end a clause
	space              // white space within a line
	line               // the end of a line
	hard               // the end of a clause: ! ? , and the like
	word               // a letter of a script that puts spaces between words
	digit              // '0' to '9'
	ideo               // Han, kana, Hangul: scripts without spaces
)

// separator reports whether the class parts words.
func (c class) separator() bool { return c <= hard }

// letter is one folded character and the code points [start, end) of the
// original that it stands for. Several letters can stand for one code point
// ("㎏"), and one letter for several ("é" written as e and an accent).
type letter struct {
	r          rune
	start, end int32
	class      class
}

// tableSize covers the scripts of ordinary text, Han included. Beyond it,
// folding asks the Unicode tables.
const tableSize = 0xA000

// folder turns text into letters: compatibility decomposition (NFKD, which is
// NFKC for everything that is compared here, since marks are dropped), no
// marks, no invisible characters, look-alikes as the letter they look like,
// lower case. The folding of a character does not depend on its neighbours. A
// folder is immutable.
type folder struct {
	// table holds character | class<<24 for the characters that fold to
	// exactly one, and 0 for those that fold to none or many.
	table      []uint32
	lookalikes map[rune]rune
}

// newFolder computes the table, which takes a few milliseconds.
func newFolder() *folder {
	f := &folder{table: make([]uint32, tableSize), lookalikes: lookalikes()}
	for r := range rune(tableSize) {
		if out := f.slow(nil, r, 0); len(out) == 1 {
			f.table[r] = uint32(out[0].r) | uint32(out[0].class)<<24
		}
	}
	return f
}

// fold appends the letters of s to out. Positions count code points; a byte
// that is not UTF-8 counts as one, as in a range loop.
func (f *folder) fold(out []letter, s string) []letter {
	at := int32(0)
	for _, r := range s {
		if r < tableSize && f.table[r] != 0 {
			v := f.table[r]
			out = append(out, letter{r: rune(v & 0x1FFFFF), start: at, end: at + 1, class: class(v >> 24)})
		} else {
			out = f.slow(out, r, at)
		}
		at++
	}
	return out
}

// slow appends the letters of one character, from the Unicode tables.
func (f *folder) slow(out []letter, r rune, at int32) []letter {
	var encoded [4]byte
	n := copy(encoded[:], string(r))
	switch decomposed := norm.NFKD.Properties(encoded[:n]).Decomposition(); {
	case r >= hangulBase && r < hangulEnd:
		for _, jamo := range decomposeHangul(r) {
			out = f.appendOne(out, jamo, at)
		}
	case decomposed == nil:
		out = f.appendOne(out, r, at)
	default:
		for _, d := range string(decomposed) {
			out = f.appendOne(out, d, at)
		}
	}
	return out
}

// appendOne appends what one character of a decomposition folds to.
func (f *folder) appendOne(out []letter, r rune, at int32) []letter {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		// A mark belongs to the character before it, in spans too.
		if n := len(out); n > 0 && out[n-1].end == at {
			out[n-1].end = at + 1
		}
		return out
	}
	if invisible(r) {
		return out
	}
	r = f.resemble(r)
	if r == 'ß' || r == 'ẞ' {
		out = append(out, letter{r: 's', start: at, end: at + 1, class: word})
		r = 's'
	}
	r = f.resemble(simple(r)) // again: small letters look like others than capital ones
	return append(out, letter{r: r, start: at, end: at + 1, class: classify(r)})
}

// resemble returns the character that r is read as.
func (f *folder) resemble(r rune) rune {
	if base, ok := f.lookalikes[r]; ok {
		return base
	}
	return r
}

// simple folds case, digits of all scripts, and white space.
func simple(r rune) rune {
	switch {
	case r < 0x80:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
	case unicode.Is(unicode.Nd, r):
		return decimal(r)
	case r == '\u0085' || r == '\u2028' || r == '\u2029':
		return '\n'
	case unicode.IsSpace(r):
		return ' '
	default:
		// Through upper case, so that the variants of a letter (final
		// sigma, dotless i) become one.
		return unicode.ToLower(unicode.ToUpper(r))
	}
	if r == '\t' || r == '\v' || r == '\f' {
		return ' '
	}
	return r
}

// decimal returns the ASCII digit of a decimal digit. Unicode keeps the ten
// digits of a script together, zero first, so the ranges of Nd hold tens.
func decimal(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}

// invisible reports characters that leave no trace on the screen: zero-width
// and format characters, control characters, Hangul fillers.
func invisible(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', '\u0085':
		return false
	case '\u115F', '\u1160', '\u3164', '\uFFA0':
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Cc)
}

// classify returns the class of a folded character.
func classify(r rune) class {
	switch {
	case 'a' <= r && r <= 'z':
		return word
	case '0' <= r && r <= '9':
		return digit
	case r == ' ':
		return space
	case r == '\n' || r == '\r':
		return line
	}
	switch r {
	case '!', '?', ',', ';', '。', '、', '…', '¡', '¿', '؟', '،':
		return hard
	}
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo):
		return ideo
	case unicode.In(r, unicode.L, unicode.N, unicode.Mc):
		return word
	}
	return soft
}

// Hangul syllables decompose by arithmetic (Unicode standard, section 3.12).
const (
	hangulBase = 0xAC00
	hangulEnd  = 0xD7A4
)

// decomposeHangul returns the two or three jamo of a syllable.
func decomposeHangul(r rune) []rune {
	i := r - hangulBase
	jamo := []rune{0x1100 + i/588, 0x1161 + i%588/28, 0x11A7 + i%28}
	if i%28 == 0 {
		return jamo[:2]
	}
	return jamo
}
