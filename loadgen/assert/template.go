package assert

import (
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"touchstone/server/source"
)

// template is a string with ${expressions} in it. It is immutable.
type template struct {
	parts  []part
	broken bool // a mistake was reported
}

// part is text or, if expr is not nil, an expression.
type part struct {
	text string
	expr *Expr
}

// template compiles a string. `$${` stands for `${`. Mistakes go to r.
func (s *Scope) template(r *source.Reporter, n *source.Node) *template {
	t := &template{}
	rest := n.Text
	at := func() int { return utf8.RuneCountInString(n.Text) - utf8.RuneCountInString(rest) }
	for rest != "" {
		start := strings.Index(rest, "${")
		switch {
		case start < 0:
			t.add(rest)
			return t
		case start > 0 && rest[start-1] == '$':
			t.add(rest[:start-1] + "${")
			rest = rest[start+2:]
			continue
		}
		t.add(rest[:start])
		rest = rest[start+2:]
		offset := at()
		size := exprLength(rest)
		if size < 0 {
			r.Errorf(Locate(r.File, n, offset-2), "${ without a closing }").Hint = "write $${ for the characters ${ themselves"
			t.broken = true
			return t
		}
		if x := s.expr(r, n, rest[:size], offset); x != nil {
			t.parts = append(t.parts, part{expr: x})
		} else {
			t.broken = true
		}
		rest = rest[size+1:]
	}
	return t
}

func (t *template) add(text string) {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
}

// exprLength returns the length of the expression before the brace that closes
// it, -1 when there is none. Braces in strings and of maps do not count.
func exprLength(text string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quote != 0 && b == '\\':
			i++
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
		case b == '\'' || b == '"':
			quote = b
		case b == '{':
			depth++
		case b == '}' && depth == 0:
			return i
		case b == '}':
			depth--
		}
	}
	return -1
}

// kind returns the type of the template's value: a string, unless it is a
// single expression.
func (t *template) kind() Type {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.Type()
	}
	return TypeOf("")
}

// eval returns the template's value, which keeps its type if the template is a
// single expression.
func (t *template) eval(v *Vars) (ref.Val, *source.Error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.eval(v)
	}
	var b strings.Builder
	for _, p := range t.parts {
		text, err := p.eval(v)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return types.String(b.String()), nil
}

func (p part) eval(v *Vars) (string, *source.Error) {
	if p.expr == nil {
		return p.text, nil
	}
	value, err := p.expr.eval(v)
	if err != nil {
		return "", err
	}
	text, textErr := p.expr.env.p.text(value)
	if textErr != nil {
		return "", p.expr.fail(p.expr.Pos(), textErr.Error())
	}
	return text, nil
}
