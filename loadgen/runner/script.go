package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// script runs the operations of one call.
//
// The first operation that finds something ends the script: what follows it
// relied on it. All that this operation found is kept. If it found that the
// call had ended too early, the status is judged as well, since it tells why:
// a call that fails half-way is a failure of its status, not of the message
// that never came.
type script struct {
	ctx   context.Context
	call  *call
	step  *scenario.Step
	file  *source.File
	types schema.Types
	guard time.Duration // bound of an operation that has no other

	taken int // messages taken by operations
	// over says that the operation that found something had seen the end of
	// the call; cut that it found nothing else.
	over, cut bool
}

// grace is how long beyond the RPC's own deadline an operation waits: the call
// ends by itself then, and its status tells more than the guard could.
const grace = time.Second

// judge runs the whole script and returns what was found.
func (s *script) judge(v *scenario.Vars) []scenario.Finding {
	found := s.run(s.step.Ops, v)
	ended := s.call.inbox.ending()
	if len(found) == 0 || !s.over || ended == nil {
		return found
	}
	end, ok := s.step.Ops[len(s.step.Ops)-1].(*scenario.End)
	if !ok {
		return found
	}
	// A fork, since a step that failed saves nothing.
	why := end.Check(v.Fork(0, nil), s.outcome(ended))
	if s.cut && slices.ContainsFunc(why, aboutStatus) {
		return why
	}
	return append(why, found...)
}

// aboutStatus reports whether a finding is about the status of the call.
func aboutStatus(f scenario.Finding) bool { return strings.HasPrefix(f.Field, "status") }

// run executes operations in order and returns what the first that found
// something has found.
func (s *script) run(ops []scenario.Op, v *scenario.Vars) []scenario.Finding {
	for _, op := range ops {
		if found := s.do(op, v); len(found) > 0 {
			return found
		}
		if s.ctx.Err() != nil {
			return nil // interrupted; the caller knows
		}
	}
	return nil
}

// do executes one operation.
func (s *script) do(op scenario.Op, v *scenario.Vars) []scenario.Finding {
	switch op := op.(type) {
	case *scenario.Send:
		return s.send(op, v)
	case *scenario.Recv:
		return s.recv(op, v)
	case *scenario.RecvUntil:
		return s.recvUntil(op, v)
	case *scenario.RecvAll:
		return s.recvAll(op, v)
	case *scenario.RecvNone:
		return s.recvNone(op)
	case *scenario.HalfClose:
		s.call.halfClose()
	case *scenario.Cancel:
		s.call.cancelled = true
		s.call.cancel()
	case *scenario.Sleep:
		transport.Pause(s.ctx, op.For)
	case *scenario.Repeat:
		return s.repeat(op, v)
	case *scenario.End:
		return s.end(op, v)
	default:
		return one(op.Position(), "script", "an operation that this runner knows", fmt.Sprintf("%T", op), "not an operation")
	}
	return nil
}

// one returns a single finding at an operation.
func one(pos source.Pos, field, want, got, message string) []scenario.Finding {
	return []scenario.Finding{{Pos: pos, Field: field, Want: want, Got: got, Message: message}}
}

// mistakes turns an error of evaluating something into findings, at the places
// that it names.
func mistakes(pos source.Pos, field string, err error) []scenario.Finding {
	var all source.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		return []scenario.Finding{{Pos: pos, Field: field, Message: err.Error()}}
	}
	var found []scenario.Finding
	for _, e := range all {
		message := e.Msg
		if e.Hint != "" {
			message += " (" + e.Hint + ")"
		}
		found = append(found, scenario.Finding{Pos: e.Pos, Field: field, Message: message})
	}
	return found
}

// bound returns how long an operation that starts now may wait: as long as it
// says itself, else as long as the call may run, else the guard.
func (s *script) bound(within time.Duration) time.Duration {
	switch {
	case within > 0:
		return within
	case s.step.Timeout > 0:
		return time.Until(s.call.start.Add(s.step.Timeout + grace))
	}
	return s.guard
}

// send sends one message. A call that has ended takes none; whether it should
// have ended is for the operations that receive, and for end.
func (s *script) send(op *scenario.Send, v *scenario.Vars) []scenario.Finding {
	msg, err := op.Message(v)
	if err != nil {
		return mistakes(op.Pos, "send", err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return mistakes(op.Pos, "send", err)
	}
	bound := s.bound(0)
	if s.call.send(raw, bound) {
		return s.stuck(op.Pos, bound, "send", "the message is sent",
			fmt.Sprintf("flow control holds it back: the server does not read its %d bytes", len(raw)))
	}
	return nil
}

// repeat runs operations several times.
func (s *script) repeat(op *scenario.Repeat, v *scenario.Vars) []scenario.Finding {
	for i := range op.Count {
		found := s.run(op.Do, v.Child(map[string]any{"i": i}))
		if len(found) > 0 || s.ctx.Err() != nil {
			return found
		}
	}
	return nil
}

// end waits for the status of the call and judges it. Messages that nobody
// took are a failure, unless the script cancelled the call: what was on its
// way then is chance.
func (s *script) end(op *scenario.End, v *scenario.Vars) []scenario.Finding {
	bound := s.bound(0)
	ended := s.call.end(time.Now().Add(bound))
	if ended == nil {
		return append(s.stuck(op.Pos, bound, "end", "the call ends", "it goes on"), s.leftover(op.Pos)...)
	}
	found := op.Check(v, s.outcome(ended))
	if s.call.cancelled {
		return found
	}
	if left := s.leftover(op.Pos); left != nil {
		return append(found, left...)
	}
	return append(found, s.cardinality(op.Pos, ended)...)
}

// cardinality finds a method without a stream of responses that has answered
// OK with another number of messages than one: no check looked at a message
// that is not there.
func (s *script) cardinality(pos source.Pos, ended *ending) []scenario.Finding {
	received, _ := s.call.inbox.counts()
	if s.step.Method.IsStreamingServer() || s.call.status(ended).Code() != codes.OK || received == 1 {
		return nil
	}
	return one(pos, "messages", "1", strconv.Itoa(received),
		fmt.Sprintf("%s ended OK with %d messages: it answers with exactly one", s.step.Call, received))
}

// outcome is how the call ended, for the checks on it.
func (s *script) outcome(ended *ending) scenario.Outcome {
	received, _ := s.call.inbox.counts()
	return scenario.Outcome{
		Status: s.call.status(ended), Header: ended.header, Trailer: ended.trailer, Types: s.types,
		Duration: ended.at, Sent: s.call.sent, Received: received,
	}
}
