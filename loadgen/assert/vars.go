package assert

import (
	"maps"
	"math/rand/v2"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Vars are the values of variables. Neither a Vars nor a child and its parent
// may be used concurrently; forks may.
type Vars struct {
	parent *Vars
	values map[string]any
	run    *run // of all that stem from one NewVars or Fork
	seed   uint64
}

// NewVars returns values for one run: env looks up environment variables, and
// the seed decides what random functions return.
func (e *Env) NewVars(env func(string) (string, bool), seed uint64) *Vars {
	v := &Vars{values: map[string]any{}, seed: seed}
	v.values["env"] = environment{types.NewStringStringMap(e.p, nil), env}
	v.run = newRun(seed, 0)
	return v
}

// Child returns a scope in which the given values shadow those of v.
func (v *Vars) Child(values map[string]any) *Vars {
	return &Vars{parent: v, values: values, run: v.run, seed: v.seed}
}

// Fork returns a copy of v with more values. What is set in it stays in it, and
// its random values depend on the seed and on n only.
func (v *Vars) Fork(n uint64, values map[string]any) *Vars {
	out := &Vars{values: map[string]any{}, run: newRun(v.seed, n+1), seed: v.seed}
	for scope := v; scope != nil; scope = scope.parent {
		for name, value := range scope.values {
			if _, shadowed := out.values[name]; !shadowed {
				out.values[name] = value
			}
		}
	}
	maps.Copy(out.values, values)
	return out
}

// Set gives a variable a value that is seen from v, from its parents, and from
// all that stem from them later.
func (v *Vars) Set(name string, value any) {
	for v.parent != nil {
		v = v.parent
	}
	v.values[name] = value
}

// Get returns the value of a variable as Set got it, and whether there is one.
func (v *Vars) Get(name string) (any, bool) {
	for scope := v; scope != nil; scope = scope.parent {
		if value, ok := scope.values[name]; ok {
			return value, true
		}
	}
	return nil, false
}

// activation shows values to CEL.
type activation struct{ v *Vars }

// ResolveName returns the value of a variable.
func (a activation) ResolveName(name string) (any, bool) {
	if name == runVariable {
		return a.v.run, true
	}
	return a.v.Get(name)
}

// Parent returns nil: ResolveName looks everywhere.
func (a activation) Parent() cel.Activation { return nil }

// environment is the map of environment variables, which are looked up as they
// are asked for.
type environment struct {
	traits.Mapper
	lookup func(string) (string, bool)
}

// Find returns an environment variable.
func (e environment) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.Value().(string)
	if !ok || e.lookup == nil {
		return nil, false
	}
	value, ok := e.lookup(name)
	return types.String(value), ok
}

// Get returns an environment variable, or an error.
func (e environment) Get(key ref.Val) ref.Val {
	if value, ok := e.Find(key); ok {
		return value
	}
	return types.NewErr("no such key: %v", key.Value())
}

// Contains tests whether an environment variable is set.
func (e environment) Contains(key ref.Val) ref.Val {
	_, ok := e.Find(key)
	return types.Bool(ok)
}

// run is what functions know of the run that they are called in. It is a value
// of CEL, so that it can be handed to them as a hidden argument.
type run struct {
	types.Null // for the methods that nothing calls
	random     *rand.ChaCha8
}

func newRun(seed, n uint64) *run {
	var key [32]byte
	for i := range 8 {
		key[i], key[8+i] = byte(seed>>(8*i)), byte(n>>(8*i))
	}
	return &run{random: rand.NewChaCha8(key)}
}

// now is the time as the function of that name returns it.
func (r *run) now() time.Time { return time.Now().UTC() }
