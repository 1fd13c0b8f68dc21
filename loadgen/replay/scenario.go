package replay

import (
	"fmt"
	"slices"
	"strings"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// Scenario is a recording as a scenario file.
type Scenario struct {
	Text  []byte
	Steps int
	// Notes are what the file could not say, for whoever goes on with it.
	Notes []string
}

// ToScenario turns the first calls of a recording, at most so many, into a
// scenario: each call is a step that expects the recorded answer. Values that an
// answer had first, and a later request has again, are saved and used by name.
func ToScenario(name string, file *fixture.File, most int) (*Scenario, error) {
	s := &sketch{file: file, name: name, saved: map[string]string{}, names: map[string]bool{}, ids: map[string]int{}}
	calls, err := s.collect(most)
	if err != nil {
		return nil, err
	}
	for _, c := range calls {
		s.findRepeats(c)
	}
	out := newYAML()
	out.line(0, "version: 1")
	out.line(0, "name: "+scalarText(name))
	out.line(0, "tags: [recorded]")
	out.line(0, "steps:")
	for _, c := range calls {
		s.step(out, c)
	}
	return &Scenario{Text: []byte(out.String()), Steps: len(calls), Notes: s.notes}, nil
}

// sketch is a scenario that is being made.
type sketch struct {
	file  *fixture.File
	name  string
	notes []string
	ids   map[string]int // steps of a method so far

	made  map[string]place // values of answers, by text
	used  map[string]bool  // those that a later request has
	saved map[string]string
	names map[string]bool
}

// place is where a value stands in the answers of a call.
type place struct {
	call  *sketchCall
	index int    // of the answer
	path  string // as an expression: .items[0].id
	field string // the last name of the path
}

// sketchCall is a call with all of its events.
type sketchCall struct {
	number   uint64
	id       string
	kind     transport.Kind
	start    fixture.Event
	events   []*sketchEvent // between start and end
	head     fixture.Metadata
	end      *fixture.Event // nil: the recording has none
	cancel   bool
	captures []place
}

// sketchEvent is a message or another moment of a call.
type sketchEvent struct {
	kind fixture.Kind
	node *source.Node // of a message
}

// collect reads the calls that become steps. Those that the recording does not
// end are left out.
func (s *sketch) collect(most int) ([]*sketchCall, error) {
	open := map[uint64]*sketchCall{}
	var calls []*sketchCall
	for e, err := range s.file.Events() {
		if err != nil {
			return nil, err
		}
		if e.Kind == fixture.Start {
			if len(calls) == most {
				s.note("only the first %d calls are in the scenario", most)
				break
			}
			c := &sketchCall{number: e.Call, start: e, kind: transport.BidiStream}
			if !s.describe(c) {
				continue
			}
			open[e.Call] = c
			calls = append(calls, c)
			continue
		}
		if c := open[e.Call]; c != nil {
			if err := s.take(c, e); err != nil {
				return nil, err
			}
		}
	}
	whole := slices.DeleteFunc(calls, func(c *sketchCall) bool {
		if c.end == nil {
			s.note("call %d has no end in the recording, and is left out", c.number)
		}
		return c.end == nil
	})
	for _, c := range whole {
		c.id = s.stepID(c.start.Method)
	}
	return whole, nil
}

func (s *sketch) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// describe finds the kind of a call. Without descriptors there is no scenario.
func (s *sketch) describe(c *sketchCall) bool {
	if s.file.Schema == nil {
		s.note("call %d: the recording has no descriptors", c.number)
		return false
	}
	md, err := s.file.Schema.Method(c.start.Method)
	if err != nil {
		s.note("call %d: %v", c.number, err)
		return false
	}
	c.kind = transport.KindOf(md.IsStreamingClient(), md.IsStreamingServer())
	return true
}

// take adds an event to its call.
func (s *sketch) take(c *sketchCall, e fixture.Event) error {
	switch e.Kind {
	case fixture.Headers:
		c.head = e.Metadata
	case fixture.Cancel:
		c.cancel = true
		c.events = append(c.events, &sketchEvent{kind: e.Kind})
	case fixture.HalfClose:
		c.events = append(c.events, &sketchEvent{kind: e.Kind})
	case fixture.End:
		c.end = &e
	case fixture.Send, fixture.Recv:
		if e.JSON == nil {
			e.Describe(s.file.Schema)
		}
		if e.JSON == nil {
			s.note("call %d: a message that is not JSON is left out", c.number)
			return nil
		}
		node, err := source.ParseYAML(source.NewFile(s.name, string(e.JSON)), e.JSON)
		if err != nil {
			return err
		}
		c.events = append(c.events, &sketchEvent{e.Kind, node})
	}
	return nil
}

// stepID names a step after its method.
func (s *sketch) stepID(method string) string {
	_, name, _ := strings.Cut(method, "/")
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	s.ids[name]++
	return fmt.Sprintf("%s-%d", b.String(), s.ids[name])
}

// messages returns those of one direction.
func (c *sketchCall) messages(kind fixture.Kind) []*source.Node {
	var out []*source.Node
	for _, e := range c.events {
		if e.kind == kind {
			out = append(out, e.node)
		}
	}
	return out
}

// findRepeats notes the values of a call's answers, and which of those that
// earlier answers had its requests have again.
func (s *sketch) findRepeats(c *sketchCall) {
	if s.made == nil {
		s.made, s.used = map[string]place{}, map[string]bool{}
	}
	request := func(value string) {
		if from, ok := s.made[value]; ok && from.call != nil && from.call != c {
			if !s.used[value] {
				from.call.captures = append(from.call.captures, from)
				s.saved[value] = s.captureName(from.field)
			}
			s.used[value] = true
		} else if !ok {
			s.made[value] = place{}
		}
	}
	for _, p := range c.start.Metadata {
		for word := range words(p.Value) {
			request(word)
		}
	}
	answers := 0
	for _, e := range c.events {
		switch e.kind {
		case fixture.Send:
			leaves(e.node, "", "", func(_, _, text string) { request(text) })
		case fixture.Recv:
			index := answers
			answers++
			leaves(e.node, "", "", func(path, field, text string) {
				if _, known := s.made[text]; !known && idLike(text) {
					s.made[text] = place{c, index, path, field}
				}
			})
		}
	}
}

// captureName makes a name that no other capture has.
func (s *sketch) captureName(field string) string {
	base := strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, field)
	if base == "" || base[0] >= '0' && base[0] <= '9' {
		base = "value_" + base
	}
	name := base
	for n := 2; s.names[name] || reserved[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	s.names[name] = true
	return name
}

// reserved are the names that expressions have already.
var reserved = map[string]bool{
	"env": true, "i": true, "row": true, "msg": true, "index": true, "messages": true, "count": true, "status": true,
	"status_message": true, "header": true, "trailer": true, "took": true, "true": true, "false": true, "null": true, "in": true,
}

// leaves calls f with each text and number below a node, also within strings
// that hold JSON: the expression that leads there, and the last name in it.
func leaves(n *source.Node, path, field string, f func(path, field, text string)) {
	switch n.Kind {
	case source.Object:
		for _, member := range n.Fields {
			leaves(member.Value, path+selector(member.Key), member.Key, f)
		}
	case source.List:
		for i, item := range n.Items {
			leaves(item, fmt.Sprintf("%s[%d]", path, i), field, f)
		}
	case source.String:
		if inner := jsonWithin(n.Text); inner != nil {
			leaves(inner, "json("+path+")", field, f)
			return
		}
		f(path, field, n.Text)
	case source.Int, source.Float:
		f(path, field, n.Text)
	}
}

// selector selects a member in an expression.
func selector(key string) string {
	if !identifier(key) {
		return "[" + source.Quote(key) + "]"
	}
	return "." + key
}

// jsonWithin returns what a string holds as JSON, nil for any other string.
func jsonWithin(text string) *source.Node {
	if !looksLikeJSON(text) || !validJSON(text) {
		return nil
	}
	node, err := source.ParseYAML(source.NewFile("", text), []byte(text))
	if err != nil || node.Kind != source.Object && node.Kind != source.List {
		return nil
	}
	return node
}

// okStatus is the name of success.
var okStatus = report.StatusName(0)
