package assert

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// node returns a value of CEL as a node at pos, in the forms of protobuf's
// JSON: bytes are base64, durations "1.5s", timestamps RFC 3339.
func (p *provider) node(v ref.Val, pos source.Pos) (*source.Node, error) {
	scalar := func(kind source.Kind, text string) (*source.Node, error) {
		return &source.Node{Kind: kind, Pos: pos, Text: text}, nil
	}
	switch v := v.(type) {
	case types.Null:
		return scalar(source.Null, "")
	case types.Bool:
		return scalar(source.Bool, strconv.FormatBool(bool(v)))
	case types.Int:
		return scalar(source.Int, strconv.FormatInt(int64(v), 10))
	case types.Uint:
		return scalar(source.Int, strconv.FormatUint(uint64(v), 10))
	case types.Double:
		return double(float64(v), pos), nil
	case types.String:
		return scalar(source.String, string(v))
	case types.Bytes:
		return scalar(source.String, base64.StdEncoding.EncodeToString(v))
	case types.Timestamp:
		return scalar(source.String, v.Time.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		return scalar(source.String, seconds(v.Duration))
	case *object:
		return p.messageNode(v.m.Interface(), pos)
	case traits.Mapper:
		return p.mapNode(v, pos)
	case traits.Lister:
		return p.listNode(v, pos)
	}
	return nil, fmt.Errorf("a value of type %s has no JSON form", v.Type().TypeName())
}

// double returns a number, or the name of one that JSON has no number for.
func double(f float64, pos source.Pos) *source.Node {
	switch {
	case math.IsNaN(f):
		return &source.Node{Kind: source.String, Pos: pos, Text: "NaN"}
	case math.IsInf(f, 0):
		return &source.Node{Kind: source.String, Pos: pos, Text: map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]}
	}
	return &source.Node{Kind: source.Float, Pos: pos, Text: strconv.FormatFloat(f, 'g', -1, 64)}
}

// seconds is a duration as protobuf's JSON has it.
func seconds(d time.Duration) string {
	text := strconv.FormatInt(int64(d/time.Second), 10)
	if d < 0 && d > -time.Second {
		text = "-0"
	}
	if rest := (d % time.Second).Abs(); rest != 0 {
		text += fmt.Sprintf(".%09d", rest.Nanoseconds())
	}
	return text + "s"
}

func (p *provider) messageNode(m proto.Message, pos source.Pos) (*source.Node, error) {
	text := dynamic.JSON(m, p.types)
	node, err := source.ParseYAML(source.NewFile("message", text), []byte(text))
	if err != nil {
		return nil, err
	}
	return moved(node, pos), nil
}

// moved returns a copy of a node all of which stands at pos.
func moved(n *source.Node, pos source.Pos) *source.Node {
	out := &source.Node{Kind: n.Kind, Pos: pos, Text: n.Text}
	for _, item := range n.Items {
		out.Items = append(out.Items, moved(item, pos))
	}
	for _, f := range n.Fields {
		out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: pos, Value: moved(f.Value, pos)})
	}
	return out
}

func (p *provider) listNode(list traits.Lister, pos source.Pos) (*source.Node, error) {
	out := &source.Node{Kind: source.List, Pos: pos}
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, err := p.node(it.Next(), pos)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// mapNode sorts the keys: a map of CEL has no order.
func (p *provider) mapNode(m traits.Mapper, pos source.Pos) (*source.Node, error) {
	values := map[string]*source.Node{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		value, err := p.node(m.Get(key), pos)
		if err != nil {
			return nil, err
		}
		values[fmt.Sprint(key.Value())] = value
	}
	out := &source.Node{Kind: source.Object, Pos: pos}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out.Fields = append(out.Fields, source.Field{Key: key, Pos: pos, Value: values[key]})
	}
	return out, nil
}

// text returns a value as it reads within a longer string.
func (p *provider) text(v ref.Val) (string, error) {
	node, err := p.node(v, source.Pos{})
	if err != nil {
		return "", err
	}
	if node.Kind == source.String {
		return node.Text, nil
	}
	return node.JSON(), nil
}
