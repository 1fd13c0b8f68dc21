package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// Compile checks a file against a schema and turns it into operations. The
// error is a [source.Errors] with every mistake, those that [Parse] reported
// included.
func Compile(f *File, s *schema.Schema, opts Options) (*Program, error) {
	env, err := assert.NewEnv(s)
	if err != nil {
		return nil, err
	}
	c := &compiler{
		r: &source.Reporter{File: f.Source}, schema: s, env: env,
		program: &Program{File: f, env: env},
		steps:   map[*StepDecl]*Step{}, captures: map[string]bool{},
	}
	c.r.Add(f.mistakes...)
	c.file(f, opts)
	if err := c.r.Err(); err != nil {
		return nil, err
	}
	return c.program, nil
}

// compiler compiles one file.
type compiler struct {
	r       *source.Reporter
	schema  *schema.Schema
	env     *assert.Env
	program *Program
	steps   map[*StepDecl]*Step
	scope   *assert.Scope // what is known at the place that is being compiled

	captures map[string]bool // of the steps so far
}

func (c *compiler) file(f *File, opts Options) {
	c.scope = c.env.Scope("").With(varEnv, assert.TypeOf(map[string]string(nil)))
	c.hints(f)
	for _, field := range f.vars {
		tree := c.scope.Tree(c.r, field.Value)
		c.program.vars = append(c.program.vars, variable{field.Key, tree})
		c.scope = c.scope.With(field.Key, tree.Type())
	}
	read := opts.ReadFile
	if read == nil {
		read = readFile
	}
	c.program.rows = f.data.load(c.r, read)
	if f.data != nil {
		c.scope = c.scope.With(varRow, assert.Dynamic())
	}
	for _, d := range f.Steps {
		if step := c.step(f, d); step != nil {
			c.steps[d] = step
			c.program.Steps = append(c.program.Steps, step)
		}
	}
	for _, l := range f.loads {
		c.load(l, filepath.Dir(f.Source.Name), read)
	}
}

// hints prepares advice on names that exist, but not everywhere.
func (c *compiler) hints(f *File) {
	for name, hint := range map[string]string{
		varMsg:           "msg is the message received: it is known in `assert`, `each` and `save`",
		varIndex:         "index is known where each message of a stream is checked",
		varMessages:      "messages is known when the stream has ended: in `expect`, `recv_all` and `end`",
		varCount:         "count is known when the stream has ended: in `expect`, `recv_all` and `end`",
		varStatus:        "status is known when the call has ended: in `expect` and `end`",
		varStatusMessage: "status_message is known when the call has ended: in `expect` and `end`",
		varHeader:        "header is known when the call has ended: in `expect` and `end`",
		varTrailer:       "trailer is known when the call has ended: in `expect` and `end`",
		varTook:          "took is known when the call has ended: in `expect` and `end`",
		varI:             "i is known where something is repeated",
		varRow:           "row is a row of `data:`, which this file does not have",
	} {
		c.scope = c.scope.Hint(name, hint)
	}
	for _, name := range statusNames {
		c.scope = c.scope.Hint(name, fmt.Sprintf("a status is a text: write %q in quotes", name))
	}
	for _, d := range slices.Backward(f.Steps) {
		for _, save := range d.saves() {
			c.scope = c.scope.Hint(save.Key, fmt.Sprintf("it is saved on line %d, by step %q, which is later than here", save.Pos.Line, d.ID))
		}
	}
}

// saves returns all that a step saves.
func (d *StepDecl) saves() []source.Field {
	saves := slices.Clone(d.save)
	var visit func([]*opDecl)
	visit = func(ops []*opDecl) {
		for _, op := range ops {
			saves = append(saves, op.save...)
			visit(op.do)
		}
	}
	visit(d.ops)
	return saves
}

func (c *compiler) step(f *File, d *StepDecl) *Step {
	method, err := c.schema.Method(d.Call)
	if err != nil {
		c.reportMethod(d, err)
		for _, save := range d.saves() {
			c.scope = c.scope.With(save.Key, assert.Dynamic())
		}
		return nil
	}
	step := &Step{
		ID: d.ID, Description: d.Description, Pos: d.Pos, Call: d.Call, Method: method,
		Timeout: cmp.Or(d.timeout, f.timeout), Skip: d.skip, Repeat: d.repeat, ForEach: d.forEach != nil,
		Attempts: d.attempts,
	}
	s := &stepCompiler{compiler: c, step: step, locals: map[string]assert.Type{}, uses: map[string]bool{}}
	before := c.saved()
	if d.forEach != nil {
		if f.data == nil {
			c.r.Errorf(d.forEach.Pos, "for_each: row needs rows").Hint = "name a file with `data:` at the top"
		}
	}
	if d.forEach != nil || d.repeat > 1 {
		s.locals[varI] = assert.TypeOf(0)
	}
	step.metadata = s.metadata(f.metadata, d.metadata)
	s.work(d)
	for _, op := range step.Ops {
		end, ok := op.(*End)
		step.beyondLoad = ok && (len(end.headers)+len(end.details) > 0 || s.uses[varHeader] || s.uses[varTrailer])
	}
	for _, name := range before {
		if s.uses[name] {
			step.Needs = append(step.Needs, name)
		}
	}
	return step
}

// saved returns the names of the captures so far, sorted.
func (c *compiler) saved() []string { return slices.Sorted(maps.Keys(c.captures)) }

func (c *compiler) reportMethod(d *StepDecl, err error) {
	if d.Call == "" {
		return // reported as missing, or as no string
	}
	if missing, ok := errors.AsType[*schema.NotFound](err); ok {
		c.r.Errorf(d.callPos, "the target offers no %s %q", missing.Kind, missing.Name).Hint = missing.Hint
		return
	}
	c.r.Errorf(d.callPos, "%v", err)
}

func (c *compiler) load(l *loadDecl, folder string, read func(string) ([]byte, error)) {
	load := l.load
	load.Parts = slices.Clone(load.Parts)
	for i, step := range l.steps {
		load.Parts[i].Step = c.steps[step]
		if load.Parts[i].Step == nil {
			return // reported already
		}
		if load.Parts[i].Step.cancels {
			c.r.Errorf(load.Pos, "step %q cancels its call, which a load cannot do", step.ID)
		}
		if load.Assert > 0 && load.Parts[i].Step.beyondLoad {
			c.r.Errorf(load.Pos, "step %q expects headers, trailers or details, which a load does not keep", step.ID).Hint = "leave assert out, or make a step without them for the load"
		}
	}
	paired := false
	for i := range load.Parts {
		load.Parts[i].RoundTrip = c.pair(l.pair, load.Parts[i].Step)
		paired = paired || load.Parts[i].RoundTrip != nil
	}
	if l.pair != nil && !paired {
		c.r.Errorf(l.pair.pos, "round_trip is for bidi streams, and the load has none")
	}
	load.Arrival.readTrace(c.r, folder, read)
	if load.Duration == 0 && load.Requests == 0 {
		load.Duration = load.Arrival.Length()
	}
	c.program.Loads = append(c.program.Loads, &load)
}

// stepCompiler compiles one step.
type stepCompiler struct {
	*compiler
	step   *Step
	locals map[string]assert.Type // variables of the step alone
	uses   map[string]bool        // variables that its expressions read
	flow   flow
}

// here returns the scope at the place that is being compiled.
func (s *stepCompiler) here() *assert.Scope {
	scope := s.scope.In(s.step.Method.ParentFile().Package()).Noting(s.uses)
	for name, t := range s.locals {
		scope = scope.With(name, t)
	}
	return scope
}

func (s *stepCompiler) input() protoreflect.MessageDescriptor  { return s.step.Method.Input() }
func (s *stepCompiler) output() protoreflect.MessageDescriptor { return s.step.Method.Output() }

// metadata compiles the file's and the step's metadata; the step's goes before.
func (s *stepCompiler) metadata(file, step *source.Node) []header {
	var headers []header
	seen := map[string]bool{}
	for _, n := range []*source.Node{step, file} {
		if n == nil {
			continue
		}
		for _, f := range n.Fields {
			if !seen[f.Key] {
				headers = append(headers, header{f.Key, s.here().Tree(s.r, f.Value), s.r.File})
			}
			seen[f.Key] = true
		}
	}
	return headers
}

// saves compiles expressions in scope, and makes their names known from here
// on.
func (s *stepCompiler) saves(scope *assert.Scope, fields []source.Field) []save {
	var saves []save
	for _, f := range fields {
		t := assert.Dynamic()
		if x := scope.Expr(s.r, f.Value); x != nil {
			saves = append(saves, save{f.Key, f.Pos, x})
			t = x.Type()
		}
		if slices.ContainsFunc(s.program.vars, func(v variable) bool { return v.name == f.Key }) {
			s.r.Errorf(f.Pos, "%q is one of the file's vars", f.Key).Hint = "save it under another name"
			continue
		}
		if before, ok := s.scope.TypeOf(f.Key); ok && before.String() != t.String() {
			t = assert.Dynamic()
		}
		s.captures[f.Key] = true
		s.scope = s.scope.With(f.Key, t)
	}
	return saves
}

// conditions compiles expressions that have to hold.
func (s *stepCompiler) conditions(scope *assert.Scope, nodes []*source.Node) []*assert.Expr {
	var conditions []*assert.Expr
	for _, n := range nodes {
		if x := scope.Condition(s.r, n); x != nil {
			conditions = append(conditions, x)
		}
	}
	return conditions
}
