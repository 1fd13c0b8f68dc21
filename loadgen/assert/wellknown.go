package assert

import (
	"strconv"
	"strings"
	"time"

	"touchstone/server/source"
)

// notJSON is a text that should have been JSON.
type notJSON struct{ scalar }

func (t notJSON) show() string            { return "text that is not JSON: " + t.scalar.show() }
func (t notJSON) equal(*source.Node) bool { return false }

// wrapped is a well-known type within an Any.
type wrapped struct {
	leaf
	url   string
	value target
}

func (t wrapped) show() string    { return t.value.show() }
func (t wrapped) object() bool    { return true }
func (t wrapped) names() []string { return []string{"value"} }

func (t wrapped) field(key string) (string, target, bool) {
	switch key {
	case "@type":
		return key, typeURL{s: t.url}, true
	case "value":
		return key, t.value, true
	}
	return key, nil, false
}

// typeURL is the type of an Any, whose host need not be given.
type typeURL struct {
	leaf
	s string
}

func (t typeURL) show() string              { return strconv.Quote(t.s) }
func (t typeURL) text() (string, bool)      { return t.s, true }
func (t typeURL) equal(n *source.Node) bool { return typeName(t.s) == typeName(n.Text) }

// typeName is what a type URL names.
func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// moment is a Timestamp: it equals every way to write the same instant.
type moment struct {
	leaf
	t time.Time
}

func (t moment) show() string         { return strconv.Quote(t.t.Format(time.RFC3339Nano)) }
func (t moment) empty() bool          { return t.t.Unix() == 0 && t.t.Nanosecond() == 0 }
func (t moment) text() (string, bool) { return t.t.Format(time.RFC3339Nano), true }

func (t moment) equal(n *source.Node) bool {
	want, err := time.Parse(time.RFC3339Nano, n.Text)
	return err == nil && n.Kind == source.String && want.Equal(t.t)
}

// span is a Duration: it equals every way to write the same length.
type span struct {
	leaf
	d time.Duration
}

func (t span) show() string         { return strconv.Quote(seconds(t.d)) }
func (t span) empty() bool          { return t.d == 0 }
func (t span) text() (string, bool) { return seconds(t.d), true }

func (t span) equal(n *source.Node) bool {
	want, err := time.ParseDuration(n.Text)
	return err == nil && n.Kind == source.String && want == t.d
}
