package detect

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// shape checks that a JSON value fits a Go type as encoding/json writes it:
// names exactly, nothing unknown, kinds as declared. Null fits everything, as
// it does there. (encoding/json itself stops at the first mistake, names its
// place without indices, and takes names in any case.)
func (r *requestReader) shape(path string, n *node, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.kind == nullKind {
		return
	}
	want := kindOf(t)
	if n.kind != want {
		r.bad.add(path, "want %s, got %s", want, n.kind)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		r.structShape(path, n, t)
	case reflect.Array:
		if len(n.items) != t.Len() {
			r.bad.add(path, "has %d items, want %d", len(n.items), t.Len())
			return
		}
		r.itemShapes(path, n, t.Elem())
	case reflect.Slice:
		r.itemShapes(path, n, t.Elem())
	case reflect.Int:
		if _, err := strconv.ParseInt(n.text, 10, 32); err != nil {
			r.bad.add(path, "want an integer, got %s", excerpt(n.text))
		}
	}
}

// kindOf is the kind of JSON value that a type is written as.
func kindOf(t reflect.Type) kind {
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return textKind
	}
	switch t.Kind() {
	case reflect.Struct:
		return objectKind
	case reflect.Slice, reflect.Array:
		return arrayKind
	case reflect.Bool:
		return boolKind
	case reflect.String:
		return textKind
	case reflect.Int, reflect.Float64:
		return numberKind
	}
	panic(fmt.Sprintf("detect: no JSON kind for %v", t)) // a test reads all types
}

func (r *requestReader) itemShapes(path string, n *node, t reflect.Type) {
	for i := range n.items {
		r.shape(path+"["+strconv.Itoa(i)+"]", &n.items[i], t)
	}
}

func (r *requestReader) structShape(path string, n *node, t reflect.Type) {
	types := map[string]reflect.Type{}
	names := memberTypes(t, types)
	for i := range n.fields {
		f := &n.fields[i]
		if member, ok := types[f.key]; ok {
			r.shape(path+"."+f.key, &f.value, member)
		} else {
			r.unknown(path+"."+f.key, f.key, names)
		}
	}
}

// memberTypes fills in the types of a struct's JSON members, those of embedded
// structs without a name included, and returns their names in order.
func memberTypes(t reflect.Type, types map[string]reflect.Type) (names []string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			names = append(names, memberTypes(f.Type, types)...)
			continue
		}
		types[name] = f.Type
		names = append(names, name)
	}
	return names
}
