package runner

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/report"
)

// Limits on what a call keeps of its messages for the report: the first and
// the last of them, each up to a size. Messages that operations judge are
// kept elsewhere; these here are for a reader.
const (
	keptFirst    = 20
	keptLast     = 10
	keptBytes    = maxShown // of one message, as encoded
	keptJSON     = 2000     // of one message, as text
	directionOut = "send"
	directionIn  = "recv"
	directionGap = "skip" // stands for messages that were not kept
)

// said is one message of a call.
type said struct {
	direction string
	at        time.Duration // from the start of the call
	raw       []byte        // encoded; nil when it is longer than keptBytes
	size      int
}

// exchange keeps what was said on a call, as long as the call is short. Its
// script and its receiver add to it.
type exchange struct {
	mu    sync.Mutex // guards what follows
	first []said
	last  []said // a ring of keptLast
	n     int    // of all messages
}

// add notes a message. It keeps raw, which nobody changes any more.
func (e *exchange) add(direction string, at time.Duration, raw []byte) {
	one := said{direction: direction, at: at, raw: raw, size: len(raw)}
	if len(raw) > keptBytes {
		one.raw = nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch i := e.n - keptFirst; {
	case i < 0:
		e.first = append(e.first, one)
	case i < keptLast:
		e.last = append(e.last, one)
	default:
		e.last[i%keptLast] = one
	}
	e.n++
}

// kept returns the first messages, how many were left out after them, and the
// last ones.
func (e *exchange) kept() (first []said, skipped int, last []said) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if later := e.n - keptFirst; later > keptLast {
		start := later % keptLast
		return e.first, later - keptLast, append(e.last[start:len(e.last):len(e.last)], e.last[:start]...)
	}
	return e.first, 0, e.last
}

// messages returns the exchange of the script's call as the report has it.
func (s *script) messages() []report.Message {
	first, skipped, last := s.call.exchange.kept()
	out := make([]report.Message, 0, len(first)+len(last)+1)
	for _, one := range first {
		out = append(out, s.shown(one))
	}
	if skipped > 0 {
		out = append(out, report.Message{Direction: directionGap, TMS: report.Milliseconds(last[0].at),
			JSON: fmt.Sprintf("%d messages left out", skipped)})
	}
	for _, one := range last {
		out = append(out, s.shown(one))
	}
	return out
}

// shown returns a message as the report has it.
func (s *script) shown(one said) report.Message {
	text := s.json(one)
	if len(text) > keptJSON {
		text = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:keptJSON], ""), len(text))
	}
	return report.Message{Direction: one.direction, TMS: report.Milliseconds(one.at), JSON: text}
}

// json returns a message as JSON, or says why there is none.
func (s *script) json(one said) string {
	md := s.step.Method.Output()
	if one.direction == directionOut {
		md = s.step.Method.Input()
	}
	if one.size > keptBytes {
		return fmt.Sprintf("a message of %d bytes", one.size)
	}
	msg, err := s.decodeAs(md, one.raw)
	if err != nil {
		return fmt.Sprintf("%d bytes that are no %s", one.size, md.FullName())
	}
	return dynamic.JSON(msg, s.types)
}

// decodeAs decodes a message by the target's own types. A required field that
// is missing is for the checks to find.
func (s *script) decodeAs(md protoreflect.MessageDescriptor, raw []byte) (proto.Message, error) {
	msg := dynamicpb.NewMessage(md)
	return msg, proto.UnmarshalOptions{Resolver: s.types, AllowPartial: true}.Unmarshal(raw, msg)
}
