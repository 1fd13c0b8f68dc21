package patch

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"touchstone/server/source"
)

// column returns the values of a row expression in all rows; mistakes go to r.
func (c *compiler) column(p *part) []any {
	if len(c.cfg.Rows) == 0 {
		c.r.Errorf(p.pos, "there are no rows").Hint = "name a file of them: --data-rows FILE"
		return nil
	}
	values := make([]any, len(c.cfg.Rows))
	for i, row := range c.cfg.Rows {
		value, err := lookUp(row, p.expr.path)
		if err != nil {
			c.r.Errorf(p.pos, "row %d: %v", i+1, err)
			return nil
		}
		values[i] = value
	}
	return values
}

// lookUp follows a path into a row.
func lookUp(value any, path []string) (any, error) {
	for _, name := range path {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%q of what is no mapping", name)
		}
		field, ok := fields[name]
		if !ok {
			var names []string
			for known := range fields {
				names = append(names, known)
			}
			err := fmt.Errorf("there is no %q", name)
			if hint := source.DidYouMean(name, names); hint != "" {
				err = fmt.Errorf("%w: %s", err, hint)
			}
			return nil, err
		}
		value = field
	}
	return value, nil
}

// texts returns a column as it is written at a place of a string.
func (c *compiler) texts(p *part) [][]byte {
	var out [][]byte
	for i, value := range c.column(p) {
		text, err := written(value, p.quoted, c.cfg.Text)
		if err != nil {
			c.r.Errorf(p.pos, "row %d: %v", i+1, err)
			return nil
		}
		out = append(out, []byte(text))
	}
	return out
}

// written returns a value as text.
func written(value any, q quoting, as Text) (string, error) {
	text, isText := value.(string)
	if !isText {
		raw, err := compact(value)
		if err != nil {
			return "", err
		}
		if text = raw; q == alone {
			return text, nil
		}
	}
	switch {
	case !utf8.ValidString(text):
		return "", fmt.Errorf("%q is not valid UTF-8", text)
	case q == plain, q == alone && as == GuessJSON && isPlainJSON(text):
		return text, nil
	}
	quoted, err := compact(text)
	if err != nil || q == alone {
		return quoted, err
	}
	return quoted[1 : len(quoted)-1], nil
}

// isPlainJSON reports whether a text is a number, true, false or null: what a
// CSV file means by them.
func isPlainJSON(text string) bool {
	return text != "" && strings.IndexByte(`"[{`, text[0]) < 0 && json.Valid([]byte(text))
}

// compact returns the JSON text of a value, without the escapes meant for HTML.
func compact(value any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// node returns a value of a row as it would stand in the message.
func node(value any, pos source.Pos) *source.Node {
	n := &source.Node{Pos: pos}
	switch v := value.(type) {
	case string:
		n.Kind, n.Text = source.String, v
	case bool:
		n.Kind, n.Text = source.Bool, strconv.FormatBool(v)
	case json.Number:
		n.Kind, n.Text = source.Float, v.String()
		if strings.Trim(n.Text, "-0123456789") == "" {
			n.Kind = source.Int
		}
	case []any:
		n.Kind = source.List
		for _, item := range v {
			n.Items = append(n.Items, node(item, pos))
		}
	case map[string]any:
		n.Kind = source.Object
		for key, field := range v {
			n.Fields = append(n.Fields, source.Field{Key: key, Pos: pos, Value: node(field, pos)})
		}
	}
	return n
}
