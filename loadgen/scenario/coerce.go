package scenario

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// asText returns a node in which numbers and booleans that stand for string
// fields are text: `{name: "${i}"}` means the digits of i. Where they were
// written as such, they have been refused before.
func asText(md protoreflect.MessageDescriptor, n *source.Node) *source.Node {
	if n.Kind != source.Object {
		return n
	}
	out := &source.Node{Kind: n.Kind, Pos: n.Pos}
	for _, f := range n.Fields {
		fd := md.Fields().ByJSONName(f.Key)
		if fd == nil {
			fd = md.Fields().ByTextName(f.Key)
		}
		if fd != nil {
			f.Value = fieldAsText(fd, f.Value)
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

func fieldAsText(fd protoreflect.FieldDescriptor, n *source.Node) *source.Node {
	out := &source.Node{Kind: n.Kind, Pos: n.Pos, Text: n.Text}
	switch {
	case fd.IsMap():
		for _, f := range n.Fields {
			out.Fields = append(out.Fields, source.Field{Key: f.Key, Pos: f.Pos, Value: singleAsText(fd.MapValue(), f.Value)})
		}
	case fd.IsList():
		for _, item := range n.Items {
			out.Items = append(out.Items, singleAsText(fd, item))
		}
	default:
		return singleAsText(fd, n)
	}
	return out
}

func singleAsText(fd protoreflect.FieldDescriptor, n *source.Node) *source.Node {
	scalar := n.Kind == source.Int || n.Kind == source.Float || n.Kind == source.Bool
	switch {
	case fd.Message() != nil:
		return asText(fd.Message(), n)
	case fd.Kind() == protoreflect.StringKind && scalar:
		return &source.Node{Kind: source.String, Pos: n.Pos, Text: n.Text}
	}
	return n
}
