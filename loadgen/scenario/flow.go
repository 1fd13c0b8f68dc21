package scenario

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
)

// flow is how far a call has come at some place of its script. It tells, before
// anything runs, operations that cannot work.
type flow struct {
	times                            int // how often the place is run through
	sends, recvs                     int
	closed, drained, cancelled, over bool
	autoClosed                       bool // closed without having been asked to
}

// once are the operations that a call has one of.
var once = []string{opHalfClose, opCancel, opRecvAll, opEnd}

// check reports an operation that cannot work here, and takes note of it.
func (s *stepCompiler) check(op *opDecl) {
	f := &s.flow
	switch {
	case f.over:
		s.r.Errorf(op.pos, "%s is never reached: the call has ended", op.kind)
	case f.times > 1 && slices.Contains(once, op.kind):
		s.r.Errorf(op.pos, "%s cannot be repeated", op.kind)
	case op.kind == opSend:
		s.checkSend(op)
	case op.kind == opRecv || op.kind == opRecvUntil || op.kind == opRecvAll || op.kind == opRecvNone:
		s.checkRecv(op)
	case op.kind == opHalfClose:
		if f.closed && !f.autoClosed {
			s.r.Errorf(op.pos, "half_close comes twice")
		}
		f.closed, f.autoClosed = true, false
	case op.kind == opCancel:
		f.cancelled = true
	case op.kind == opEnd:
		s.checkEnd(op)
	}
}

func (s *stepCompiler) checkSend(op *opDecl) {
	f := &s.flow
	f.sends = min(f.sends+f.times, maxCount)
	switch {
	case !s.step.Method.IsStreamingClient() && f.sends > 1:
		s.r.Errorf(op.pos, "%s takes one message, this is one more", s.step.Call).Hint = "only streams of requests take several"
	case f.cancelled:
		s.r.Errorf(op.pos, "send after cancel")
	case f.closed:
		s.r.Errorf(op.pos, "send after half_close")
	}
}

func (s *stepCompiler) checkRecv(op *opDecl) {
	f := &s.flow
	stream := s.step.Method.IsStreamingServer()
	if op.kind == opRecv {
		f.recvs = min(f.recvs+f.times, maxCount)
	}
	switch {
	case f.drained:
		s.r.Errorf(op.pos, "%s after recv_all: no message is left", op.kind)
	case op.kind == opRecvUntil && !stream:
		s.r.Errorf(op.pos, "recv_until needs a stream of responses; %s answers once", s.step.Call)
	case !stream && f.recvs > 1:
		s.r.Errorf(op.pos, "%s answers with one message, this is one more", s.step.Call)
	case !s.step.Method.IsStreamingClient() && f.sends == 0 && op.kind != opRecvNone:
		s.r.Errorf(op.pos, "%s before send: there is no request yet", op.kind)
	case op.kind == opRecvAll && !f.closed && !f.cancelled:
		s.r.Errorf(op.pos, "recv_all before half_close: the stream does not end").Hint = "add `- half_close: {}` before it"
	}
	f.drained = f.drained || op.kind == opRecvAll
}

func (s *stepCompiler) checkEnd(op *opDecl) {
	f := &s.flow
	f.over = true
	method := s.step.Method
	succeeds := len(op.expect.status) == 0 && !f.cancelled || slices.Contains(op.expect.status, codes.OK)
	if succeeds && method.IsStreamingClient() && !method.IsStreamingServer() && !f.closed {
		s.r.Errorf(op.pos, "end before half_close: %s answers when its requests have ended", s.step.Call).Hint = "add `- half_close: {}` before it"
	}
}

// finish reports what is missing at the end of a script.
func (s *stepCompiler) finish(d *StepDecl) {
	if !s.step.Method.IsStreamingClient() && s.flow.sends == 0 {
		s.r.Errorf(d.Pos, "the script of %q sends no message", d.ID).Hint = fmt.Sprintf("%s takes one", s.step.Call)
	}
}
