package runner

import (
	"time"

	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
)

// Failed is a call that failed, as far as it takes to make it again.
type Failed struct {
	File     *scenario.File
	Method   string // package.Service/Method
	Metadata metadata.MD
	Timeout  time.Duration // 0 is none
	Messages []string      // JSON
	// Alone says that Messages, followed by a half-close, are the whole of what
	// the client does. If not, only a run of the file makes the same call.
	Alone bool
}

// reproduce notes in the report how a call that failed was made.
func (f *fileRun) reproduce(out *report.Step, step *scenario.Step, o outcome) {
	out.Exchange = o.exchange
	for i := range out.Exchange {
		out.Exchange[i].JSON = f.secrets.hide(out.Exchange[i].JSON)
	}
	if f.Reproduce == nil {
		return
	}
	failed := Failed{
		File: f.program.File, Method: schema.MethodName(step.Method), Metadata: metadata.MD{}, Timeout: step.Timeout,
		Alone: o.alone && f.program.File.Faults == nil && step.Attempts == nil,
	}
	for key, values := range o.metadata {
		for _, value := range values {
			failed.Metadata.Append(key, f.secrets.hide(value))
		}
	}
	for _, message := range o.requested {
		failed.Messages = append(failed.Messages, f.secrets.hide(message))
	}
	out.Reproduce, out.Grpcurl = f.Reproduce(failed)
}

// maxRepeated bounds, in bytes, the messages that a command repeats: a shell
// takes no line of any length, and a reader none that is long.
const maxRepeated = 4 << 10

// repeatable returns the messages of the call as JSON, and whether sending
// them, one after the other, makes the same call.
func (s *script) repeatable(v *scenario.Vars) (messages []string, alone bool) {
	if !straight(s.step.Ops) {
		return nil, false
	}
	size := 0
	keep := func(text string) bool {
		size += len(text)
		messages = append(messages, text)
		return size <= maxRepeated
	}
	first, _, _ := s.call.exchange.kept()
	for _, one := range first {
		if one.direction == directionOut && (one.raw == nil && one.size > 0 || !keep(s.json(one))) {
			return nil, false
		}
	}
	if len(messages) == s.call.sent && s.call.sent > 0 {
		return messages, true
	}
	// Messages were not sent, or not kept: the file says what they are. A fork,
	// so that later steps get the random values that they would have got.
	all, err := s.step.Requests(v.Fork(0, nil))
	if err != nil {
		return nil, false
	}
	messages, size = nil, 0
	for _, m := range all {
		if !keep(dynamic.JSON(m, s.types)) {
			return nil, false
		}
	}
	return messages, true
}

// straight reports whether operations send all they send before they look at
// what comes, and neither wait nor cancel.
func straight(ops []scenario.Op) bool {
	received := false
	for _, op := range ops {
		switch op := op.(type) {
		case *scenario.Send:
			if received {
				return false
			}
		case *scenario.Repeat:
			if received || !straight(op.Do) || containsReceive(op.Do) {
				return false
			}
		case *scenario.Recv, *scenario.RecvUntil, *scenario.RecvAll:
			received = true
		case *scenario.HalfClose, *scenario.End:
		default:
			return false
		}
	}
	return true
}

// containsReceive reports whether one of the operations takes messages.
func containsReceive(ops []scenario.Op) bool {
	for _, op := range ops {
		if isRecv(op) {
			return true
		}
	}
	return false
}
