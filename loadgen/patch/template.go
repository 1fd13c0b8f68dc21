package patch

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"touchstone/loadgen/assert"
	"touchstone/server/source"
)

// template is a string with expressions in it.
type template []part

// part is text or an expression.
type part struct {
	text   string
	expr   *expr // nil: text
	pos    source.Pos
	quoted quoting
}

// quoting is how a value has to be written where it stands.
type quoting int

const (
	plain  quoting = iota
	inside         // within a string of a JSON text
	alone          // as a value of a JSON text
)

// Dynamic reports whether a value has expressions in it.
func Dynamic(n *source.Node) bool {
	switch n.Kind {
	case source.String:
		return strings.Contains(n.Text, "${")
	case source.List:
		for _, item := range n.Items {
			if Dynamic(item) {
				return true
			}
		}
	case source.Object:
		for _, f := range n.Fields {
			if Dynamic(f.Value) {
				return true
			}
		}
	}
	return false
}

// parse reads a string; mistakes go to r.
func (c *compiler) parse(n *source.Node) template {
	var t template
	rest := n.Text
	at := func() int { return utf8.RuneCountInString(n.Text) - utf8.RuneCountInString(rest) }
	literal := func(text string) {
		if last := len(t) - 1; last >= 0 && t[last].expr == nil {
			t[last].text += text
		} else if text != "" {
			t = append(t, part{text: text})
		}
	}
	for {
		before, after, found := strings.Cut(rest, "${")
		switch {
		case !found:
			literal(rest)
			return t
		case strings.HasSuffix(before, "$"):
			literal(strings.TrimSuffix(before, "$") + "${")
			rest = after
			continue
		}
		literal(before)
		rest = after
		pos := assert.Locate(c.r.File, n, at())
		text, after, found := strings.Cut(rest, "}")
		if !found {
			c.r.Errorf(pos, "${ without a closing }").Hint = "write $${ for the characters ${ themselves"
			return nil
		}
		rest = after
		x, err := parseExpr(text)
		if err != nil {
			c.r.Errorf(pos, "%v", err).Hint = forms
			continue
		}
		x.index = c.expressions
		c.expressions++
		t = append(t, part{expr: &x, pos: pos})
	}
}

// single returns the expression that is all of the string, nil when there is
// more to it.
func (t template) single() *part {
	if len(t) == 1 && t[0].expr != nil {
		return &t[0]
	}
	return nil
}

// quote finds out where in a JSON text the expressions stand. A string that is
// no JSON text, whatever the values, stays as it is.
func (t template) quote() {
	marks := make([]quoting, len(t))
	var sample strings.Builder
	within, escaped := false, false
	for i, p := range t {
		if p.expr != nil {
			marks[i] = alone
			if within {
				marks[i] = inside
			}
			sample.WriteByte('0')
			continue
		}
		sample.WriteString(p.text)
		for _, b := range []byte(p.text) {
			switch {
			case escaped:
				escaped = false
			case within && b == '\\':
				escaped = true
			case b == '"':
				within = !within
			}
		}
	}
	text := strings.TrimSpace(sample.String())
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || !json.Valid([]byte(text)) {
		return
	}
	for i := range t {
		t[i].quoted = marks[i]
	}
}
