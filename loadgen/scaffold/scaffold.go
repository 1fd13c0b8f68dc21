// Package scaffold writes the first scenario files for a target: a file for
// each service, with a step for each method, which sends a template of its
// request and expects what the method was seen to answer.
//
// It is pure: who tries the methods hands over what came.
package scaffold

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/render"
	"touchstone/loadgen/schema"
)

// Outcome is what a method answered when its template was sent.
type Outcome struct {
	Status   string // such as OK
	Message  string // of the status
	Received int    // messages
	// Endless says that the call had not ended when the time for it was over.
	Endless bool
}

// Timeout is the deadline of steps, and the time that a method is tried for.
const Timeout = 2 * time.Second

// File returns the scenario file of a service. outcomes has what was seen of
// its methods, by their names; a step whose method is not among them is
// skipped, with the reason.
func File(service protoreflect.ServiceDescriptor, outcomes map[protoreflect.Name]Outcome) []byte {
	w := &writer{}
	w.line(0, "# yaml-language-server: $schema=./scenario.schema.json")
	w.line(0, "#")
	w.line(0, "# Written by `loadgen init`, for you to go on with: fill in the messages, and")
	w.line(0, "# say under expect what has to come back.")
	w.line(0, "version: 1")
	w.line(0, "name: %s", service.FullName())
	w.line(0, "tags: [smoke]")
	w.line(0, "steps:")
	for i := range service.Methods().Len() {
		md := service.Methods().Get(i)
		outcome, seen := outcomes[md.Name()]
		w.step(md, outcome, seen)
	}
	return []byte(w.b.String())
}

// Name returns the name of a service's file.
func Name(service protoreflect.ServiceDescriptor) string { return string(service.FullName()) + ".yaml" }

// Services returns the services that are worth a file: reflection is not the
// target's own.
func Services(s *schema.Schema) []protoreflect.ServiceDescriptor {
	return slices.DeleteFunc(s.Services(), func(sd protoreflect.ServiceDescriptor) bool {
		return strings.HasPrefix(string(sd.FullName()), "grpc.reflection.")
	})
}

// writer collects the lines of a file.
type writer struct{ b strings.Builder }

// line writes a line at a depth of indentation.
func (w *writer) line(depth int, format string, args ...any) {
	fmt.Fprintf(&w.b, strings.Repeat("  ", depth)+format+"\n", args...)
}

// commented writes a line with a comment at its end.
func (w *writer) commented(depth int, text, comment string) {
	if comment != "" {
		text += "  # " + comment
	}
	w.line(depth, "%s", text)
}

func (w *writer) step(md protoreflect.MethodDescriptor, outcome Outcome, seen bool) {
	w.line(1, "# rpc %s (%s) returns (%s)", md.Name(), typed(md.Input(), md.IsStreamingClient()), typed(md.Output(), md.IsStreamingServer()))
	w.line(1, "- id: %s", md.Name())
	w.line(2, "call: %s", schema.MethodName(md))
	if !seen {
		w.line(2, "skip: not tried yet; fill in the message, say what to expect, and take this line away")
	}
	w.line(2, "timeout: %v", Timeout)
	if md.IsStreamingClient() {
		w.line(2, "send:")
		w.listed(3, md.Input(), nil)
	} else {
		w.message(2, "send", md.Input(), nil)
	}
	if seen {
		w.expect(outcome)
	}
}

// typed names a type as a .proto file does.
func typed(md protoreflect.MessageDescriptor, stream bool) string {
	if stream {
		return "stream " + string(md.FullName())
	}
	return string(md.FullName())
}

// expect writes what the method was seen to answer.
func (w *writer) expect(o Outcome) {
	switch {
	case o.Endless && o.Received > 0:
		w.line(2, "cancel: {after_messages: 1}  # the stream goes on for longer than %v", Timeout)
		w.line(2, "expect: {status: CANCELLED}")
		return
	case o.Endless:
		w.line(2, "expect:")
		w.commented(3, "status: [DEADLINE_EXCEEDED, CANCELLED]", "nothing came within "+Timeout.String())
		return
	}
	w.line(2, "expect:")
	comment := "what it answered; say more, such as message: {field: value}"
	switch {
	case o.Status != "OK":
		comment = "what it answered to this message"
		if o.Message != "" {
			comment += ": " + render.Cut(render.Visible(o.Message), 80)
		}
	case o.Received > 1:
		comment = fmt.Sprintf("what it answered, with %d messages; say more, such as count: %d", o.Received, o.Received)
	}
	w.commented(3, "status: "+o.Status, comment)
}
