package replay

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/schema"
)

// rewriter changes what a recording has into what is to be sent now.
type rewriter struct {
	types   schema.Types
	text    func(string) string // a string or number, whole; the same for no change
	shift   time.Duration       // of timestamps
	changed bool
}

// bytes rewrites an encoded message. One in which nothing is to be changed is
// returned as it is, byte for byte.
func (r *rewriter) bytes(md protoreflect.MessageDescriptor, data []byte) []byte {
	m := dynamicpb.NewMessage(md)
	if (proto.UnmarshalOptions{AllowPartial: true, Resolver: r.types}).Unmarshal(data, m) != nil {
		return data
	}
	r.changed = false
	r.message(m)
	if !r.changed {
		return data
	}
	out, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		return data
	}
	return out
}

// message rewrites a message in place.
func (r *rewriter) message(m protoreflect.Message) {
	switch m.Descriptor().FullName() {
	case "google.protobuf.Timestamp":
		r.timestamp(m)
		return
	case "google.protobuf.Any":
		r.any(m)
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(key protoreflect.MapKey, item protoreflect.Value) bool {
				if changed, ok := r.value(fd.MapValue(), item); ok {
					v.Map().Set(key, changed)
				}
				return true
			})
		case fd.IsList():
			for i := range v.List().Len() {
				if changed, ok := r.value(fd, v.List().Get(i)); ok {
					v.List().Set(i, changed)
				}
			}
		default:
			if changed, ok := r.value(fd, v); ok {
				m.Set(fd, changed)
			}
		}
		return true
	})
}

// value rewrites a value; false when it stays, or is a message that was
// rewritten in place.
func (r *rewriter) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) (protoreflect.Value, bool) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		r.message(v.Message())
	case protoreflect.StringKind:
		return r.put(v.String(), r.string(v.String()), func(s string) (protoreflect.Value, error) { return protoreflect.ValueOfString(s), nil })
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return r.put(v.String(), r.text(v.String()), func(s string) (protoreflect.Value, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return protoreflect.ValueOfInt64(n), err
		})
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return r.put(v.String(), r.text(v.String()), func(s string) (protoreflect.Value, error) {
			n, err := strconv.ParseUint(s, 10, 64)
			return protoreflect.ValueOfUint64(n), err
		})
	}
	return v, false
}

// put turns a text that has changed into a value.
func (r *rewriter) put(old, now string, parse func(string) (protoreflect.Value, error)) (protoreflect.Value, bool) {
	if old == now {
		return protoreflect.Value{}, false
	}
	v, err := parse(now)
	r.changed = r.changed || err == nil
	return v, err == nil
}

// string rewrites a string, or the strings and numbers of the JSON that it
// holds: all else of the JSON stays as it is written.
func (r *rewriter) string(s string) string {
	if !looksLikeJSON(s) || !json.Valid([]byte(s)) {
		return r.text(s)
	}
	return jsonScalar.ReplaceAllStringFunc(s, func(literal string) string {
		if literal[0] != '"' {
			return r.text(literal)
		}
		var old string
		if json.Unmarshal([]byte(literal), &old) != nil {
			return literal
		}
		now := r.string(old)
		if now == old {
			return literal
		}
		quoted, _ := json.Marshal(now) // a string can always be written
		return string(quoted)
	})
}

// jsonScalar finds the strings and numbers of a JSON text.
var jsonScalar = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*`)

// timestamp moves a point in time.
func (r *rewriter) timestamp(m protoreflect.Message) {
	if r.shift == 0 {
		return
	}
	fields := m.Descriptor().Fields()
	seconds, nanos := fields.ByName("seconds"), fields.ByName("nanos")
	t := time.Unix(m.Get(seconds).Int(), m.Get(nanos).Int()).Add(r.shift)
	m.Set(seconds, protoreflect.ValueOfInt64(t.Unix()))
	m.Set(nanos, protoreflect.ValueOfInt32(int32(t.Nanosecond())))
	r.changed = true
}

// any rewrites what an Any holds, if its type is known.
func (r *rewriter) any(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	url, value := m.Get(fields.ByName("type_url")).String(), m.Get(fields.ByName("value")).Bytes()
	mt, err := r.types.FindMessageByURL(url)
	if err != nil {
		return
	}
	inner := *r
	if out := inner.bytes(mt.Descriptor(), value); inner.changed {
		m.Set(fields.ByName("value"), protoreflect.ValueOfBytes(out))
		r.changed = true
	}
}

// secretPattern is how a recording asks for a secret.
var secretPattern = regexp.MustCompile(`\$\{secret\.([A-Za-z0-9_]+)\}`)

// SecretPrefix stands before a secret's name in the environment. Without one, a
// recording from elsewhere could ask for any variable there is.
const SecretPrefix = "TOUCHSTONE_SECRET_"

// putSecrets puts secrets into a text. missing is the name of one that is not
// to be had.
func putSecrets(text string, lookup func(string) (string, bool)) (out, missing string) {
	if !hasSecret(text) {
		return text, ""
	}
	out = secretPattern.ReplaceAllStringFunc(text, func(found string) string {
		name := secretPattern.FindStringSubmatch(found)[1]
		value, ok := lookup(SecretPrefix + name)
		if !ok {
			missing = name
		}
		return value
	})
	return out, missing
}
