package runner

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/scenario"
	"touchstone/server/source"
)

// recv takes the next message.
func (s *script) recv(op *scenario.Recv, v *scenario.Vars) []scenario.Finding {
	bound := s.bound(op.Within)
	a, ok, ended := s.call.next(time.Now().Add(bound))
	if !ok {
		return s.missing(op.Pos, bound, "recv", "a message", ended)
	}
	msg, found := s.decode(op.Pos, a)
	if len(found) > 0 {
		return found
	}
	return op.Check(v, msg, s.taken-1)
}

// decode counts a message as taken and decodes it.
func (s *script) decode(pos source.Pos, a arrival) (proto.Message, []scenario.Finding) {
	s.taken++
	msg, err := s.unmarshal(a.raw)
	if err != nil {
		return nil, one(pos, "message", "a message of type "+string(s.step.Method.Output().FullName()),
			fmt.Sprintf("%d bytes that are none", len(a.raw)), fmt.Sprintf("message %d cannot be decoded: %v", s.taken, err))
	}
	return msg, nil
}

// unmarshal decodes a response.
func (s *script) unmarshal(raw []byte) (proto.Message, error) {
	return s.decodeAs(s.step.Method.Output(), raw)
}

// recvUntil takes messages up to the one that is waited for.
func (s *script) recvUntil(op *scenario.RecvUntil, v *scenario.Vars) []scenario.Finding {
	bound := s.bound(op.Within)
	deadline := time.Now().Add(bound)
	var last proto.Message
	for range op.Max {
		a, ok, ended := s.call.next(deadline)
		if !ok {
			return s.missing(op.Pos, bound, "recv_until", "the message waited for", ended)
		}
		msg, found := s.decode(op.Pos, a)
		if len(found) > 0 {
			return found
		}
		switch wanted, err := op.Until(v, msg, s.taken-1); {
		case err != nil:
			return mistakes(op.Pos, "recv_until", err)
		case wanted:
			return op.Check(v, msg, s.taken-1)
		}
		last = msg
	}
	return one(op.Pos, "recv_until", fmt.Sprintf("the message waited for among %d", op.Max), "none of them is it",
		fmt.Sprintf("took %d messages without finding the one waited for; the last: %s", op.Max, s.text(last)))
}

// Limits on one recv_all, which holds its messages for the checks on all of
// them: in bytes as encoded, and in number.
const (
	maxAllBytes    = 256 << 20
	maxAllMessages = 1_000_000
)

// maxFindings bounds what recv_all reports: the first few tell it all.
const maxFindings = 10

// recvAll takes all messages up to the end of the call.
func (s *script) recvAll(op *scenario.RecvAll, v *scenario.Vars) []scenario.Finding {
	bound := s.bound(op.Within)
	deadline := time.Now().Add(bound)
	var found []scenario.Finding
	var msgs []proto.Message
	for size := 0; ; {
		a, ok, ended := s.call.next(deadline)
		if ended != nil {
			break
		}
		if !ok {
			return append(found, s.stuck(op.Pos, bound, "recv_all", "the end of the stream", "it goes on")...)
		}
		if size += len(a.raw); size > maxAllBytes && len(msgs) > 0 || len(msgs) == maxAllMessages {
			return append(found, one(op.Pos, "count", "a stream that ends",
				fmt.Sprintf("more than %d messages of %d bytes", len(msgs), size), "the stream is too long to be checked as a whole")...)
		}
		msg, mistaken := s.decode(op.Pos, a)
		if len(mistaken) > 0 {
			return append(found, mistaken...)
		}
		if len(msgs) == 0 {
			found = append(found, s.late(op, a)...)
		}
		msgs = append(msgs, msg)
		if len(found) < maxFindings {
			found = append(found, op.CheckEach(v, msg, s.taken-1)...)
		}
	}
	whole := op.CheckAll(v, msgs)
	s.over, s.cut = len(found)+len(whole) > 0, len(found) == 0
	return append(found, whole...)
}

// late finds a first message that came too late, counted from the start of the
// call.
func (s *script) late(op *scenario.RecvAll, first arrival) []scenario.Finding {
	if op.FirstWithin <= 0 || first.at <= op.FirstWithin {
		return nil
	}
	return one(op.Pos, "first_within", op.FirstWithin.String(), first.at.Round(time.Microsecond).String(),
		fmt.Sprintf("the first message came %v after the start of the call, later than %v", first.at.Round(time.Microsecond), op.FirstWithin))
}

// recvNone waits for nothing to come. The end of the call is nothing, too.
func (s *script) recvNone(op *scenario.RecvNone) []scenario.Finding {
	a, ok, _ := s.call.next(time.Now().Add(op.For))
	if !ok {
		return nil
	}
	got := s.textOf(a)
	return one(op.Pos, "recv_none", fmt.Sprintf("no message for %v", op.For), got,
		fmt.Sprintf("a message came %v after the start of the call: %s", a.at.Round(time.Microsecond), got))
}
