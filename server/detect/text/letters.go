package text

import (
	"strings"
	"unicode/utf8"
)

// spellLetters returns the letters as a string.
func spellLetters(letters []letter) string {
	var b strings.Builder
	b.Grow(3 * len(letters))
	for _, l := range letters {
		b.WriteRune(l.r)
	}
	return b.String()
}

// runesIn counts the letters of a part of a spelling.
func runesIn(s string) int { return utf8.RuneCountInString(s) }

// digitsOf returns what a number consists of, without what groups it. An x,
// which ends some resident numbers, counts as a digit.
func digitsOf(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isDigit(r) || r == 'x' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cursor cuts slices out of a text by code points, in order of their starts,
// without converting the whole of it.
type cursor struct {
	text     string
	at, byte int // the same place, in code points and in bytes
}

// slice returns the code points [start, end). A start must not be below the
// one before. Bytes that are not UTF-8 come out as U+FFFD each.
func (c *cursor) slice(start, end int) string {
	c.byte += skipRunes(c.text[c.byte:], start-c.at)
	c.at = start
	part := c.text[c.byte:]
	part = part[:skipRunes(part, end-start)]
	if utf8.ValidString(part) {
		return part
	}
	return string([]rune(part))
}

// skipRunes returns the length in bytes of the first n code points of s.
func skipRunes(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}
