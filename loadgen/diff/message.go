package diff

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// message turns an encoded message into a tree. Without a descriptor, or when
// the bytes are no such message, it is the bytes.
func (c *Comparer) message(md protoreflect.MessageDescriptor, data []byte) *node {
	if md == nil || md.IsPlaceholder() {
		return raw(data)
	}
	m := dynamicpb.NewMessage(md)
	if c.unmarshal(data, m) != nil {
		return raw(data)
	}
	return c.tree(m)
}

// details turns the details of a status into trees.
func (c *Comparer) details(status []byte) []*node {
	var items []*node
	for rest := status; len(rest) > 0; {
		number, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return append(items, raw(status))
		}
		size := protowire.ConsumeFieldValue(number, typ, rest[n:])
		if size < 0 {
			return append(items, raw(status))
		}
		if number == 3 && typ == protowire.BytesType { // Status.details
			detail, _ := protowire.ConsumeBytes(rest[n:])
			items = append(items, c.wireAny(detail))
		}
		rest = rest[n+size:]
	}
	return items
}

// wireAny turns an encoded Any into a tree.
func (c *Comparer) wireAny(data []byte) *node {
	var url string
	var value []byte
	for rest := data; len(rest) > 0; {
		number, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return raw(data)
		}
		size := protowire.ConsumeFieldValue(number, typ, rest[n:])
		if size < 0 {
			return raw(data)
		}
		if typ == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(rest[n:])
			switch number {
			case 1:
				url = string(content)
			case 2:
				value = content
			}
		}
		rest = rest[n+size:]
	}
	return c.any(url, value)
}

// any is what an Any holds, or its bytes when its type is not known.
func (c *Comparer) any(url string, value []byte) *node {
	if c.Types != nil {
		if mt, err := c.Types.FindMessageByURL(url); err == nil {
			n := c.message(mt.Descriptor(), value)
			if n.kind == isObject {
				n.typ = url
				return n
			}
		}
	}
	return &node{kind: isObject, typ: url, fields: []field{{name: "value", value: raw(value)}}}
}

// tree turns a message into a tree. The well-known types are what they stand
// for.
func (c *Comparer) tree(m protoreflect.Message) *node {
	md := m.Descriptor()
	get := func(name protoreflect.Name) protoreflect.Value { return m.Get(md.Fields().ByName(name)) }
	switch md.FullName() {
	case "google.protobuf.Any":
		return c.any(get("type_url").String(), get("value").Bytes())
	case "google.protobuf.Timestamp":
		t := time.Unix(get("seconds").Int(), get("nanos").Int()).UTC()
		return &node{kind: isInstant, text: t.Format(time.RFC3339Nano), time: t.UnixNano()}
	case "google.protobuf.Duration":
		return duration(get("seconds").Int(), get("nanos").Int())
	case "google.protobuf.Struct":
		n := c.value(md.Fields().ByName("fields"), get("fields"))
		n.kind = isObject
		return n
	case "google.protobuf.ListValue":
		return c.value(md.Fields().ByName("values"), get("values"))
	case "google.protobuf.Value":
		if fd := m.WhichOneof(md.Oneofs().ByName("kind")); fd != nil && fd.Name() != "null_value" {
			return c.value(fd, m.Get(fd))
		}
		return fromJSON(nil)
	}
	return c.object(m)
}

// duration is a Duration, which may have more seconds than Go's.
func duration(seconds, nanos int64) *node {
	const most = int64(math.MaxInt64 / time.Second)
	text := strconv.FormatInt(seconds, 10) + "s"
	if nanos != 0 {
		text += strconv.FormatInt(nanos, 10) + "ns"
	}
	bounded := min(max(seconds, -most), most)
	return &node{kind: isInstant, text: text, time: bounded*int64(time.Second) + nanos%int64(time.Second)}
}

// object turns the fields of a message into a tree.
func (c *Comparer) object(m protoreflect.Message) *node {
	n := &node{kind: isObject}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		f := field{name: string(fd.Name()), value: c.value(fd, v), zero: c.zero(fd)}
		if fd.IsExtension() {
			f.name = "[" + string(fd.FullName()) + "]"
		}
		if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			f.oneof = string(oneof.Name())
		}
		n.fields = append(n.fields, f)
		return true
	})
	n.fields = append(n.fields, unknown(m.GetUnknown())...)
	n.sort()
	return n
}

// zero is what a field without presence is when it is not set.
func (c *Comparer) zero(fd protoreflect.FieldDescriptor) *node {
	switch {
	case fd.IsList():
		return &node{kind: isList}
	case fd.IsMap():
		return &node{kind: isMap}
	case fd.HasPresence():
		return nil
	}
	return c.single(fd, fd.Default())
}

// value turns a field's value into a tree.
func (c *Comparer) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) *node {
	switch {
	case fd.IsList():
		n := &node{kind: isList}
		for i := range v.List().Len() {
			n.items = append(n.items, c.single(fd, v.List().Get(i)))
		}
		return n
	case fd.IsMap():
		n := &node{kind: isMap}
		v.Map().Range(func(key protoreflect.MapKey, item protoreflect.Value) bool {
			n.fields = append(n.fields, field{name: key.String(), value: c.single(fd.MapValue(), item)})
			return true
		})
		n.sort()
		return n
	}
	return c.single(fd, v)
}

// single turns a value that is neither a list nor a map into a tree.
func (c *Comparer) single(fd protoreflect.FieldDescriptor, v protoreflect.Value) *node {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return c.tree(v.Message())
	case protoreflect.BoolKind:
		return &node{kind: isBool, text: strconv.FormatBool(v.Bool())}
	case protoreflect.StringKind:
		return text(v.String())
	case protoreflect.BytesKind:
		return raw(v.Bytes())
	case protoreflect.EnumKind:
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return &node{kind: isEnum, text: string(ev.Name())}
		}
		return &node{kind: isEnum, text: strconv.Itoa(int(v.Enum()))}
	case protoreflect.FloatKind:
		return float(v.Float(), 32)
	case protoreflect.DoubleKind:
		return float(v.Float(), 64)
	}
	return number(v.String())
}

// unknown turns fields that the descriptor does not have into fields with
// their numbers as names, such as #15, each a list of what came.
func unknown(data protoreflect.RawFields) []field {
	var fields []field
	at := map[protowire.Number]int{}
	for len(data) > 0 {
		number, typ, n := protowire.ConsumeField(data)
		if n < 0 {
			break // the decoder would have refused it
		}
		i, known := at[number]
		if !known {
			i = len(fields)
			at[number] = i
			list := &node{kind: isList}
			fields = append(fields, field{name: "#" + strconv.Itoa(int(number)), value: list, zero: &node{kind: isList}})
		}
		fields[i].value.items = append(fields[i].value.items, wireValue(typ, data[:n]))
		data = data[n:]
	}
	return fields
}

// wireValue is a field of which only its form on the wire is known.
func wireValue(typ protowire.Type, data []byte) *node {
	_, _, tag := protowire.ConsumeTag(data)
	value := data[tag:]
	switch typ {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		return number(strconv.FormatUint(v, 10))
	case protowire.Fixed32Type:
		return number(strconv.FormatUint(uint64(binary.LittleEndian.Uint32(value)), 10))
	case protowire.Fixed64Type:
		return number(strconv.FormatUint(binary.LittleEndian.Uint64(value), 10))
	case protowire.BytesType:
		content, _ := protowire.ConsumeBytes(value)
		return raw(content)
	}
	return raw(value)
}
