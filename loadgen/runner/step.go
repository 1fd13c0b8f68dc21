package runner

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// fileRun is one file that runs.
type fileRun struct {
	*run
	program *scenario.Program
	target  *Target
	vars    *scenario.Vars
}

// maxFailedCalls ends a step that makes its call many times: that many calls
// that failed are enough to see why.
const maxFailedCalls = 10

// step makes the calls of a step, one after the other, and sums them up.
func (f *fileRun) step(ctx context.Context, step *scenario.Step) report.Step {
	switch missing := f.missing(step); {
	case ctx.Err() != nil:
		return skipped(step, interrupted)
	case step.Skip != "":
		return skipped(step, step.Skip)
	case missing != "":
		return skipped(step, fmt.Sprintf("it needs %q, which no step has saved", missing))
	}
	out := newStep(step)
	start := time.Now()
	calls, failed := f.calls(step), 0
	for k := range calls {
		o := f.call(ctx, step, f.scope(step, k))
		if ctx.Err() != nil {
			// What was cut short tells nothing of the target.
			out.Reason = interrupted
			break
		}
		f.add(&out, step, o, k)
		if len(o.found) == 0 {
			continue
		}
		if failed++; failed == maxFailedCalls && k+1 < calls {
			out.Failures = append(out.Failures, f.failure(scenario.Finding{Pos: step.Pos, Field: "step",
				Want: fmt.Sprintf("%d calls", calls), Got: fmt.Sprintf("%d", k+1),
				Message: fmt.Sprintf("stopped after %d of %d calls, of which %d failed", k+1, calls, failed)}))
			break
		}
	}
	out.DurationMS = report.Milliseconds(time.Since(start))
	return out
}

// missing returns a value that a step needs and that was never saved, since
// the step that saves it failed or did not run; "" when there is none.
func (f *fileRun) missing(step *scenario.Step) string {
	for _, name := range step.Needs {
		if _, saved := f.vars.Get(name); !saved {
			return name
		}
	}
	return ""
}

// calls returns how many calls a step makes.
func (f *fileRun) calls(step *scenario.Step) int {
	if step.ForEach {
		return f.program.Rows()
	}
	return max(step.Repeat, 1)
}

// scope returns the variables of the k-th call of a step.
func (f *fileRun) scope(step *scenario.Step, k int) *scenario.Vars {
	switch {
	case step.ForEach:
		return f.program.RowVars(f.vars, k)
	case step.Repeat > 1:
		return f.vars.Child(map[string]any{"i": k})
	}
	return f.vars
}

// newStep returns the result of a step that has not run.
func newStep(step *scenario.Step) report.Step {
	kind := transport.KindOf(step.Method.IsStreamingClient(), step.Method.IsStreamingServer())
	return report.Step{ID: step.ID, Line: step.Pos.Line, Call: step.Call, Kind: kind.String()}
}

// skipped returns the result of a step that does not run.
func skipped(step *scenario.Step, reason string) report.Step {
	out := newStep(step)
	out.Reason = reason
	return out
}

// outcome is what came of one call.
type outcome struct {
	status         *status.Status
	sent, received int
	attempts       []report.Attempt
	found          []scenario.Finding

	// Of a call that failed.
	exchange  []report.Message
	metadata  metadata.MD
	requested []string // messages, as JSON
	alone     bool     // requested is all it takes
}

// call makes one call of a step.
func (f *fileRun) call(ctx context.Context, step *scenario.Step, v *scenario.Vars) outcome {
	md, err := step.Metadata(v)
	if err != nil {
		return outcome{found: mistakes(step.Pos, "metadata", err)}
	}
	bound := f.Guard
	if step.Timeout > 0 {
		bound = step.Timeout + grace
	}
	callCtx, attempts := transport.RecordAttempts(ctx)
	c, stuck := newCall(callCtx, callConfig{
		conn: f.target.Conn, method: fullMethod(step.Method), metadata: md, timeout: step.Timeout, bound: bound,
	})
	s := &script{ctx: ctx, call: c, step: step, file: f.program.File.Source, types: f.target.Schema.Types(), guard: f.Guard}
	var found []scenario.Finding
	if stuck {
		found = s.stuck(step.Pos, bound, "call", "the call starts", "no connection for it")
	} else {
		found = s.judge(v)
	}
	c.close()
	policy := policyOf(f.target.ServiceConfig, step.Method)
	o := outcome{status: c.status(c.inbox.ending()), sent: c.sent, found: found}
	attempts.Ended(o.status.Code(), retriedCode(policy))
	o.attempts = attempts.List()
	o.received, _ = c.inbox.counts()
	if step.Attempts != nil {
		o.found = append(o.found, judgeAttempts(step.Attempts, o.attempts, policy)...)
	}
	if len(o.found) > 0 {
		o.exchange, o.metadata = s.messages(), md
		o.requested, o.alone = s.repeatable(v)
	}
	return o
}

// fullMethod returns the name of a method on the wire.
func fullMethod(md protoreflect.MethodDescriptor) string {
	return "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
}

// add adds a call to the result of its step. Status and attempts are those of
// the last call, but of the first that failed once there is one.
func (f *fileRun) add(out *report.Step, step *scenario.Step, o outcome, k int) {
	out.Sent += o.sent
	out.Received += o.received
	if len(out.Failures) == 0 && o.status != nil {
		out.Status, out.StatusMessage = report.StatusName(uint32(o.status.Code())), f.secrets.hide(o.status.Message())
		out.Attempts = nil
		if len(o.attempts) > 1 || step.Attempts != nil {
			out.Attempts = o.attempts
		}
	}
	if len(out.Failures) == 0 && len(o.found) > 0 {
		f.reproduce(out, step, o)
	}
	for _, finding := range o.found {
		failure := f.failure(finding)
		if calls := f.calls(step); calls > 1 {
			failure.Message = fmt.Sprintf("call %d of %d: %s", k+1, calls, failure.Message)
		}
		out.Failures = append(out.Failures, failure)
	}
}

// failure is a finding as the report has it.
func (f *fileRun) failure(finding scenario.Finding) report.Failure {
	file := f.program.File.Source
	return report.Failure{
		File: file.Name, Line: finding.Pos.Line, Column: finding.Pos.Col, Source: file.Line(finding.Pos.Line),
		Field: finding.Field, Want: f.secrets.hide(finding.Want), Got: f.secrets.hide(finding.Got), Message: f.secrets.hide(finding.Message),
	}
}
