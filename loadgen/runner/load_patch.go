package runner

import (
	"regexp"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/patch"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// The expressions that package patch computes as the language does: of the row,
// of the call's number, and those whose values are new each time.
var (
	ofRow    = regexp.MustCompile(`^\s*row(\.[A-Za-z_]\w*)+\s*$`)
	ofNumber = regexp.MustCompile(`^\s*i(\s*[*%]\s*\d+)?(\s*[-+]\s*\d+)?\s*$`)
	renewed  = regexp.MustCompile(`^\s*(uuid\(\)|now\(\)|random\(\s*\d+\s*\)|bytes\(\s*\d+\s*\))\s*$`)
)

// patched makes a message anew for each call of a step.
type patched struct {
	programs []*patch.Program
	one      transport.Request // all but the messages
}

// patched returns what makes the calls of a step anew, nil when they can be
// encoded before the load starts: those that differ by a row only, or that are
// few. It is nil too when the step's expressions are more than patch computes,
// or when a few calls, made both ways, are not the same.
func (f *fileRun) patched(l *scenario.Load, step *scenario.Step, md metadata.MD) *patched {
	few := l.Requests > 0 && l.Requests <= maxRequests && l.Warmup == 0 && l.Cooldown == 0
	if few || step.Static() {
		return nil
	}
	uses := &uses{}
	templates, ok := f.templates(step, uses)
	if !ok || !uses.number && !uses.renewed && f.program.Rows() <= maxRequests {
		return nil
	}
	first, err := f.request(step, 0)
	if err != nil || len(first.Messages) != len(templates) {
		return nil
	}
	p := &patched{one: *first}
	p.one.Metadata = metadata.Join(md, first.Metadata)
	for i, t := range templates {
		program := f.compile(step, t, uint64(i))
		if program == nil {
			return nil
		}
		p.programs = append(p.programs, program)
	}
	if !uses.renewed && !f.agrees(step, p.programs) {
		return nil
	}
	return p
}

// compile returns the program of a message, nil when there is none.
func (f *fileRun) compile(step *scenario.Step, t scenario.Template, number uint64) *patch.Program {
	r := &source.Reporter{File: f.program.File.Source} // what it reports, the language can do
	cfg := patch.Config{Types: t.Types, Rows: f.program.Data(), Seed: f.Seed + number, Text: patch.Verbatim}
	if t.JSON {
		cfg.Text = patch.TypedJSON
	}
	return patch.Compile(r, step.Method.Input(), t.Node, cfg)
}

// make fills in the k-th call, in the memory that req has.
func (p *patched) make(k int, req *transport.Request) {
	messages := req.Messages
	*req = p.one
	for len(messages) < len(p.programs) {
		messages = append(messages, nil)
	}
	req.Messages = messages[:len(p.programs)]
	call := patch.Call{K: k, Now: time.Now()}
	for i, program := range p.programs {
		req.Messages[i] = program.Append(req.Messages[i][:0], call)
	}
}

// tried are calls that are made both ways, to see that both are the same.
var tried = []int{0, 1, 2, 3, 7, 10, 100, 12345}

// uses is what the expressions of a step take their values from.
type uses struct{ number, renewed bool }

// keep reports whether an expression is one for patch, and notes it.
func (u *uses) keep(expression string) bool {
	number, renews := ofNumber.MatchString(expression), renewed.MatchString(expression)
	u.number, u.renewed = u.number || number, u.renewed || renews
	return number || renews || ofRow.MatchString(expression)
}

// templates returns the step's messages with the expressions for patch left in
// them. It is false when other expressions differ from call to call.
func (f *fileRun) templates(step *scenario.Step, u *uses) ([]scenario.Template, bool) {
	var first []scenario.Template
	for _, k := range tried {
		templates, ok := step.Partial(f.program.CallVars(f.vars, k), u.keep)
		if !ok || first != nil && len(templates) != len(first) {
			return nil, false
		}
		if first == nil {
			first = templates
		}
		for i := range templates {
			if templates[i].Node.JSON() != first[i].Node.JSON() {
				return nil, false
			}
		}
	}
	return first, len(first) > 0
}

// agrees compares a few calls with what the language itself makes of them.
func (f *fileRun) agrees(step *scenario.Step, programs []*patch.Program) bool {
	for _, k := range tried {
		want, err := step.Requests(f.program.CallVars(f.vars, k))
		if err != nil || len(want) != len(programs) {
			return false
		}
		for i, program := range programs {
			got := dynamicpb.NewMessage(step.Method.Input())
			if proto.Unmarshal(program.Append(nil, patch.Call{K: k}), got) != nil || !proto.Equal(got, want[i]) {
				return false
			}
		}
	}
	return true
}
