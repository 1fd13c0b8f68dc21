package replay

import (
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// step writes a call.
func (s *sketch) step(out *yamlWriter, c *sketchCall) {
	out.line(1, "- id: "+c.id)
	out.line(2, "call: "+c.start.Method)
	s.metadata(out, c)
	if c.start.Timeout > 0 {
		out.line(2, "timeout: "+c.start.Timeout.String())
	}
	if c.kind == transport.BidiStream || c.cancel && c.end.Status == "CANCELLED" {
		s.script(out, c)
		return
	}
	s.send(out, c)
	s.expect(out, c)
	for i, p := range c.captures {
		if i == 0 {
			out.line(2, "save:")
		}
		out.line(3, s.saved[s.textOf(p)]+": "+scalarText(s.expression(c, p)))
	}
}

// textOf is the recorded value at a place.
func (s *sketch) textOf(p place) string {
	for value, from := range s.made {
		if from == p {
			return value
		}
	}
	return ""
}

// expression leads to a captured value. Paths into JSON begin within json().
func (s *sketch) expression(c *sketchCall, p place) string {
	root := "msg"
	if c.kind == transport.ServerStream {
		root = "messages[" + itoa(p.index) + "]"
	}
	return rooted(root, p.path)
}

// rooted puts a variable where a path begins: json(.data).id is
// json(msg.data).id.
func rooted(root, path string) string {
	inner := strings.LastIndex(path, "json(")
	if inner < 0 {
		return root + path
	}
	return path[:inner+len("json(")] + root + path[inner+len("json("):]
}

// metadata writes the request's own fields. Those that were redacted are for
// -H.
func (s *sketch) metadata(out *yamlWriter, c *sketchCall) {
	var order []string
	values := map[string][]*source.Node{}
	for _, p := range c.start.Metadata {
		if p.Name == "content-type" || p.Name == "user-agent" || protocolField(p.Name) {
			continue
		}
		if isRedacted(p.Value) {
			s.note("call %d: metadata %s was redacted: add it with -H", c.number, p.Name)
			continue
		}
		if values[p.Name] == nil {
			order = append(order, p.Name)
		}
		text := p.Value
		if strings.HasSuffix(p.Name, "-bin") {
			text = encodeBin(text)
		} else {
			text = s.replaceWords(text)
		}
		values[p.Name] = append(values[p.Name], &source.Node{Kind: source.String, Text: text})
	}
	if len(order) == 0 {
		return
	}
	node := &source.Node{Kind: source.Object}
	for _, name := range order {
		value := values[name][0]
		if len(values[name]) > 1 {
			value = &source.Node{Kind: source.List, Items: values[name]}
		}
		node.Fields = append(node.Fields, source.Field{Key: name, Value: value})
	}
	out.field(2, "metadata", node)
}

// replaceWords puts captures into a metadata value.
func (s *sketch) replaceWords(value string) string {
	parts := strings.SplitAfter(escapeTemplate(value), " ")
	for i, part := range parts {
		word := strings.TrimSuffix(part, " ")
		if name, ok := s.saved[word]; ok {
			parts[i] = "${" + name + "}" + part[len(word):]
		}
	}
	return strings.Join(parts, "")
}

// send writes the requests.
func (s *sketch) send(out *yamlWriter, c *sketchCall) {
	requests := c.messages(fixture.Send)
	streams := c.kind == transport.ClientStream
	if len(requests) == 0 {
		if streams {
			out.line(2, "send: []")
		}
		return
	}
	key, all := "send", true
	for _, r := range requests {
		all = all && onlyJSON(r)
	}
	if all {
		key = "send_json"
	}
	list := &source.Node{Kind: source.List}
	for _, r := range requests {
		list.Items = append(list.Items, s.request(r, all))
	}
	if !streams {
		list = list.Items[0]
	}
	out.field(2, key, list)
}

// onlyJSON reports whether every field of a message is a string that holds
// JSON.
func onlyJSON(n *source.Node) bool {
	for _, f := range n.Fields {
		if f.Value.Kind != source.String || jsonWithin(f.Value.Text) == nil {
			return false
		}
	}
	return len(n.Fields) > 0
}

// request turns a recorded request into what a step sends: captures in place of
// their values, and JSON in strings unfolded when opened.
func (s *sketch) request(n *source.Node, opened bool) *source.Node {
	return mapNode(n, func(leaf *source.Node) *source.Node {
		if leaf.Kind == source.String {
			if inner := jsonWithin(leaf.Text); inner != nil && opened {
				return s.request(inner, false)
			}
		}
		if name, ok := s.saved[leaf.Text]; ok {
			return &source.Node{Kind: source.String, Text: "${" + name + "}"}
		}
		if leaf.Kind == source.String {
			return &source.Node{Kind: source.String, Text: escapeTemplate(leaf.Text)}
		}
		return leaf
	})
}

// pattern turns a recorded answer into a pattern for it.
func (s *sketch) pattern(c *sketchCall, n *source.Node) *source.Node {
	return mapNode(n, func(leaf *source.Node) *source.Node {
		if leaf.Kind == source.String {
			if inner := jsonWithin(leaf.Text); inner != nil {
				return object("$json", s.pattern(c, inner))
			}
		}
		if name, ok := s.saved[leaf.Text]; ok {
			if s.made[leaf.Text].call == c { // it is made anew in each run
				return &source.Node{Kind: source.String, Text: "*"}
			}
			return &source.Node{Kind: source.String, Text: "${" + name + "}"}
		}
		switch {
		case leaf.Kind == source.String && leaf.Text == "*":
			return object("$re", &source.Node{Kind: source.String, Text: `^\*$`})
		case leaf.Kind == source.String && isRedacted(leaf.Text):
			return &source.Node{Kind: source.String, Text: "*"}
		case leaf.Kind == source.String:
			return &source.Node{Kind: source.String, Text: escapeTemplate(leaf.Text)}
		}
		return leaf
	})
}

// object is a mapping with one key.
func object(key string, value *source.Node) *source.Node {
	return &source.Node{Kind: source.Object, Fields: []source.Field{{Key: key, Value: value}}}
}

// mapNode copies a tree and changes its leaves.
func mapNode(n *source.Node, change func(*source.Node) *source.Node) *source.Node {
	switch n.Kind {
	case source.Object:
		out := &source.Node{Kind: n.Kind}
		for _, f := range n.Fields {
			out.Fields = append(out.Fields, source.Field{Key: f.Key, Value: mapNode(f.Value, change)})
		}
		return out
	case source.List:
		out := &source.Node{Kind: n.Kind}
		for _, item := range n.Items {
			out.Items = append(out.Items, mapNode(item, change))
		}
		return out
	}
	return change(n)
}

// maxExpected bounds the messages of a stream that are written out.
const maxExpected = 50

// expect writes what has to come back.
func (s *sketch) expect(out *yamlWriter, c *sketchCall) {
	node := s.ending(c)
	answers := c.messages(fixture.Recv)
	add := func(key string, value *source.Node) {
		node.Fields = append(node.Fields, source.Field{Key: key, Value: value})
	}
	switch {
	case c.kind == transport.ServerStream && len(answers) <= maxExpected:
		list := &source.Node{Kind: source.List}
		for _, a := range answers {
			list.Items = append(list.Items, s.pattern(c, a))
		}
		add("messages", list)
	case c.kind == transport.ServerStream:
		add("count", &source.Node{Kind: source.Int, Text: itoa(len(answers))})
	case len(answers) == 1 && len(answers[0].Fields) > 0:
		add("message", s.pattern(c, answers[0]))
	}
	out.field(2, "expect", node)
}

// ending is what is expected of a call's end: the status and what belongs to
// it, headers and trailers of the application's own.
func (s *sketch) ending(c *sketchCall) *source.Node {
	node := &source.Node{Kind: source.Object}
	add := func(key string, value *source.Node) {
		node.Fields = append(node.Fields, source.Field{Key: key, Value: value})
	}
	add("status", &source.Node{Kind: source.String, Text: c.end.Status})
	if c.end.Status != okStatus && !c.cancel {
		if c.end.StatusMessage != "" && !isRedacted(c.end.StatusMessage) {
			add("status_message", &source.Node{Kind: source.String, Text: escapeTemplate(c.end.StatusMessage)})
		}
		if details := s.details(c); details != nil {
			add("details", details)
		}
	}
	for _, part := range []struct {
		key string
		md  fixture.Metadata
	}{{"header", c.head}, {"trailer", c.end.Trailers}} {
		if fields := s.fields(part.md); len(fields.Fields) > 0 && !c.cancel {
			add(part.key, fields)
		}
	}
	return node
}

// fields are the first values of the application's own fields.
func (s *sketch) fields(md fixture.Metadata) *source.Node {
	node := &source.Node{Kind: source.Object}
	for _, p := range md {
		if p.Name == "content-type" || p.Name == "date" || p.Name == "server" || protocolField(p.Name) || node.Get(p.Name) != nil || isRedacted(p.Value) {
			continue
		}
		text := escapeTemplate(p.Value)
		if strings.HasSuffix(p.Name, "-bin") {
			text = encodeBin(p.Value)
		}
		node.Fields = append(node.Fields, source.Field{Key: p.Name, Value: &source.Node{Kind: source.String, Text: text}})
	}
	return node
}

// details are the details of a status, by type.
func (s *sketch) details(c *sketchCall) *source.Node {
	var status spb.Status
	if len(c.end.Details) == 0 || proto.Unmarshal(c.end.Details, &status) != nil {
		return nil
	}
	text := dynamic.JSON(&status, s.file.Schema.Types())
	node, err := source.ParseYAML(source.NewFile(s.name, text), []byte(text))
	if err != nil || node.Get("details") == nil {
		return nil
	}
	list := &source.Node{Kind: source.List}
	for _, detail := range node.Get("details").Items {
		item := &source.Node{Kind: source.Object}
		for _, f := range s.pattern(c, detail).Fields {
			if f.Key == "@type" {
				f.Key, f.Value = "type", &source.Node{Kind: source.String, Text: f.Value.Text[strings.LastIndexByte(f.Value.Text, '/')+1:]}
			}
			item.Fields = append(item.Fields, f)
		}
		list.Items = append(list.Items, item)
	}
	return list
}

// script writes a call as operations in their recorded order.
func (s *sketch) script(out *yamlWriter, c *sketchCall) {
	out.line(2, "script:")
	answers := 0
	for _, e := range c.events {
		switch e.kind {
		case fixture.Send:
			opened := onlyJSON(e.node)
			key := "send"
			if opened {
				key = "send_json"
			}
			out.item(3, object(key, s.request(e.node, opened)))
		case fixture.Recv:
			op := object("recv", s.pattern(c, e.node))
			if save := s.saves(c, answers); len(save.Fields) > 0 {
				op.Fields = append(op.Fields, source.Field{Key: "save", Value: save})
				out.blockItem(3, op)
			} else {
				out.item(3, op)
			}
			answers++
		case fixture.HalfClose:
			out.line(3, "- half_close")
		case fixture.Cancel:
			if c.end.Status == "CANCELLED" {
				out.line(3, "- cancel")
			}
		}
	}
	out.item(3, object("end", s.ending(c)))
}

// saves are the captures of one answer.
func (s *sketch) saves(c *sketchCall, index int) *source.Node {
	node := &source.Node{Kind: source.Object}
	for _, p := range c.captures {
		if p.index == index {
			node.Fields = append(node.Fields, source.Field{Key: s.saved[s.textOf(p)], Value: &source.Node{Kind: source.String, Text: rooted("msg", p.path)}})
		}
	}
	return node
}
