package jsonschema

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
)

// target adds the methods and messages of a target to a schema.
type target struct {
	definitions node
}

// addTarget makes the steps of a schema know the methods of a target.
func addTarget(root node, s *schema.Schema) {
	t := target{definitions: root["definitions"].(node)}
	var names []string
	var cases []node
	for _, service := range s.Services() {
		for i := range service.Methods().Len() {
			md := service.Methods().Get(i)
			name := schema.MethodName(md)
			spellings := []string{name, "/" + name, strings.Replace(name, "/", ".", 1)}
			names = append(names, spellings...)
			cases = append(cases, node{
				"if":   node{"properties": node{"call": words(spellings...)}},
				"then": node{"properties": t.work(md)},
			})
		}
	}
	step := t.definitions["step"].(node)
	step["properties"].(node)["call"] = node{"description": "A method of the target.", "enum": names}
	step["allOf"] = cases
}

// work returns what a step of a method sends and expects. Additional keys are
// for the step itself to refuse.
func (t target) work(md protoreflect.MethodDescriptor) node {
	in, out := t.message(md.Input()), t.pattern(md.Output())
	send := in
	if md.IsStreamingClient() {
		repeated := object([]key{{"repeat", "How many of the message.", integer(1, maxRepeat), true}, {"message", "", in, true}})
		send = either(in, list(either(in, repeated)))
	}
	return node{
		"send":   send,
		"expect": node{"properties": node{"message": out, "messages": list(out), "each": someOf(either(str(), out))}},
		"script": ref(t.script(md, in, out)),
	}
}

// script defines the operations of a method's scripts; those in a repeat are
// of the same kind.
func (t target) script(md protoreflect.MethodDescriptor, in, out node) string {
	name := "script:" + string(md.FullName())
	t.definitions[name] = list(node{"properties": node{
		"send": in, "recv": out, "recv_until": either(str(), out), "do": ref(name),
		"recv_all": node{"properties": node{"messages": list(out), "each": someOf(either(str(), out))}},
	}})
	return name
}

// template is a text with an expression in it, which can stand for any value.
func template() node { return node{"type": "string", "pattern": `\$\{`} }

// message returns a reference to a message as it is sent.
func (t target) message(md protoreflect.MessageDescriptor) node {
	return t.define("message:", md, func() node {
		if free(md) {
			return anything()
		}
		return either(template(), t.fields(md, t.value, nil))
	})
}

// pattern returns a reference to a pattern for a message.
func (t target) pattern(md protoreflect.MessageDescriptor) node {
	return t.define("pattern:", md, func() node {
		if free(md) {
			return anything()
		}
		return either(words("*"), node{"type": "null"}, template(), operator(), t.fields(md, t.patternOf, []string{"@type"}))
	})
}

// define makes a definition for a type, once, and returns a reference to it.
func (t target) define(prefix string, md protoreflect.MessageDescriptor, make func() node) node {
	name := prefix + string(md.FullName())
	if _, known := t.definitions[name]; !known {
		t.definitions[name] = node{} // a type may hold itself
		t.definitions[name] = make()
	}
	return ref(name)
}

// free reports types that are written in forms of their own.
func free(md protoreflect.MessageDescriptor) bool {
	return md.IsPlaceholder() || strings.HasPrefix(string(md.FullName()), "google.protobuf.")
}

// fields is a mapping of a type's fields, by both of their names. Extensions
// are written in brackets.
func (t target) fields(md protoreflect.MessageDescriptor, value func(protoreflect.FieldDescriptor) node, more []string) node {
	properties := node{}
	for _, name := range more {
		properties[name] = anything()
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		v := value(fd)
		properties[fd.TextName()], properties[fd.JSONName()] = v, v
	}
	return node{"type": "object", "properties": properties, "patternProperties": node{`^\[`: anything()}, "additionalProperties": false}
}

// value is what a field is sent as.
func (t target) value(fd protoreflect.FieldDescriptor) node {
	one := t.single(fd)
	switch {
	case fd.IsMap():
		one = node{"type": "object", "additionalProperties": t.single(fd.MapValue())}
	case fd.IsList():
		one = list(one)
	}
	return either(one, template(), node{"type": "null"})
}

// single is one value of a field.
func (t target) single(fd protoreflect.FieldDescriptor) node {
	if fd.Message() != nil && !fd.IsMap() {
		return t.message(fd.Message())
	}
	return scalarOf(fd)
}

// scalarOf is a scalar in the JSON form of protobuf.
func scalarOf(fd protoreflect.FieldDescriptor) node {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return either(boolean(), template())
	case protoreflect.EnumKind:
		if fd.Enum().FullName() == "google.protobuf.NullValue" {
			return anything()
		}
		var names []string
		for i := range fd.Enum().Values().Len() {
			names = append(names, string(fd.Enum().Values().Get(i).Name()))
		}
		return either(words(names...), node{"type": "integer"}, template())
	case protoreflect.StringKind, protoreflect.BytesKind:
		return str()
	}
	return node{"type": []string{"number", "string"}}
}

// operator is a pattern such as {$re: "^a"}.
func operator() node {
	return node{"type": "object", "patternProperties": node{`^\$`: anything()}, "additionalProperties": false, "minProperties": 1}
}

// patternOf is a pattern for a field. Of scalars it knows no more than that
// they are some value: there are too many ways to write one.
func (t target) patternOf(fd protoreflect.FieldDescriptor) node {
	switch {
	case fd.IsMap() && fd.MapValue().Message() != nil:
		return either(node{"type": "object", "additionalProperties": t.pattern(fd.MapValue().Message())}, operator(), node{"type": []string{"string", "null"}})
	case fd.IsMap() || fd.Message() == nil:
		return anything()
	case fd.IsList():
		return either(list(t.pattern(fd.Message())), operator(), node{"type": []string{"string", "null"}})
	}
	return t.pattern(fd.Message())
}
