package assert

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// message is a message as a target. Fields are named by their proto names.
type message struct {
	leaf
	p    *provider
	m    protoreflect.Message
	json bool   // the text fields hold JSON
	set  bool   // false for the message of an unset field
	any  string // the type URL of the Any that it came in, or ""
}

// target returns a message as a target.
func (p *provider) target(m protoreflect.Message, json bool) target {
	return p.messageTarget(m, json, true)
}

func (p *provider) messageTarget(m protoreflect.Message, json, set bool) target {
	md := m.Descriptor()
	switch {
	case !set && (isWellKnown(md) && md.Name() != "Empty"):
		return absent{}
	case isJSON(md):
		return jsonValue{v: jsonOf(m)}
	case isWrapper(md):
		return scalar{fd: md.Fields().ByNumber(1), v: m.Get(md.Fields().ByNumber(1)), set: true}
	case md.FullName() == "google.protobuf.Timestamp":
		return moment{t: timeOf(m)}
	case md.FullName() == "google.protobuf.Duration":
		return span{d: durationOf(m)}
	case md.FullName() == "google.protobuf.FieldMask":
		return p.fieldMask(m)
	case md.FullName() == "google.protobuf.Any":
		return p.anyTarget(m, json)
	}
	return message{p: p, m: m, json: json, set: set}
}

// fieldMask returns a FieldMask as the text that it is in JSON.
func (p *provider) fieldMask(m protoreflect.Message) target {
	node, err := p.messageNode(m.Interface(), source.Pos{})
	if err != nil || node.Kind != source.String {
		return message{p: p, m: m, set: true}
	}
	return jsonValue{v: node.Text}
}

// anyTarget returns the content of an Any, or the Any itself when its type is
// not known. The content of a well-known type is its field "value".
func (p *provider) anyTarget(m protoreflect.Message, json bool) target {
	url := m.Get(m.Descriptor().Fields().ByNumber(1)).String()
	inner, ok := p.unpack(m)
	switch {
	case !ok:
		return message{p: p, m: m, set: true, any: url}
	case isWellKnown(inner.Descriptor()):
		return wrapped{url: url, value: p.messageTarget(inner, json, true)}
	}
	return message{p: p, m: inner, json: json, set: true, any: url}
}

func (t message) show() string {
	if !t.set {
		return "nothing"
	}
	return shorten(dynamic.JSON(t.m.Interface(), t.p.types))
}

func (t message) unset() bool  { return !t.set }
func (t message) empty() bool  { return !t.set || len(t.names()) == 0 && t.any == "" }
func (t message) object() bool { return t.set }

func (t message) field(key string) (string, target, bool) {
	if key == "@type" && t.any != "" {
		return key, typeURL{s: t.any}, true
	}
	fd := t.p.keyField(t.m.Descriptor(), key)
	if fd == nil {
		return key, nil, false
	}
	return fieldName(fd), t.value(fd), true
}

// keyField finds the field that a key of a pattern means.
func (p *provider) keyField(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if len(key) > 2 && key[0] == '[' && key[len(key)-1] == ']' {
		return p.field(md, key[1:len(key)-1])
	}
	if fd := dynamicField(md, key); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(key)
}

// fieldName returns the key of a field in a pattern.
func fieldName(fd protoreflect.FieldDescriptor) string {
	if fd.IsExtension() {
		return "[" + string(fd.FullName()) + "]"
	}
	return string(fd.Name())
}

func (t message) names() []string {
	var names []string
	t.m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		names = append(names, fieldName(fd))
		return true
	})
	slices.Sort(names)
	return names
}

// value returns the value of a field.
func (t message) value(fd protoreflect.FieldDescriptor) target {
	v := t.m.Get(fd)
	switch {
	case fd.IsList():
		return repeated{of: t, fd: fd, v: v.List()}
	case fd.IsMap():
		return mapping{of: t, fd: fd, v: v.Map()}
	}
	return t.single(fd, v, t.m.Has(fd))
}

// single returns a value that is neither a list nor a map.
func (t message) single(fd protoreflect.FieldDescriptor, v protoreflect.Value, set bool) target {
	if fd.Message() != nil {
		return t.p.messageTarget(v.Message(), t.json, set)
	}
	s := scalar{fd: fd, v: v, set: set}
	if !t.json || fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.BytesKind {
		return s
	}
	inner, err := parseTarget(s)
	if err != nil {
		return notJSON{s}
	}
	return inner
}

// repeated is a list of a message.
type repeated struct {
	leaf
	of message
	fd protoreflect.FieldDescriptor
	v  protoreflect.List
}

func (t repeated) show() string { return t.of.showField(t.fd) }
func (t repeated) unset() bool  { return t.v.Len() == 0 }
func (t repeated) empty() bool  { return t.v.Len() == 0 }

func (t repeated) list() ([]target, bool) {
	out := make([]target, t.v.Len())
	for i := range out {
		out[i] = t.of.single(t.fd, t.v.Get(i), true)
	}
	return out, true
}

// showField returns a field of a message for messages.
func (t message) showField(fd protoreflect.FieldDescriptor) string {
	one := t.m.New()
	if t.m.Has(fd) {
		one.Set(fd, t.m.Get(fd))
	}
	node, err := t.p.messageNode(one.Interface(), source.Pos{})
	if err != nil || len(node.Fields) == 0 {
		return "nothing"
	}
	return show(node.Fields[0].Value)
}

// mapping is a map of a message.
type mapping struct {
	leaf
	of message
	fd protoreflect.FieldDescriptor
	v  protoreflect.Map
}

func (t mapping) show() string { return t.of.showField(t.fd) }
func (t mapping) unset() bool  { return t.v.Len() == 0 }
func (t mapping) empty() bool  { return t.v.Len() == 0 }
func (t mapping) object() bool { return true }

func (t mapping) field(key string) (string, target, bool) {
	var found target = absent{}
	t.v.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if k.String() == key {
			found = t.of.single(t.fd.MapValue(), v, true)
			return false
		}
		return true
	})
	return key, found, true
}

func (t mapping) names() []string {
	var names []string
	t.v.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		names = append(names, k.String())
		return true
	})
	slices.Sort(names)
	return names
}
