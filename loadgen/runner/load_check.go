package runner

import (
	"context"
	"fmt"

	"google.golang.org/grpc/status"

	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// checker judges responses of a load as the steps' own calls are judged: their
// scripts run again, over what has come.
type checker struct{ parts []checkedPart }

// checkedPart is one step of a load.
type checkedPart struct {
	file   *fileRun
	step   *scenario.Step
	period int // after how many calls they repeat
}

// add adds the step of the next part.
func (c *checker) add(f *fileRun, step *scenario.Step, period int) {
	judged := *step
	judged.Ops = withoutWaits(step.Ops)
	c.parts = append(c.parts, checkedPart{f, &judged, period})
}

// withoutWaits leaves out what only takes time: the call is over.
func withoutWaits(ops []scenario.Op) []scenario.Op {
	var out []scenario.Op
	for _, op := range ops {
		switch op := op.(type) {
		case *scenario.Sleep, *scenario.RecvNone:
		case *scenario.Repeat:
			inner := *op
			inner.Do = withoutWaits(op.Do)
			out = append(out, &inner)
		default:
			out = append(out, op)
		}
	}
	return out
}

// judge returns what is wrong with a call of a load, "" for nothing.
func (c *checker) judge(part, k int, messages [][]byte, res *transport.Result) string {
	p := c.parts[part]
	call := &call{cancel: func() {}, inbox: newInbox(), start: res.Start, sent: res.Sent}
	for i, raw := range messages {
		at := res.Done
		if i == 0 {
			at = res.FirstMessage
		}
		call.inbox.put(context.Background(), arrival{raw: raw, at: at.Sub(res.Start)})
	}
	call.inbox.end(ending{status: status.New(res.Status, res.Message), at: res.Done.Sub(res.Start)})
	s := &script{
		ctx: context.Background(), call: call, step: p.step, file: p.file.program.File.Source,
		types: p.file.target.Schema.Types(), guard: p.file.Guard,
	}
	found := s.judge(p.file.program.CallVars(p.file.vars, k%p.period))
	if len(found) == 0 {
		return ""
	}
	return p.file.wrong(found[0])
}

// wrong is a finding as one line.
func (f *fileRun) wrong(finding scenario.Finding) string {
	failure := f.failure(finding)
	text := fmt.Sprintf("%s:%d:%d: %s", failure.File, failure.Line, failure.Column, failure.Field)
	if failure.Want != "" || failure.Got != "" {
		text += fmt.Sprintf(": want %s, got %s", failure.Want, failure.Got)
	}
	if failure.Message != "" {
		text += ": " + failure.Message
	}
	return text
}
