package assert

import (
	"strconv"

	"touchstone/server/source"
)

// target is a value that patterns are matched with: of a message, or of JSON.
type target interface {
	show() string                                         // for messages
	unset() bool                                          // matches null
	empty() bool                                          // does not match "*"
	equal(n *source.Node) bool                            // for scalars
	text() (string, bool)                                 // for $re and $json
	list() ([]target, bool)                               // the items, if it is a list
	object() bool                                         // whether it has fields
	field(key string) (name string, t target, known bool) // an unset field is known
	names() []string                                      // of the fields that are set
}

// leaf is what most targets are in most respects: set, and neither text nor
// list nor object. They embed it.
type leaf struct{}

func (leaf) unset() bool                         { return false }
func (leaf) empty() bool                         { return false }
func (leaf) equal(*source.Node) bool             { return false }
func (leaf) text() (string, bool)                { return "", false }
func (leaf) list() ([]target, bool)              { return nil, false }
func (leaf) object() bool                        { return false }
func (leaf) field(string) (string, target, bool) { return "", nil, false }
func (leaf) names() []string                     { return nil }

// absent is a value that is not there.
type absent struct{ leaf }

func (absent) show() string { return "nothing" }
func (absent) unset() bool  { return true }
func (absent) empty() bool  { return true }

// plainText is a text that scalars of every kind are compared with as text.
type plainText struct {
	leaf
	s string
}

func (t plainText) show() string              { return strconv.Quote(shorten(t.s)) }
func (t plainText) empty() bool               { return t.s == "" }
func (t plainText) equal(n *source.Node) bool { return n.Text == t.s }
func (t plainText) text() (string, bool)      { return t.s, true }
