package patch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// twin puts the values of a call into a message as it is written: the slow way
// to do what a Program does.
type twin struct {
	parser compiler
	call   Call
}

// message replaces the expressions of a message.
func (w *twin) message(md protoreflect.MessageDescriptor, n *source.Node) *source.Node {
	if n.Kind != source.Object || md.FullName() == "google.protobuf.Struct" || md.FullName() == "google.protobuf.Value" {
		return w.value(md, nil, n)
	}
	out := &source.Node{Kind: source.Object, Pos: n.Pos}
	for _, f := range n.Fields {
		switch fd := w.parser.find(md, f.Key); {
		case fd == nil:
		case fd.IsMap():
			entries := &source.Node{Kind: source.Object, Pos: f.Pos}
			for _, e := range f.Value.Fields {
				e.Value = w.value(fd.MapValue().Message(), fd.MapValue(), e.Value)
				entries.Fields = append(entries.Fields, e)
			}
			f.Value = entries
		default:
			f.Value = w.value(fd.Message(), fd, f.Value)
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

// value replaces the expressions of a value; md is nil for scalars.
func (w *twin) value(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor, n *source.Node) *source.Node {
	switch n.Kind {
	case source.List:
		out := &source.Node{Kind: source.List, Pos: n.Pos}
		for _, item := range n.Items {
			out.Items = append(out.Items, w.value(md, fd, item))
		}
		return out
	case source.Object:
		if md != nil && md.FullName() != "google.protobuf.Struct" && md.FullName() != "google.protobuf.Value" && md.FullName() != "google.protobuf.ListValue" {
			if url := n.Get("@type"); url != nil {
				md = descriptorOf(url.Text)
			}
			return w.message(md, n)
		}
		out := &source.Node{Kind: source.Object, Pos: n.Pos}
		for _, f := range n.Fields {
			f.Value = w.value(md, fd, f.Value)
			out.Fields = append(out.Fields, f)
		}
		return out
	case source.String:
		if Dynamic(n) {
			return w.text(md, fd, n)
		}
	}
	return n
}

func descriptorOf(url string) protoreflect.MessageDescriptor {
	mt, err := types.Types().FindMessageByURL(url)
	if err != nil {
		panic(err)
	}
	return mt.Descriptor()
}

// text replaces the expressions of a string.
func (w *twin) text(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor, n *source.Node) *source.Node {
	t := w.parser.parse(n)
	asText := md == nil && fd.Kind() == protoreflect.StringKind || md != nil && md.FullName() == "google.protobuf.StringValue"
	if p := t.single(); p != nil && !asText {
		out := node(w.plain(p), n.Pos)
		switch {
		case p.expr.kind == row && md == nil:
			return typed(fd, out)
		case p.expr.isNumber():
			out.Kind = source.Int
		}
		return out
	}
	// What a JSON text is is found out by trying.
	var sample strings.Builder
	for _, p := range t {
		sample.WriteString(p.text)
		if p.expr != nil {
			sample.WriteByte('1')
		}
	}
	trimmed := strings.TrimSpace(sample.String())
	isJSON := (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(trimmed))
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.text)
		if p.expr == nil {
			continue
		}
		// Within a string of a JSON text, the quotes so far are odd in number.
		quotes := strings.Count(strings.ReplaceAll(b.String(), `\"`, ""), `"`)
		b.WriteString(w.written(&p, isJSON, quotes%2 == 1))
	}
	return &source.Node{Kind: source.String, Pos: n.Pos, Text: b.String()}
}

// plain is the value of an expression: a row's, or text.
func (w *twin) plain(p *part) any {
	if p.expr.kind == row {
		value, err := lookUp(rows[w.call.K%len(rows)], p.expr.path)
		if err != nil {
			panic(err)
		}
		return value
	}
	return string(p.expr.text(nil, 5, w.call))
}

func (w *twin) written(p *part, isJSON, inString bool) string {
	value := w.plain(p)
	text, isText := value.(string)
	if !isText {
		text = marshal(value)
	}
	switch {
	case !isJSON:
	case inString:
		text = strings.TrimSuffix(strings.TrimPrefix(marshal(text), `"`), `"`)
	case isText && !p.expr.isNumber() && !(p.expr.kind == row && isPlainJSON(text)):
		text = marshal(text)
	}
	return text
}

func marshal(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// same compares the message of a call with what encoding the replaced JSON
// gives. It returns the first difference, and false for a message that the slow
// way has no encoding of.
func same(t testing.TB, p *Program, n *source.Node, k int) (diff string, ok bool) {
	t.Helper()
	w := &twin{parser: compiler{r: &source.Reporter{File: source.NewFile("", "")}, cfg: config()}, call: call(k)}
	md := descriptor(t)
	r := &source.Reporter{File: source.NewFile("", "")}
	want := dynamic.Build(r, md, w.message(md, n), types.Types())
	if err := r.Err(); err != nil {
		return err.Error(), false
	}
	got := dynamicpb.NewMessage(md)
	raw := p.Append([]byte("before"), call(k))
	if err := (proto.UnmarshalOptions{Resolver: resolver{}}).Unmarshal(raw[len("before"):], got); err != nil {
		return fmt.Sprintf("call %d: %v: %x", k, err, raw), true
	}
	return cmp.Diff(want, got, protocmp.Transform(), cmp.Transformer("any", decoded)), true
}

// decoded shows an Any by what it holds: a field that is 0 may be in its bytes
// or not.
func decoded(m protocmp.Message) protocmp.Message {
	raw, isBytes := m["value"].([]byte)
	url, isURL := m["type_url"].(string)
	if !isBytes || !isURL {
		return m
	}
	inner := dynamicpb.NewMessage(descriptorOf(url))
	if err := proto.Unmarshal(raw, inner); err != nil {
		panic(err)
	}
	return protocmp.Message{"@type": protoreflect.FullName(url), "json": protojson.Format(inner)}
}

type resolver struct{}

func (resolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return types.Types().FindExtensionByName(name)
}

func (resolver) FindExtensionByNumber(m protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return types.Types().FindExtensionByNumber(m, n)
}
