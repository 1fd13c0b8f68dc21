// Package source points into text files: positions, errors that show the line
// they speak of, and YAML read into nodes that know where they stand.
//
// Scenario files, fault plans and rule files are all read through it, so that
// a mistake in any of them is reported in the same form:
//
//	login.yaml:12:5: unknown field "metdata"
//	   12 |     metdata: {authorization: "Bearer x"}
//	      |     ^
//	hint: did you mean "metadata"?
package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Pos is a place in a file. Line and Col count from 1, columns in runes; the
// zero Pos is "nowhere in particular".
type Pos struct{ Line, Col int }

// IsZero reports whether p names no place.
func (p Pos) IsZero() bool { return p.Line == 0 }

// File is a text with the name it is reported under. It is immutable.
type File struct {
	Name  string
	lines []string
}

// NewFile returns the file of the given text.
func NewFile(name, text string) *File {
	return &File{Name: name, lines: strings.Split(text, "\n")}
}

// Line returns line n, counted from 1, without its line end; "" when there is
// no such line.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return strings.TrimSuffix(f.lines[n-1], "\r")
}

// Error is a mistake in a file. It is immutable once reported.
type Error struct {
	File string
	Pos  Pos
	Line string // the text of the line at Pos
	Msg  string // what is wrong, lower case, without position
	Hint string // what to do about it; may be empty
}

// Short returns the error on one line: "file:line:col: message".
func (e *Error) Short() string {
	if e.Pos.IsZero() {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, e.Msg)
}

// Error returns the message with the source line, a caret and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Short())
	if !e.Pos.IsZero() {
		b.WriteString("\n" + Excerpt(e.Line, e.Pos))
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

// maxExcerpt bounds, in runes, how much of a long line an excerpt shows.
const maxExcerpt = 160

// Excerpt returns two lines: the source line behind its number, and a caret
// under column pos.Col. Control and format characters are shown as U+FFFD, so
// that nothing of a file acts on a terminal.
func Excerpt(line string, pos Pos) string {
	runes := []rune(line)
	col := min(max(pos.Col-1, 0), len(runes))
	if start := col - maxExcerpt/2; start > 0 && len(runes) > maxExcerpt {
		runes, col = append([]rune("..."), runes[start:]...), col-start+3
	}
	if len(runes) > maxExcerpt {
		runes = append(runes[:maxExcerpt:maxExcerpt], []rune("...")...)
	}
	var text, pad strings.Builder
	for i, r := range runes {
		if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Cf, r) {
			r = '\uFFFD'
		}
		text.WriteRune(r)
		if i < col {
			pad.WriteString(blank(r))
		}
	}
	return fmt.Sprintf("%5d | %s\n      | %s^", pos.Line, text.String(), pad.String())
}

// blank returns white space as wide as r is on a terminal.
func blank(r rune) string {
	if r == '\t' {
		return "\t"
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return "  "
	}
	return " "
}

// Errors are all the mistakes found in one or more files.
type Errors []*Error

// Error returns all messages, one after the other.
func (es Errors) Error() string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap makes each mistake reachable for errors.As.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// Reporter collects the mistakes of one file. It is not safe for concurrent
// use.
type Reporter struct {
	File *File
	errs Errors
}

// Errorf records a mistake at pos and returns it, so that a hint can be added.
func (r *Reporter) Errorf(pos Pos, format string, args ...any) *Error {
	e := &Error{File: r.File.Name, Pos: pos, Line: r.File.Line(pos.Line), Msg: fmt.Sprintf(format, args...)}
	r.errs = append(r.errs, e)
	return e
}

// Add records mistakes found elsewhere.
func (r *Reporter) Add(errs ...*Error) { r.errs = append(r.errs, errs...) }

// Errors returns the mistakes so far, by position, without repetitions; nil
// when there are none.
func (r *Reporter) Errors() Errors {
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return slices.CompactFunc(r.errs, func(a, b *Error) bool { return *a == *b })
}

// Err returns Errors as an error, nil when there are none.
func (r *Reporter) Err() error {
	if len(r.errs) == 0 {
		return nil
	}
	return r.Errors()
}
