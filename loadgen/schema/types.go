package schema

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Types resolves message and extension types of one target. What it returns is
// dynamic: no generated code stands behind it.
type Types interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// index finds descriptors by name. Of two with one name the first stays, so
// that what the user hands in goes before what the target says.
type index struct {
	others     *index // resolves what this one lacks, when files are linked; may be nil
	files      []protoreflect.FileDescriptor
	byPath     map[string]protoreflect.FileDescriptor
	symbols    map[protoreflect.FullName]protoreflect.Descriptor
	extensions map[extensionKey]protoreflect.ExtensionDescriptor
}

type extensionKey struct {
	message protoreflect.FullName
	number  protoreflect.FieldNumber
}

func newIndex() *index {
	return &index{
		byPath:     map[string]protoreflect.FileDescriptor{},
		symbols:    map[protoreflect.FullName]protoreflect.Descriptor{},
		extensions: map[extensionKey]protoreflect.ExtensionDescriptor{},
	}
}

// add adds a file after all that it imports, and returns those that are new.
func (x *index) add(file protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	if file.IsPlaceholder() || x.byPath[file.Path()] != nil {
		return nil
	}
	x.byPath[file.Path()] = file
	var added []protoreflect.FileDescriptor
	for i := range file.Imports().Len() {
		added = append(added, x.add(file.Imports().Get(i).FileDescriptor)...)
	}
	x.files = append(x.files, file)
	for i := range file.Services().Len() {
		x.addSymbol(file.Services().Get(i))
	}
	x.addTypes(file)
	return append(added, file)
}

// scope is what holds types: a file or a message.
type scope interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

func (x *index) addTypes(s scope) {
	for i := range s.Messages().Len() {
		x.addSymbol(s.Messages().Get(i))
		x.addTypes(s.Messages().Get(i))
	}
	for i := range s.Enums().Len() {
		ed := s.Enums().Get(i)
		x.addSymbol(ed)
		for j := range ed.Values().Len() {
			x.addSymbol(ed.Values().Get(j)) // named beside their enum, not within it
		}
	}
	for i := range s.Extensions().Len() {
		xd := s.Extensions().Get(i)
		x.addSymbol(xd)
		key := extensionKey{xd.ContainingMessage().FullName(), xd.Number()}
		if x.extensions[key] == nil {
			x.extensions[key] = xd
		}
	}
}

func (x *index) addSymbol(d protoreflect.Descriptor) {
	if x.symbols[d.FullName()] == nil {
		x.symbols[d.FullName()] = d
	}
}

// FindFileByPath makes an index what protodesc resolves imports with.
func (x *index) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	for ; x != nil; x = x.others {
		if file := x.byPath[path]; file != nil {
			return file, nil
		}
	}
	return nil, protoregistry.NotFound
}

// FindDescriptorByName finds a message, enum, extension or service.
func (x *index) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	for ; x != nil; x = x.others {
		if d := x.symbols[name]; d != nil {
			return d, nil
		}
	}
	return nil, protoregistry.NotFound
}

// types is the Types of one target: what is known, then what the target says
// when it is asked, then the well-known types.
type types struct {
	mu      sync.Mutex // guards all that follows, and serialises requests to remote
	known   *index
	remote  *reflection     // nil: the target cannot be asked
	missing map[string]bool // what the target was asked for in vain
}

func (t *types) files() []protoreflect.FileDescriptor {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.known.files)
}

// names returns every name known so far, in order.
func (t *types) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range t.known.symbols {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// FindMessageByName returns the message type of a name, or
// [protoregistry.NotFound].
func (t *types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if md, ok := t.symbol(name).(protoreflect.MessageDescriptor); ok {
		return dynamicpb.NewMessageType(md), nil
	}
	return nil, protoregistry.NotFound
}

// FindMessageByURL returns the message type that the type URL of an Any names.
func (t *types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return t.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

// FindExtensionByName returns the extension of a name.
func (t *types) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if xd, ok := t.symbol(name).(protoreflect.ExtensionDescriptor); ok && xd.IsExtension() {
		return dynamicpb.NewExtensionType(xd), nil
	}
	return nil, protoregistry.NotFound
}

// FindExtensionByNumber returns the extension of a message by its number.
func (t *types) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := extensionKey{message, number}
	find := func(x *index) bool { return x.extensions[key] != nil }
	x := t.find(find, key.String(), func(r *reflection) (protoreflect.FileDescriptor, error) {
		return r.extension(message, number)
	})
	if x == nil {
		return nil, protoregistry.NotFound
	}
	return dynamicpb.NewExtensionType(x.extensions[key]), nil
}

// symbol returns the descriptor of a name, nil when there is none.
func (t *types) symbol(name protoreflect.FullName) protoreflect.Descriptor {
	if !name.IsValid() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	find := func(x *index) bool { return x.symbols[name] != nil }
	x := t.find(find, string(name), func(r *reflection) (protoreflect.FileDescriptor, error) {
		return r.symbol(name)
	})
	if x == nil {
		return nil
	}
	return x.symbols[name]
}

// find returns the index that has something, after asking the target for it if
// need be. The caller holds t.mu.
func (t *types) find(has func(*index) bool, key string, ask func(*reflection) (protoreflect.FileDescriptor, error)) *index {
	if has(t.known) {
		return t.known
	}
	if t.remote != nil && !t.missing[key] {
		file, err := ask(t.remote)
		if err == nil {
			t.known.add(file)
		}
		if has(t.known) {
			return t.known
		}
		t.missing[key] = true
	}
	if wellKnown := wellKnownIndex(); has(wellKnown) {
		return wellKnown
	}
	return nil
}
