package assert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
)

// Env holds the types of one target. It is safe for concurrent use.
type Env struct {
	p    *provider
	base *cel.Env

	mu   sync.Mutex          // guards envs
	envs map[string]*cel.Env // of scopes, by their variables: many steps share one
}

// NewEnv returns the environment of a target's schema.
func NewEnv(s *schema.Schema) (*Env, error) {
	p, err := newProvider(s)
	if err != nil {
		return nil, fmt.Errorf("types of expressions: %w", err)
	}
	base, err := cel.NewCustomEnv(
		cel.CustomTypeProvider(p),
		cel.CustomTypeAdapter(p),
		cel.StdLib(),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		ext.Strings(), ext.Math(), ext.Lists(ext.ListsMaxRangeSize(maxList)), ext.Sets(), ext.Encoders(), ext.Bindings(), ext.Protos(),
		cel.Lib(functions{p}),
	)
	if err != nil {
		return nil, fmt.Errorf("functions of expressions: %w", err)
	}
	return &Env{p: p, base: base, envs: map[string]*cel.Env{}}, nil
}

// Type is the type of a variable.
type Type struct{ t *types.Type }

// String returns the type as messages name it.
func (t Type) String() string {
	if t.t == nil {
		return "dyn"
	}
	return cel.FormatCELType(t.t)
}

// Message returns the type of a message, Dynamic when md is nil.
func Message(md protoreflect.MessageDescriptor) Type {
	if md == nil {
		return Dynamic()
	}
	return Type{messageType(md)}
}

// List returns the type of a list.
func List(item Type) Type { return Type{types.NewListType(item.t)} }

// Dynamic returns the type that is known at run time only.
func Dynamic() Type { return Type{types.DynType} }

// TypeOf returns the type of values such as "", 0, 0.0, false, time.Duration(0)
// and map[string]string(nil); Dynamic for any other.
func TypeOf(value any) Type {
	switch value.(type) {
	case map[string]string:
		return Type{types.NewMapType(types.StringType, types.StringType)}
	case []any, map[string]any, nil:
		return Dynamic()
	}
	if t, ok := types.DefaultTypeAdapter.NativeToValue(value).Type().(*types.Type); ok && t.Kind() != types.ErrorKind {
		return Type{t}
	}
	return Dynamic()
}

// Scope is a set of variables with their types. It is immutable.
type Scope struct {
	env       *Env
	container string // names in this package need no prefix
	vars      map[string]Type
	hints     map[string]string // for names that are not variables here
	uses      map[string]bool   // gets the variables that expressions read; may be nil
}

// Scope returns a scope without variables. Types and enums of the package need
// no prefix in it.
func (e *Env) Scope(pkg protoreflect.FullName) *Scope {
	return &Scope{env: e, container: string(pkg), vars: map[string]Type{}, hints: map[string]string{}}
}

// With returns the scope with one more variable.
func (s *Scope) With(name string, t Type) *Scope {
	out := *s
	out.vars = maps.Clone(s.vars)
	out.vars[name] = t
	return &out
}

// Hint returns the scope with advice for those who use a name that is not a
// variable of it.
func (s *Scope) Hint(name, hint string) *Scope {
	out := *s
	out.hints = maps.Clone(s.hints)
	out.hints[name] = hint
	return &out
}

// cel returns CEL's environment for the scope.
func (s *Scope) cel() (*cel.Env, error) {
	opts := []cel.EnvOption{cel.Container(s.container), cel.Variable(runVariable, cel.DynType)}
	key := s.container
	for _, name := range slices.Sorted(maps.Keys(s.vars)) {
		opts = append(opts, cel.Variable(name, s.vars[name].t))
		key += "\n" + name + " " + s.vars[name].String()
	}
	s.env.mu.Lock()
	defer s.env.mu.Unlock()
	if env := s.env.envs[key]; env != nil {
		return env, nil
	}
	env, err := s.env.base.Extend(opts...)
	if err != nil {
		return nil, fmt.Errorf("variables %s: %w", strings.Join(slices.Sorted(maps.Keys(s.vars)), ", "), err)
	}
	s.env.envs[key] = env
	return env, nil
}

// Noting returns the scope with a set to which every variable is added that an
// expression compiled in the scope reads.
func (s *Scope) Noting(uses map[string]bool) *Scope {
	out := *s
	out.uses = uses
	return &out
}

// In returns the scope with another package whose names need no prefix.
func (s *Scope) In(pkg protoreflect.FullName) *Scope {
	out := *s
	out.container = string(pkg)
	return &out
}

// TypeOf returns the type of a variable, and whether there is one.
func (s *Scope) TypeOf(name string) (Type, bool) {
	t, ok := s.vars[name]
	return t, ok
}
