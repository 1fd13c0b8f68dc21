package assert

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// provider tells CEL about the types of one target, and turns their values
// into CEL's.
//
// Note: CEL has a registry of its own, but that one takes the descriptor of the
// global registry whenever it holds a file of the same path, and unpacks an Any
// with it. A target whose detect.proto is newer than ours would be judged by
// ours.
//
// Unsigned fields are plain integers here, so that `msg.size == 65536` and
// `msg.size - 1` need no suffix. Values that an int does not hold stay unsigned
// at run time, where comparisons work across numeric types.
type provider struct {
	base     *types.Registry // CEL's own types, and the well-known ones
	types    schema.Types
	messages map[string]protoreflect.MessageDescriptor
	enums    map[string]int64 // by name of the enum, dot, name of the value
}

func newProvider(s *schema.Schema) (*provider, error) {
	base, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &provider{
		base:     base,
		types:    s.Types(),
		messages: map[string]protoreflect.MessageDescriptor{},
		enums:    map[string]int64{},
	}
	for _, file := range s.Files() {
		p.addAll(file.Messages(), file.Enums())
	}
	return p, nil
}

func (p *provider) addAll(messages protoreflect.MessageDescriptors, enums protoreflect.EnumDescriptors) {
	for i := range messages.Len() {
		md := messages.Get(i)
		p.messages[string(md.FullName())] = md
		p.addAll(md.Messages(), md.Enums())
	}
	for i := range enums.Len() {
		values := enums.Get(i).Values()
		for j := range values.Len() {
			v := values.Get(j)
			p.enums[string(enums.Get(i).FullName())+"."+string(v.Name())] = int64(v.Number())
		}
	}
}

// message returns the descriptor of a message type, nil when there is none.
func (p *provider) message(name string) protoreflect.MessageDescriptor {
	name = strings.TrimPrefix(name, ".")
	if md := p.messages[name]; md != nil {
		return md
	}
	if mt, err := p.types.FindMessageByName(protoreflect.FullName(name)); err == nil {
		return mt.Descriptor()
	}
	return nil
}

// EnumValue returns the number of a value such as pkg.Enum.VALUE.
func (p *provider) EnumValue(name string) ref.Val {
	if n, ok := p.enums[strings.TrimPrefix(name, ".")]; ok {
		return types.Int(n)
	}
	return p.base.EnumValue(name)
}

// FindIdent finds types and enum values. It sees only what is known already:
// CEL asks for many names that do not exist.
func (p *provider) FindIdent(name string) (ref.Val, bool) {
	name = strings.TrimPrefix(name, ".")
	if n, ok := p.enums[name]; ok {
		return types.Int(n), true
	}
	if p.messages[name] != nil {
		return cel.ObjectType(name), true
	}
	return p.base.FindIdent(name)
}

// FindStructType finds message types.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if p.message(name) == nil {
		return p.base.FindStructType(name)
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(strings.TrimPrefix(name, "."))), true
}

// FindStructFieldNames lists the fields of a message type.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	md := p.message(name)
	if md == nil {
		return p.base.FindStructFieldNames(name)
	}
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	return names, true
}

// FindStructFieldType finds a field by its name, its JSON name, or as an
// extension by its full name.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	md := p.message(name)
	if md == nil {
		return p.base.FindStructFieldType(name, field)
	}
	fd := p.field(md, field)
	if fd == nil {
		return nil, false
	}
	return &types.FieldType{
		Type: fieldType(fd),
		IsSet: func(target any) bool {
			m, own := ownMessage(target, fd)
			return own && m.Has(fd)
		},
		GetFrom: func(target any) (any, error) {
			m, own := ownMessage(target, fd)
			if !own {
				return types.NewErr("%s has no field %q", name, field), nil
			}
			return p.get(m, fd), nil
		},
	}, true
}

// field finds a field of a message type, nil when there is none.
func (p *provider) field(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := dynamicField(md, name); fd != nil {
		return fd
	}
	if !strings.Contains(name, ".") {
		return nil
	}
	xt, err := p.types.FindExtensionByName(protoreflect.FullName(name))
	if err != nil || xt.TypeDescriptor().ContainingMessage().FullName() != md.FullName() {
		return nil
	}
	return xt.TypeDescriptor()
}

// dynamicField finds a field by its name or its JSON name.
func dynamicField(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	return md.Fields().ByJSONName(name)
}

// ownMessage returns the message that a value of CEL stands for, and whether
// it has the field.
func ownMessage(target any, fd protoreflect.FieldDescriptor) (protoreflect.Message, bool) {
	var m protoreflect.Message
	switch target := target.(type) {
	case proto.Message:
		m = target.ProtoReflect()
	case protoreflect.Message:
		m = target
	default:
		return nil, false
	}
	return m, m.Descriptor() == fd.ContainingMessage() || fd.IsExtension() && m.Descriptor().FullName() == fd.ContainingMessage().FullName()
}

// get returns the value of a field.
func (p *provider) get(m protoreflect.Message, fd protoreflect.FieldDescriptor) ref.Val {
	if fd.IsMap() {
		entries := map[ref.Val]ref.Val{}
		m.Get(fd).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			entries[p.NativeToValue(k.Interface())] = p.NativeToValue(v.Interface())
			return true
		})
		return types.NewRefValMap(p, entries)
	}
	if md := fd.Message(); md != nil && !fd.IsList() && !m.Has(fd) && isWrapper(md) {
		return types.NullValue
	}
	return p.NativeToValue(m.Get(fd).Interface())
}

// fieldType returns the type of a field.
func fieldType(fd protoreflect.FieldDescriptor) *types.Type {
	switch {
	case fd.IsMap():
		return types.NewMapType(singleType(fd.MapKey()), singleType(fd.MapValue()))
	case fd.IsList():
		return types.NewListType(singleType(fd))
	}
	return singleType(fd)
}

func singleType(fd protoreflect.FieldDescriptor) *types.Type {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return types.BoolType
	case protoreflect.StringKind:
		return types.StringType
	case protoreflect.BytesKind:
		return types.BytesType
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return types.DoubleType
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return messageType(fd.Message())
	}
	return types.IntType
}

// messageType returns the type of a message; those of unsigned wrappers are
// those of signed ones.
func messageType(md protoreflect.MessageDescriptor) *types.Type {
	switch md.FullName() {
	case "google.protobuf.UInt32Value", "google.protobuf.UInt64Value":
		return types.NewNullableType(types.IntType)
	}
	return types.NewObjectType(string(md.FullName()))
}

// NewValue builds a message, as the expression pkg.Type{field: value} asks.
func (p *provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	md := p.message(name)
	if md == nil || isWellKnown(md) {
		return p.base.NewValue(name, fields)
	}
	object := &source.Node{Kind: source.Object}
	for key, value := range fields {
		if p.field(md, key).IsExtension() {
			key = "[" + key + "]"
		}
		node, err := p.node(value, source.Pos{})
		if err != nil {
			return types.WrapErr(err)
		}
		object.Fields = append(object.Fields, source.Field{Key: key, Value: node})
	}
	r := &source.Reporter{File: source.NewFile(name, "")}
	m := dynamic.Build(r, md, object, p.types)
	if errs := r.Errors(); errs != nil {
		return types.NewErr("%s: %s", name, errs[0].Msg)
	}
	return p.NativeToValue(m)
}

// NativeToValue turns Go's and protobuf's values into CEL's.
func (p *provider) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case uint32:
		return types.Int(value)
	case uint64:
		return unsigned(value)
	case json.Number:
		return number(string(value))
	case []any:
		return types.NewDynamicList(p, value)
	case map[string]any:
		return types.NewStringInterfaceMap(p, value)
	case []proto.Message:
		return types.NewDynamicList(p, value)
	case protoreflect.List:
		return types.NewProtoList(p, value)
	case protoreflect.Message:
		return p.messageValue(value)
	case proto.Message:
		return p.messageValue(value.ProtoReflect())
	}
	return p.base.NativeToValue(value)
}

// unsigned returns an Int where it holds the value.
func unsigned(n uint64) ref.Val {
	if n <= math.MaxInt64 {
		return types.Int(n)
	}
	return types.Uint(n)
}

// number returns the narrowest number that holds a JSON number exactly, a
// double when none does.
func number(text string) ref.Val {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Int(n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return types.Uint(n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return types.NewErr("number %s is out of range", text)
	}
	return types.Double(f)
}
