package scenario

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/report"
	"touchstone/server/source"
)

// Options are the surroundings of a compilation.
type Options struct {
	// ReadFile reads a data file, whose name is relative to the working
	// directory. Nil reads from disk.
	ReadFile func(name string) ([]byte, error)
}

// Program is a scenario file that fits a schema: every method, field, type and
// expression in it has been checked. It is immutable.
type Program struct {
	File  *File
	Steps []*Step
	Loads []*Load

	env  *assert.Env
	vars []variable
	rows []any
}

// NewVars evaluates the file's `vars:` and returns the scope that the file's
// steps run in. env looks environment variables up; the same seed gives the
// same random values. The error is a [source.Errors].
func (p *Program) NewVars(env func(string) (string, bool), seed uint64) (*Vars, error) {
	v := p.env.NewVars(env, seed)
	if len(p.rows) > 0 {
		v.Set(varRow, p.rows[0])
	}
	for _, variable := range p.vars {
		value, err := variable.tree.Eval(v)
		if err != nil {
			return nil, asErrors(err)
		}
		v.Set(variable.name, value)
	}
	return v, nil
}

// Rows returns the number of rows of the file's data.
func (p *Program) Rows() int { return len(p.rows) }

// RowVars returns the scope of one run of a step with `for_each: row`: `row`
// is row k, and `i` is k. What it saves is seen by later steps.
func (p *Program) RowVars(v *Vars, k int) *Vars {
	return v.Child(map[string]any{varRow: p.rows[k], varI: k})
}

// CallVars returns the scope of the k-th call of a load, with a random stream
// of its own: `row` is row k modulo their number, and `i` is k. What it saves
// is seen by nobody else, so calls may run concurrently.
func (p *Program) CallVars(v *Vars, k int) *Vars {
	values := map[string]any{varI: k}
	if len(p.rows) > 0 {
		values[varRow] = p.rows[k%len(p.rows)]
	}
	return v.Fork(uint64(k), values)
}

// Data returns the rows of the data.
func (p *Program) Data() []any { return p.rows }

// Step is one call, or several of the same (see Repeat and ForEach).
type Step struct {
	ID          string
	Description string
	Pos         source.Pos
	Call        string // as written
	Method      protoreflect.MethodDescriptor
	Timeout     time.Duration // 0 is none
	Skip        string        // the reason not to run it; "" runs it
	Repeat      int           // how often it runs, at least 1
	ForEach     bool          // it runs once for every row of the data
	Ops         []Op
	Attempts    *Attempts // nil is not judged
	Needs       []string  // captures of earlier steps that it reads, sorted; see [Vars.Get]

	metadata []header
	cancels  bool
	// beyondLoad says that it expects what a load does not keep.
	beyondLoad bool
	keep       bool // the end looks at the messages
}

// header is one key of request metadata.
type header struct {
	key  string
	tree *assert.Tree
	file *source.File
}

// Metadata returns the request metadata. The error is a [source.Errors].
func (s *Step) Metadata(v *Vars) (metadata.MD, error) {
	md := metadata.MD{}
	for _, h := range s.metadata {
		n, err := h.tree.Node(v)
		if err != nil {
			return nil, asErrors(err)
		}
		items := []*source.Node{n}
		if n.Kind == source.List {
			items = n.Items
		}
		for _, item := range items {
			value, err := h.value(item)
			if err != nil {
				return nil, h.fail(item.Pos, err)
			}
			md.Append(h.key, value)
		}
	}
	return md, nil
}

// value returns a value of the header: what is binary is written in base64.
func (h header) value(n *source.Node) (string, error) {
	switch n.Kind {
	case source.Null, source.List, source.Object:
		return "", fmt.Errorf("%s is not a value", n.Kind)
	}
	if strings.HasSuffix(h.key, "-bin") {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(n.Text, "="))
		if err != nil {
			return "", fmt.Errorf("%q is not base64, which values of a key that ends in -bin are written in", n.Text)
		}
		return string(raw), nil
	}
	for _, r := range n.Text {
		if r < ' ' || r > '~' {
			return "", fmt.Errorf("character %q is not allowed", r)
		}
	}
	return n.Text, nil
}

// fail returns a mistake in a value.
func (h header) fail(pos source.Pos, err error) error {
	r := &source.Reporter{File: h.file}
	r.Errorf(pos, "metadata %s: %v", h.key, err)
	return r.Err()
}

// Requests returns the messages that the step sends, in order, as a load sends
// them: repeats are expanded. The error is a [source.Errors].
func (s *Step) Requests(v *Vars) ([]proto.Message, error) {
	var msgs []proto.Message
	err := eachSend(s.Ops, v, func(o *Send, v *Vars) error {
		m, err := o.Message(v)
		msgs = append(msgs, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return msgs, nil
}

// eachSend calls f for every message that operations send, in order.
func eachSend(ops []Op, v *Vars, f func(*Send, *Vars) error) error {
	for _, op := range ops {
		switch op := op.(type) {
		case *Send:
			if err := f(op, v); err != nil {
				return err
			}
		case *Repeat:
			for i := range op.Count {
				if err := eachSend(op.Do, v.Child(map[string]any{varI: i}), f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Static reports whether every call of the step sends the same messages and
// metadata, so that they can be encoded once.
func (s *Step) Static() bool {
	for _, h := range s.metadata {
		if !h.tree.Static() {
			return false
		}
	}
	return allStatic(s.Ops)
}

func allStatic(ops []Op) bool {
	for _, op := range ops {
		switch op := op.(type) {
		case *Send:
			if op.message == nil {
				return false
			}
		case *Repeat:
			if !allStatic(op.Do) {
				return false
			}
		}
	}
	return true
}

// Attempts are expectations on the attempts that a call was made of. A nil
// field is not judged.
type Attempts struct {
	Pos         source.Pos
	Count       *Range
	Transparent *Range // attempts among Count that were transparent retries
	Backoff     *Backoff
	Previous    []int // grpc-previous-rpc-attempts of each attempt, 0 for none
}

// Backoff is what the gaps between attempts should be.
type Backoff struct {
	Pos    source.Pos
	Policy bool            // as the call's retry policy has it
	Gaps   []time.Duration // or these, in order
}

// Load is the calls of steps as load.
type Load struct {
	Pos         source.Pos
	Name        string // the step's id unless given
	Parts       []Part // the steps that are called; none of a session
	Session     bool   // a call is a run of all steps of the file
	Arrival     Arrival
	Duration    time.Duration // 0 when Requests is given, or the arrival ends by itself
	Requests    int           // 0 when Duration is given
	Warmup      time.Duration
	Cooldown    time.Duration
	MaxInFlight int     // 0 is the engine's default
	Connections int     // 0 is the engine's default
	Transport   string  // "channel" or "wire"
	Assert      float64 // the share of calls whose expectations are checked
	Thresholds  []Threshold
	AbortOn     []report.Abort
}

// Part is a step of a load, and how often it is called in proportion to the
// others.
type Part struct {
	Step      *Step
	Weight    float64
	RoundTrip *RoundTrip // nil is not measured
}

// Threshold is an expression such as "response.p99 < 50ms", not yet parsed.
type Threshold struct {
	Pos        source.Pos
	Expression string
}
