package assert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"touchstone/server/source"
)

// jsonValue is a JSON value: nil, bool, json.Number, float64 (of a Struct),
// string, []any or map[string]any.
type jsonValue struct{ v any }

func (t jsonValue) show() string {
	text, err := json.Marshal(t.v)
	if err != nil {
		return fmt.Sprint(t.v) // NaN and infinities
	}
	return shorten(string(text))
}

func (t jsonValue) unset() bool { return t.v == nil }

func (t jsonValue) empty() bool {
	switch v := t.v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func (t jsonValue) equal(n *source.Node) bool {
	switch v := t.v.(type) {
	case bool:
		return n.Kind == source.Bool && n.Text == strconv.FormatBool(v)
	case string:
		return n.Kind == source.String && n.Text == v
	case json.Number:
		return (n.Kind == source.Int || n.Kind == source.Float) && sameNumber(n.Text, string(v))
	case float64:
		return (n.Kind == source.Int || n.Kind == source.Float) && sameFloat(n.Text, v, 64)
	}
	return false
}

func (t jsonValue) text() (string, bool) {
	switch v := t.v.(type) {
	case string:
		return v, true
	case json.Number, float64, bool:
		return t.show(), true
	}
	return "", false
}

func (t jsonValue) list() ([]target, bool) {
	items, ok := t.v.([]any)
	out := make([]target, len(items))
	for i, item := range items {
		out[i] = jsonValue{v: item}
	}
	return out, ok
}

func (t jsonValue) object() bool {
	_, ok := t.v.(map[string]any)
	return ok
}

func (t jsonValue) field(key string) (string, target, bool) {
	value, ok := t.v.(map[string]any)[key]
	if !ok {
		return key, absent{}, true
	}
	return key, jsonValue{v: value}, true
}

func (t jsonValue) names() []string {
	return slices.Sorted(maps.Keys(t.v.(map[string]any)))
}

// parseTarget returns the JSON value of a text.
func parseTarget(t target) (target, error) {
	text, ok := t.text()
	if !ok {
		return nil, fmt.Errorf("want JSON text, got %s", t.show())
	}
	if s, ok := t.(scalar); ok {
		text = s.raw()
	}
	value, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	return jsonValue{v: value}, nil
}
