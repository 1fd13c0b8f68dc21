//lint:file-ignore SA1019 grpcurl's exported API speaks the types of protoreflect v1

package cli

import (
	"strings"

	"github.com/jhump/protoreflect/desc"

	"touchstone/loadgen/schema"
)

// symbols lets grpcurl look things up in a target's schema.
type symbols struct{ schema *schema.Schema }

// ListServices returns the names of the target's services.
func (s symbols) ListServices() ([]string, error) {
	var names []string
	for _, sd := range s.schema.Services() {
		names = append(names, string(sd.FullName()))
	}
	return names, nil
}

// FindSymbol returns the descriptor of a name.
func (s symbols) FindSymbol(name string) (desc.Descriptor, error) {
	d, err := s.schema.Symbol(strings.Replace(strings.Trim(name, "./"), "/", ".", 1))
	if err != nil {
		return nil, err
	}
	return desc.WrapDescriptor(d)
}

// AllExtensionsForType returns none: what goes through grpcurl is encoded and
// decoded by package dynamic, which finds extensions itself.
func (s symbols) AllExtensionsForType(string) ([]*desc.FieldDescriptor, error) { return nil, nil }
