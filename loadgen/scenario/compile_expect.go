package scenario

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/assert"
	"touchstone/server/source"
)

// checkExpect reports expectations of a step that do not go with its kind or
// with each other.
func (s *stepCompiler) checkExpect(d *StepDecl) {
	e := d.expect
	message := e.message
	if message == nil {
		message = e.json
	}
	if s.step.Method.IsStreamingServer() && message != nil {
		s.r.Errorf(message.Pos, "%s answers with a stream, not with one message", s.step.Call).Hint =
			"write `each:` for what goes for every message, or `messages:` for a list of them"
	}
	if message != nil && len(e.status) > 0 && !slices.Contains(e.status, codes.OK) {
		s.r.Errorf(message.Pos, "there is no message when the status is %s", StatusName(e.status[0]))
	}
	if d.cancel != nil && (message != nil || e.each != nil || e.messages != nil || e.count != nil) {
		s.r.Errorf(e.pos, "cancel and expected messages exclude each other").Hint = "write a script, with recv before cancel"
	}
}

// checkKind reports expectations on streams for a method that answers once.
func (s *stepCompiler) checkKind(e *expectDecl) {
	if s.step.Method.IsStreamingServer() {
		return
	}
	report := func(pos source.Pos, what string) {
		s.r.Errorf(pos, "%s needs a stream of responses; %s answers with one message", what, s.step.Call).Hint = "write `message:` for what it should be"
	}
	if e.count != nil {
		report(e.countPos, "count")
	}
	if len(e.each) > 0 {
		report(e.each[0].Pos, "each")
	}
	if e.messages != nil {
		report(e.messages.Pos, "messages")
	}
}

// patternOptions are how the patterns of an expectation are meant.
func (e *expectDecl) patternOptions(json bool) assert.PatternOptions {
	return assert.PatternOptions{Exact: e.options.exact, Unordered: e.options.unordered, JSON: json}
}

// recvAll compiles what is expected of all messages.
func (s *stepCompiler) recvAll(d *opDecl) Op {
	e := d.expect
	s.checkKind(e)
	o := &RecvAll{place: place{d.pos}, Count: e.count, FirstWithin: e.firstWithin, Within: e.within, countPos: e.countPos, step: s.step}
	o.each.step = s.step
	if e.message != nil {
		o.each.patterns = append(o.each.patterns, s.here().Message(s.r, e.message, s.output(), e.patternOptions(false)))
	}
	if e.json != nil {
		o.each.patterns = append(o.each.patterns, s.here().Message(s.r, e.json, s.output(), e.patternOptions(true)))
	}
	for _, n := range e.each {
		if n.Kind == source.Object {
			o.each.patterns = append(o.each.patterns, s.here().Message(s.r, n, s.output(), e.patternOptions(false)))
		} else {
			o.each.conditions = append(o.each.conditions, s.conditions(s.received(), []*source.Node{n})...)
		}
	}
	if e.messages != nil {
		o.messages = s.messages(e)
	}
	o.conditions = s.ownConditions(d)
	return o
}

// ownConditions compiles the assert of a recv_all in a script. In the short
// form the same expectation is judged at the end, with more variables.
func (s *stepCompiler) ownConditions(d *opDecl) []*assert.Expr {
	if d.expect.short {
		return nil
	}
	scope := s.here().With(varMessages, assert.List(assert.Message(s.output()))).With(varCount, assert.TypeOf(0))
	return s.conditions(scope, d.expect.options.asserts)
}

// messages compiles the patterns of a list of messages.
func (s *stepCompiler) messages(e *expectDecl) *messageList {
	list := &messageList{pos: e.messages.Pos, unordered: e.options.unordered}
	for _, n := range e.messages.Items {
		list.patterns = append(list.patterns, s.here().Message(s.r, n, s.output(), e.patternOptions(false)))
		list.nodes = append(list.nodes, n)
	}
	return list
}

// ended is the scope in which the outcome is judged.
func (s *stepCompiler) ended() *assert.Scope {
	text := assert.TypeOf("")
	texts := assert.TypeOf(map[string]string(nil))
	return s.here().
		With(varMsg, assert.Message(s.output())).
		With(varMessages, assert.List(assert.Message(s.output()))).
		With(varCount, assert.TypeOf(0)).
		With(varStatus, text).With(varStatusMessage, text).
		With(varHeader, texts).With(varTrailer, texts).
		With(varTook, assert.TypeOf(s.step.Timeout))
}

// end compiles what is expected of the outcome.
func (s *stepCompiler) end(d *opDecl) Op {
	e := d.expect
	o := &End{place: place{d.pos}, step: s.step, status: e.status, statusPos: e.statusPos}
	if o.status == nil {
		o.status, o.statusPos = []codes.Code{s.defaultStatus()}, d.pos
	}
	if e.statusText != nil {
		o.statusText = s.here().Text(s.r, e.statusText)
	}
	for _, detail := range e.details {
		if check, ok := s.detail(detail, e); ok {
			o.details = append(o.details, check)
		}
	}
	o.headers = append(s.headers(e.header, varHeader), s.headers(e.trailer, varTrailer)...)
	o.conditions = s.conditions(s.ended(), e.options.asserts)
	o.saves = s.saves(s.ended(), d.save)
	s.step.keep = s.step.keep || len(o.conditions)+len(o.saves) > 0
	return o
}

func (s *stepCompiler) detail(d detailDecl, e *expectDecl) (detailCheck, bool) {
	mt, err := s.schema.Types().FindMessageByName(protoreflect.FullName(d.typeName))
	if err != nil {
		s.r.Errorf(d.pos, "the target does not know type %q", d.typeName).Hint = source.DidYouMean(d.typeName, errorDetails)
		return detailCheck{}, false
	}
	pattern := s.here().Message(s.r, d.pattern, mt.Descriptor(), e.patternOptions(false))
	return detailCheck{d.typeName, d.pattern.Pos, pattern}, true
}

// errorDetails are the types that details mostly are of.
var errorDetails = []string{"google.rpc.BadRequest", "google.rpc.DebugInfo", "google.rpc.ErrorInfo", "google.rpc.Help",
	"google.rpc.LocalizedMessage", "google.rpc.PreconditionFailure", "google.rpc.QuotaFailure", "google.rpc.RequestInfo",
	"google.rpc.ResourceInfo", "google.rpc.RetryInfo"}

// headers compiles patterns for response metadata.
func (s *stepCompiler) headers(n *source.Node, of string) []headerCheck {
	if n == nil {
		return nil
	}
	var checks []headerCheck
	for _, f := range n.Fields {
		check := headerCheck{key: f.Key, of: of, node: f.Value}
		for _, item := range s.r.List(f.Value) {
			check.values = append(check.values, s.here().Text(s.r, item))
		}
		checks = append(checks, check)
	}
	return checks
}
