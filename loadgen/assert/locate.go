package assert

import (
	"strings"

	"touchstone/server/source"
)

// Locate returns where the rune at an offset of a string's text stands in the
// file: within plain and quoted strings on one line, and within block strings.
// Elsewhere it is where the string starts.
func Locate(f *source.File, n *source.Node, offset int) source.Pos {
	line := []rune(f.Line(n.Pos.Line))
	if n.Pos.Col < 1 || n.Pos.Col > len(line) {
		return n.Pos
	}
	raw := line[n.Pos.Col-1:]
	switch raw[0] {
	case '|', '>':
		return locateBlock(f, n, offset)
	case '\'':
		return locateQuoted(n, raw, offset, singleQuoted)
	case '"':
		return locateQuoted(n, raw, offset, doubleQuoted)
	}
	if !strings.HasPrefix(string(raw), n.Text) {
		return n.Pos
	}
	return source.Pos{Line: n.Pos.Line, Col: n.Pos.Col + offset}
}

// locateBlock finds the line of the text in the line of the file below the
// block's header.
func locateBlock(f *source.File, n *source.Node, offset int) source.Pos {
	before := string([]rune(n.Text)[:min(offset, len([]rune(n.Text)))])
	row := strings.Count(before, "\n")
	line := f.Line(n.Pos.Line + 1 + row)
	text := strings.Split(n.Text, "\n")[row]
	indent, _, found := strings.Cut(line, text)
	if !found || text == "" || strings.TrimSpace(indent) != "" {
		return n.Pos
	}
	col := len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	return source.Pos{Line: n.Pos.Line + 1 + row, Col: len([]rune(indent)) + col + 1}
}

// locateQuoted walks over a quoted string; width tells how many runes of the
// file stand for the next rune of the text.
func locateQuoted(n *source.Node, raw []rune, offset int, width func([]rune) int) source.Pos {
	at := 1
	for range offset {
		if at >= len(raw) {
			return n.Pos // the string goes on in another line
		}
		at += width(raw[at:])
	}
	return source.Pos{Line: n.Pos.Line, Col: n.Pos.Col + at}
}

func singleQuoted(raw []rune) int {
	if len(raw) > 1 && raw[0] == '\'' && raw[1] == '\'' {
		return 2
	}
	return 1
}

func doubleQuoted(raw []rune) int {
	if raw[0] != '\\' || len(raw) < 2 {
		return 1
	}
	switch raw[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
