// Package schema holds what one target offers: its services, methods and
// message types.
//
// A schema comes from files (protosets and .proto sources), from the target's
// reflection service, or from both. It belongs to its target: two targets whose
// files share names but not contents live side by side in one process. The
// global protobuf registry is never written to, and never asked. Only for the
// well-known types (google/protobuf/*.proto and the error details of
// google/rpc) a copy stands by, for targets that do not serve them.
package schema

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// Schema is what a target offers. It is safe for concurrent use.
type Schema struct {
	services []protoreflect.ServiceDescriptor // by name
	broken   map[protoreflect.FullName]error  // services that were listed but could not be read
	types    *types
}

// FromFiles returns the schema of files that are at hand, with all that they
// import.
func FromFiles(files ...protoreflect.FileDescriptor) *Schema {
	b := newBuilder(newIndex(), nil)
	for _, file := range files {
		b.addFile(file)
	}
	return b.schema()
}

// builder collects the parts of a Schema.
type builder struct {
	services map[protoreflect.FullName]protoreflect.ServiceDescriptor
	broken   map[protoreflect.FullName]error
	types    *types
}

func newBuilder(known *index, remote *reflection) *builder {
	return &builder{
		services: map[protoreflect.FullName]protoreflect.ServiceDescriptor{},
		broken:   map[protoreflect.FullName]error{},
		types:    &types{known: known, remote: remote, missing: map[string]bool{}},
	}
}

// addFile adds a file, what it imports, and the services of all of them. The
// first service of a name stays.
func (b *builder) addFile(file protoreflect.FileDescriptor) {
	for _, added := range b.types.known.add(file) {
		for i := range added.Services().Len() {
			b.addService(added.Services().Get(i))
		}
	}
}

func (b *builder) addService(sd protoreflect.ServiceDescriptor) {
	if b.services[sd.FullName()] == nil {
		b.services[sd.FullName()] = sd
	}
}

func (b *builder) schema() *Schema {
	s := &Schema{broken: b.broken, types: b.types}
	for _, sd := range b.services {
		s.services = append(s.services, sd)
		delete(s.broken, sd.FullName())
	}
	slices.SortFunc(s.services, func(x, y protoreflect.ServiceDescriptor) int {
		return strings.Compare(string(x.FullName()), string(y.FullName()))
	})
	return s
}

// Services returns the services that the target offers, by name. Those of the
// reflection service itself are among them if the target lists them.
func (s *Schema) Services() []protoreflect.ServiceDescriptor { return slices.Clone(s.services) }

// Files returns every file known so far, imported ones before those that
// import them.
func (s *Schema) Files() []protoreflect.FileDescriptor { return s.types.files() }

// Types resolves the target's own message and extension types. A type that no
// service of the target mentions, such as one within an Any, is asked for by
// reflection when it is first needed.
func (s *Schema) Types() Types { return s.types }

// Method returns the method of a name such as "pkg.Service/Method",
// "/pkg.Service/Method" or "pkg.Service.Method". The error is a [*NotFound],
// or says why the service of that name could not be read.
func (s *Schema) Method(name string) (protoreflect.MethodDescriptor, error) {
	service, method := splitMethod(name)
	for _, sd := range s.services {
		if sd.FullName() != protoreflect.FullName(service) {
			continue
		}
		if md := sd.Methods().ByName(protoreflect.Name(method)); md != nil {
			return md, nil
		}
	}
	if err := s.broken[protoreflect.FullName(service)]; err != nil {
		return nil, fmt.Errorf("service %q: %w", service, err)
	}
	return nil, &NotFound{Kind: "method", Name: name, Hint: nearest(strings.Trim(service+"/"+method, "/"), s.methodNames())}
}

// Symbol returns the descriptor of a full name: a service, method, message,
// field, oneof, enum, enum value or extension. The error is a [*NotFound].
func (s *Schema) Symbol(name string) (protoreflect.Descriptor, error) {
	full := protoreflect.FullName(name)
	if d := s.types.symbol(full); d != nil {
		return d, nil
	}
	if d := member(s.types.symbol(full.Parent()), full.Name()); d != nil {
		return d, nil
	}
	if err := s.broken[full]; err != nil {
		return nil, fmt.Errorf("service %q: %w", name, err)
	}
	return nil, &NotFound{Kind: "symbol", Name: name, Hint: nearest(name, s.types.names())}
}

// member returns what a service or message declares under a name, nil when
// there is no such thing.
func member(parent protoreflect.Descriptor, name protoreflect.Name) protoreflect.Descriptor {
	switch parent := parent.(type) {
	case protoreflect.ServiceDescriptor:
		if md := parent.Methods().ByName(name); md != nil {
			return md
		}
	case protoreflect.MessageDescriptor:
		if fd := parent.Fields().ByName(name); fd != nil {
			return fd
		}
		if od := parent.Oneofs().ByName(name); od != nil {
			return od
		}
	}
	return nil
}

// splitMethod splits a method's name at its slash, or else at its last dot.
func splitMethod(name string) (service, method string) {
	name = strings.TrimPrefix(name, "/")
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		i = strings.LastIndexByte(name, '.')
	}
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// methodNames returns the names of all methods.
func (s *Schema) methodNames() []string {
	var names []string
	for _, sd := range s.services {
		for i := range sd.Methods().Len() {
			names = append(names, MethodName(sd.Methods().Get(i)))
		}
	}
	return names
}

// nearest names the candidate that is likely meant: one that ends in name, a
// part of a name being what people remember, or else the nearest.
func nearest(name string, candidates []string) string {
	ending := strings.ToLower(name)
	for _, c := range candidates {
		rest, ok := strings.CutSuffix(strings.ToLower(c), ending)
		if ok && (rest == "" || strings.HasSuffix(rest, ".") || strings.HasSuffix(rest, "/")) {
			return fmt.Sprintf("did you mean %q?", c)
		}
	}
	return source.DidYouMean(name, candidates)
}

// MethodName returns the name of a method as "pkg.Service/Method".
func MethodName(md protoreflect.MethodDescriptor) string {
	return string(md.Parent().FullName()) + "/" + string(md.Name())
}

// NotFound says that the target does not offer something of a name.
type NotFound struct {
	Kind string // such as "method" or "symbol"
	Name string
	Hint string // what may have been meant; may be empty
}

// Error returns the message, with the hint on a line of its own.
func (e *NotFound) Error() string {
	text := fmt.Sprintf("the target offers no %s %q", e.Kind, e.Name)
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}
