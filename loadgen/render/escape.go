package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// visible returns s with everything that acts instead of showing spelled out:
// control and format characters, broken UTF-8, lone surrogates. Line breaks
// and tabs become \n and \t. The result is legal in XML.
func visible(s string) string {
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case acts(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case acts(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Visible returns s with everything that acts on a terminal spelled out, for
// texts that go there on other ways than a report.
func Visible(s string) string { return visible(s) }

// Lines is Visible for a text of several lines: line breaks and tabs stay.
func Lines(s string) string {
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for j, cell := range cells {
			cells[j] = visible(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

// Fit returns s in exactly n columns of a terminal: padded with blanks, or cut
// with an ellipsis.
func Fit(s string, n int) string { return fit(s, n) }

// Cut returns s in at most n columns of a terminal, the last of them an
// ellipsis when something is missing.
func Cut(s string, n int) string { return cut(s, n) }

// Columns returns how many columns of a terminal s takes.
func Columns(s string) int { return columns(s) }

// Latency returns milliseconds in the unit that reads best.
func Latency(ms float64) string { return latency(&ms) }

// acts reports whether r does something to what displays it. Format
// characters (Cf) can turn the direction of the text around them.
func acts(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError ||
		r == '\u2028' || r == '\u2029' || r == '\uFFFE' || r == '\uFFFF'
}

// columns returns how many columns of a terminal s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// fit returns s in exactly n columns: padded with blanks, or cut with an
// ellipsis.
func fit(s string, n int) string {
	s = cut(s, n)
	return s + strings.Repeat(" ", max(n-columns(s), 0))
}

// cut returns s in at most n columns, the last of them an ellipsis when
// something is missing.
func cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeColumns(r); used > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}
