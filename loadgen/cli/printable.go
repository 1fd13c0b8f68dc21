package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"touchstone/loadgen/render"
)

// A target chooses the names that a command prints, and the messages. These
// writers let none of it act on a terminal: control characters, and marks that
// turn the direction of writing, are spelled out. Line breaks and tabs pass.
// What is written at once is looked at as one text.

// printableText is a writer of plain text.
type printableText struct{ io.Writer }

// Write implements io.Writer.
func (p printableText) Write(text []byte) (int, error) {
	if _, err := io.WriteString(p.Writer, render.Lines(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// printableJSON is a writer of JSON, which stays the same JSON: within strings,
// where the characters in question can only stand, it uses JSON's own escapes.
type printableJSON struct{ io.Writer }

// Write implements io.Writer.
func (p printableJSON) Write(text []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(text) {
		one := string(r)
		if r == '\n' || render.Visible(one) == one {
			b.WriteString(one)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	if _, err := io.WriteString(p.Writer, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}
