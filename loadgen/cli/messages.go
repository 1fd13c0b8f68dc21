package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// parseMessages reads JSON values, one after the other, as messages of one
// type. Text that is not JSON is read as one YAML document. The error is a
// [source.Errors] with every mistake.
func parseMessages(name string, text []byte, md protoreflect.MessageDescriptor, types schema.Types) ([]proto.Message, error) {
	r := &source.Reporter{File: source.NewFile(name, string(text))}
	var messages []proto.Message
	for _, node := range parseNodes(r, text) {
		messages = append(messages, dynamic.Build(r, md, node, types))
	}
	return messages, r.Err()
}

// parseNodes reads JSON values, one after the other, or one YAML document.
// Mistakes go to r.
func parseNodes(r *source.Reporter, text []byte) []*source.Node {
	var nodes []*source.Node
	for _, part := range splitJSON(text) {
		node, err := source.ParseYAML(r.File, part.text)
		if err != nil {
			r.Add(part.place(r.File, err)...)
			continue
		}
		part.shift(node)
		nodes = append(nodes, node)
	}
	return nodes
}

// part is a stretch of a text: its bytes, and where it starts.
type part struct {
	text  []byte
	start source.Pos
}

// splitJSON splits a text into its JSON values. A text that is not JSON is one
// part; one without values has none.
func splitJSON(text []byte) []part {
	var parts []part
	decoder := json.NewDecoder(bytes.NewReader(text))
	at, position := 0, source.Pos{Line: 1, Col: 1}
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		switch {
		case errors.Is(err, io.EOF):
			return parts
		case err != nil:
			return []part{{text, source.Pos{Line: 1, Col: 1}}}
		}
		start := int(decoder.InputOffset()) - len(value)
		position = advance(position, text[at:start])
		at = start
		parts = append(parts, part{value, position})
	}
}

// advance moves a position past a text.
func advance(p source.Pos, text []byte) source.Pos {
	for _, r := range string(text) {
		p.Col++
		if r == '\n' {
			p = source.Pos{Line: p.Line + 1, Col: 1}
		}
	}
	return p
}

// in turns a position within the part into one of the whole text.
func (p part) in(pos source.Pos) source.Pos {
	if pos.Line == 1 {
		pos.Col += p.start.Col - 1
	}
	pos.Line += p.start.Line - 1
	return pos
}

// shift moves the positions of a node and all below it. JSON has no aliases,
// so no node is met twice; YAML is one part, which starts at the start.
func (p part) shift(n *source.Node) {
	if p.start == (source.Pos{Line: 1, Col: 1}) {
		return
	}
	n.Pos = p.in(n.Pos)
	for _, item := range n.Items {
		p.shift(item)
	}
	for i := range n.Fields {
		n.Fields[i].Pos = p.in(n.Fields[i].Pos)
		p.shift(n.Fields[i].Value)
	}
}

// place returns the mistakes of the part at their places in the whole text.
func (p part) place(f *source.File, err error) source.Errors {
	mistakes, ok := errors.AsType[source.Errors](err)
	if !ok {
		return source.Errors{{File: f.Name, Pos: p.start, Line: f.Line(p.start.Line), Msg: strings.ToLower(err.Error())}}
	}
	var placed source.Errors
	for _, mistake := range mistakes {
		moved := *mistake
		moved.Pos = p.in(mistake.Pos)
		moved.Line = f.Line(moved.Pos.Line)
		moved.Msg, _, _ = strings.Cut(mistake.Msg, " at [") // a place within the part
		placed = append(placed, &moved)
	}
	return placed
}
