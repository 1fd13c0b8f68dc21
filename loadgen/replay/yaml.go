package replay

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"touchstone/server/source"
)

// yamlWriter writes YAML as people do: on one line what fits there, and plain
// words without quotes.
type yamlWriter struct{ strings.Builder }

func newYAML() *yamlWriter { return &yamlWriter{} }

// yamlWidth is how long a line with a value may be.
const yamlWidth = 110

// line writes a line at a depth.
func (y *yamlWriter) line(depth int, text string) {
	y.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

// field writes a key with its value.
func (y *yamlWriter) field(depth int, key string, n *source.Node) {
	prefix := keyText(key) + ":"
	flow := flowText(n)
	if 2*depth+len(prefix)+1+len(flow) <= yamlWidth || len(n.Fields)+len(n.Items) == 0 {
		y.line(depth, prefix+" "+flow)
		return
	}
	y.line(depth, prefix)
	y.block(depth+1, n)
}

// block writes the parts of a value on lines of their own.
func (y *yamlWriter) block(depth int, n *source.Node) {
	for _, f := range n.Fields {
		y.field(depth, f.Key, f.Value)
	}
	for _, item := range n.Items {
		y.item(depth, item)
	}
}

// item writes an item of a list.
func (y *yamlWriter) item(depth int, n *source.Node) {
	flow := flowText(n)
	if n.Kind == source.Object && len(n.Fields) == 1 { // an operation: without braces
		f := n.Fields[0]
		flow = keyText(f.Key) + ": " + flowText(f.Value)
	}
	if 2*depth+2+len(flow) <= yamlWidth || len(n.Fields)+len(n.Items) == 0 {
		y.line(depth, "- "+flow)
		return
	}
	y.blockItem(depth, n)
}

// blockItem writes an item of a list, each of its fields on a line.
func (y *yamlWriter) blockItem(depth int, n *source.Node) {
	var inner yamlWriter
	inner.block(depth+1, n)
	text := inner.String()
	y.WriteString(strings.Repeat("  ", depth) + "- " + text[2*(depth+1):])
}

// flowText writes a value on one line.
func flowText(n *source.Node) string {
	switch n.Kind {
	case source.Object:
		parts := make([]string, len(n.Fields))
		for i, f := range n.Fields {
			parts[i] = keyText(f.Key) + ": " + flowText(f.Value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case source.List:
		parts := make([]string, len(n.Items))
		for i, item := range n.Items {
			parts[i] = flowText(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case source.String:
		return scalarText(n.Text)
	case source.Null:
		return "null"
	}
	return n.Text
}

// keyText writes a key.
func keyText(key string) string {
	if key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$") == "" && !isWord(key) && key[0] != '-' {
		return key
	}
	return source.Quote(key)
}

// scalarText writes a string, quoted where a plain one would be something else.
func scalarText(s string) string {
	first := s == "" || !(s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
	plainRunes := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /") == ""
	if first || !plainRunes || isWord(s) || strings.HasSuffix(s, " ") {
		return source.Quote(s)
	}
	return s
}

// isWord reports whether a plain text would be another kind of value, or may be
// for some reader.
func isWord(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity":
		return true
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// identifier reports whether a name needs no quotes in an expression.
func identifier(s string) bool {
	for i, r := range s {
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}

// escapeTemplate keeps a text from being taken for an expression.
func escapeTemplate(s string) string { return strings.ReplaceAll(s, "${", "$${") }

func encodeBin(s string) string  { return base64.StdEncoding.EncodeToString([]byte(s)) }
func itoa(n int) string          { return strconv.Itoa(n) }
func validJSON(text string) bool { return json.Valid([]byte(text)) }
