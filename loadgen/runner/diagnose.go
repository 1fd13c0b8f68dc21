package runner

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/server/source"
)

// This file puts into words what kept an operation from getting what it
// waited for.

// missing is the finding of an operation that got no message: since the call
// has ended, or since none came within the bound.
func (s *script) missing(pos source.Pos, bound time.Duration, field, want string, ended *ending) []scenario.Finding {
	if ended == nil {
		return s.stuck(pos, bound, field, want, "nothing")
	}
	s.over, s.cut = true, true
	got := "the end of the call with " + statusText(s.call, ended)
	return one(pos, field, want, got, fmt.Sprintf("want %s, got %s; %s", want, got, s.bothEnds()))
}

// stuck is the finding of an operation whose bound has passed. It names both
// ends: where we are, what we did, and what came of it.
func (s *script) stuck(pos source.Pos, bound time.Duration, field, want, got string) []scenario.Finding {
	bound = bound.Round(time.Millisecond)
	return one(pos, field, fmt.Sprintf("%s within %v", want, bound), got,
		fmt.Sprintf("stuck for %v at %s:%d:%d: %s", bound, s.file.Name, pos.Line, pos.Col, s.bothEnds()))
}

// bothEnds says how far the two sides of the call have come.
func (s *script) bothEnds() string {
	received, last := s.call.inbox.counts()
	parts := []string{fmt.Sprintf("sent %d", s.call.sent), fmt.Sprintf("received %d", received)}
	switch {
	case s.call.cancelled:
		parts = append(parts, "cancelled")
	case s.call.halfClosed:
		parts = append(parts, "half-closed")
	default:
		parts = append(parts, "not half-closed")
	}
	if received == 0 {
		return strings.Join(append(parts, "no message yet"), ", ")
	}
	return fmt.Sprintf("%s, the last message after %v: %s", strings.Join(parts, ", "), last.at.Round(time.Microsecond), s.textOf(last))
}

// leftover is the finding of messages that no operation took.
func (s *script) leftover(pos source.Pos) []scenario.Finding {
	n, first := s.call.inbox.left()
	if n == 0 {
		return nil
	}
	got := fmt.Sprintf("%d more", n)
	return one(pos, "messages", fmt.Sprintf("%d", s.taken), got,
		fmt.Sprintf("want %d messages, got %s; the first of them: %s", s.taken, got, s.textOf(first)))
}

// statusText returns a status as "CODE" or "CODE: message".
func statusText(c *call, ended *ending) string {
	st := c.status(ended)
	name := report.StatusName(uint32(st.Code()))
	if st.Message() == "" {
		return name
	}
	return fmt.Sprintf("%s: %q", name, st.Message())
}

// maxText bounds, in bytes, how much of a message is shown.
const maxText = 300

// maxShown bounds, in bytes as encoded, what is turned into text at all.
const maxShown = 64 << 10

// textOf returns an encoded message as JSON.
func (s *script) textOf(a arrival) string {
	if len(a.raw) > maxShown {
		return fmt.Sprintf("a message of %d bytes", len(a.raw))
	}
	msg, err := s.unmarshal(a.raw)
	if err != nil {
		return fmt.Sprintf("%d bytes that are no %s", len(a.raw), s.step.Method.Output().FullName())
	}
	return s.text(msg)
}

// text returns a message as JSON, cut to a length that can be read.
func (s *script) text(msg proto.Message) string {
	if size := proto.Size(msg); size > maxShown {
		return fmt.Sprintf("a message of %d bytes", size)
	}
	text := dynamic.JSON(msg, s.types)
	if len(text) <= maxText {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:maxText], ""), len(text))
}
