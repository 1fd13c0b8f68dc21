// Package assert judges messages: by CEL expressions over a target's own
// types, and by patterns that a message has to match. It is pure.
//
// A [Scope] knows which variables an expression may use, and of which types.
// Everything is compiled in a scope first, which reports mistakes with their
// position in the file, and evaluated or matched with [Vars] later. The
// language of expressions and patterns is described in scenarios/README.md.
package assert

import (
	"cmp"

	"touchstone/server/source"
)

// Mismatch is one expectation that does not hold.
type Mismatch struct {
	Pos     source.Pos // of the expectation
	Field   string     // such as message.user.id, status or trailer.x-count
	Want    string
	Got     string
	Message string // what is wrong, when Want and Got do not say it all
}

// String returns the mismatch on one line.
func (m Mismatch) String() string {
	text := m.Field
	if m.Message != "" {
		text += ": " + m.Message
	}
	if m.Want != "" || m.Got != "" {
		text += ": want " + cmp.Or(m.Want, "nothing") + ", got " + cmp.Or(m.Got, "nothing")
	}
	return text
}
