package assert

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// object is a message as a value of CEL. It selects fields, and tests whether
// they are set.
type object struct {
	p *provider
	m protoreflect.Message
}

// messageValue returns a message as CEL sees it: some of the well-known types
// are values of other kinds.
func (p *provider) messageValue(m protoreflect.Message) ref.Val {
	md := m.Descriptor()
	switch {
	case md.FullName() == "google.protobuf.Timestamp":
		return types.Timestamp{Time: timeOf(m)}
	case md.FullName() == "google.protobuf.Duration":
		return types.Duration{Duration: durationOf(m)}
	case md.FullName() == "google.protobuf.Any":
		if inner, ok := p.unpack(m); ok {
			return p.messageValue(inner)
		}
	case isWrapper(md):
		return p.NativeToValue(m.Get(md.Fields().ByNumber(1)).Interface())
	case isJSON(md):
		return p.NativeToValue(jsonOf(m))
	}
	return &object{p, m}
}

// unpack returns the message within an Any, if its type is known.
func (p *provider) unpack(m protoreflect.Message) (protoreflect.Message, bool) {
	fields := m.Descriptor().Fields()
	mt, err := p.types.FindMessageByURL(m.Get(fields.ByNumber(1)).String())
	if err != nil {
		return nil, false
	}
	inner := mt.New()
	err = proto.UnmarshalOptions{Resolver: p.types}.Unmarshal(m.Get(fields.ByNumber(2)).Bytes(), inner.Interface())
	return inner, err == nil
}

// isWellKnown reports whether protobuf defines the type.
func isWellKnown(md protoreflect.MessageDescriptor) bool {
	return md.FullName().Parent() == "google.protobuf"
}

// isWrapper reports whether the type wraps a scalar, such as StringValue.
func isWrapper(md protoreflect.MessageDescriptor) bool {
	name := string(md.Name())
	return isWellKnown(md) && strings.HasSuffix(name, "Value") && name != "Value" && name != "ListValue"
}

// isJSON reports whether the type holds a JSON value.
func isJSON(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	}
	return false
}

// timeOf reads a Timestamp.
func timeOf(m protoreflect.Message) time.Time {
	fields := m.Descriptor().Fields()
	return time.Unix(m.Get(fields.ByNumber(1)).Int(), m.Get(fields.ByNumber(2)).Int()).UTC()
}

// durationOf reads a Duration. Those of more than 292 years become 292 years:
// CEL has no longer ones.
func durationOf(m protoreflect.Message) time.Duration {
	fields := m.Descriptor().Fields()
	const limit = int64(math.MaxInt64/time.Second) - 1
	whole := min(max(m.Get(fields.ByNumber(1)).Int(), -limit), limit)
	return time.Duration(whole)*time.Second + time.Duration(m.Get(fields.ByNumber(2)).Int())
}

// jsonOf reads a Struct, Value or ListValue as Go data. Its numbers are
// float64, as they are in protobuf.
func jsonOf(m protoreflect.Message) any {
	fields := m.Descriptor().Fields()
	switch m.Descriptor().Name() {
	case "Struct":
		out := map[string]any{}
		m.Get(fields.ByNumber(1)).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			out[k.String()] = jsonOf(v.Message())
			return true
		})
		return out
	case "ListValue":
		list := m.Get(fields.ByNumber(1)).List()
		out := make([]any, list.Len())
		for i := range out {
			out[i] = jsonOf(list.Get(i).Message())
		}
		return out
	}
	fd := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	switch {
	case fd == nil || fd.Kind() == protoreflect.EnumKind:
		return nil
	case fd.Message() != nil:
		return jsonOf(m.Get(fd).Message())
	}
	return m.Get(fd).Interface()
}

// ConvertToNative returns the message.
func (o *object) ConvertToNative(want reflect.Type) (any, error) {
	if m := o.m.Interface(); reflect.TypeOf(m).AssignableTo(want) {
		return m, nil
	}
	return nil, fmt.Errorf("a message of type %s does not convert to %v", o.m.Descriptor().FullName(), want)
}

// ConvertToType returns the type, or the message itself.
func (o *object) ConvertToType(want ref.Type) ref.Val {
	switch want.TypeName() {
	case types.TypeType.TypeName():
		return o.Type().(ref.Val)
	case o.Type().TypeName():
		return o
	}
	return types.NewErr("a message of type %s does not convert to %s", o.m.Descriptor().FullName(), want.TypeName())
}

// Equal compares messages field by field.
func (o *object) Equal(other ref.Val) ref.Val {
	b, ok := other.(*object)
	return types.Bool(ok && proto.Equal(o.m.Interface(), b.m.Interface()))
}

// Type returns the type of the message.
func (o *object) Type() ref.Type { return types.NewObjectType(string(o.m.Descriptor().FullName())) }

// Value returns the message.
func (o *object) Value() any { return o.m.Interface() }

// Get selects a field where the type was not known before.
func (o *object) Get(index ref.Val) ref.Val {
	fd, err := o.find(index)
	if err != nil {
		return err
	}
	return o.p.get(o.m, fd)
}

// IsSet tests whether a field is set.
func (o *object) IsSet(index ref.Val) ref.Val {
	fd, err := o.find(index)
	if err != nil {
		return err
	}
	return types.Bool(o.m.Has(fd))
}

func (o *object) find(index ref.Val) (protoreflect.FieldDescriptor, ref.Val) {
	name, _ := index.Value().(string)
	if fd := o.p.field(o.m.Descriptor(), name); fd != nil {
		return fd, nil
	}
	return nil, types.NewErr("no such field %q in %s", name, o.m.Descriptor().FullName())
}

// IsZeroValue reports whether no field is set.
func (o *object) IsZeroValue() bool {
	empty := true
	o.m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		empty = false
		return false
	})
	return empty
}
