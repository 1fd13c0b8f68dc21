package safety

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// Transport returns a transport whose calls go through the guard: a Starter if
// inner is one, an Opener if inner is one. Waiting is not part of a call's
// service time.
func (g *Guard) Transport(inner transport.Transport) transport.Transport {
	plain := guarded{inner, g}
	starter, starts := inner.(transport.Starter)
	opener, opens := inner.(transport.Opener)
	switch {
	case starts && opens:
		return struct {
			guardedStarter
			guardedOpener
		}{guardedStarter{plain, starter}, guardedOpener{opener, g}}
	case starts:
		return guardedStarter{plain, starter}
	case opens:
		return struct {
			guarded
			guardedOpener
		}{plain, guardedOpener{opener, g}}
	}
	return plain
}

type guarded struct {
	transport.Transport
	guard *Guard
}

// Do waits for its turn and makes the call.
func (t guarded) Do(ctx context.Context, req *transport.Request, res *transport.Result) {
	if !t.guard.Enter(ctx) {
		now := time.Now()
		*res = transport.Result{Status: codes.Canceled, Message: "the run ended before the call's turn", Start: now, Done: now, Gap: res.Gap, Each: res.Each}
		return
	}
	t.Transport.Do(ctx, req, res)
	t.guard.Leave(res.Status != codes.OK)
}

type guardedStarter struct {
	guarded
	starter transport.Starter
}

// Start makes the call, at once if its turn is now. Only a call that has to
// wait takes a goroutine. It ends with the call's turn, or with ctx: the call is
// handed on even then, since its end is the transport's to tell, and one whose
// context has ended is not sent.
func (t guardedStarter) Start(ctx context.Context, req *transport.Request, res *transport.Result, end transport.Ender) {
	if t.guard.tryEnter() {
		t.starter.Start(ctx, req, res, leaving{t.guard, end})
		return
	}
	go func() {
		if t.guard.Enter(ctx) {
			end = leaving{t.guard, end}
		}
		t.starter.Start(ctx, req, res, end)
	}()
}

// leaving tells the guard of a call's end before anybody else, who may start
// the next one.
type leaving struct {
	guard *Guard
	end   transport.Ender
}

// Ended implements transport.Ender.
func (l leaving) Ended(res *transport.Result) {
	l.guard.Leave(res.Status != codes.OK)
	l.end.Ended(res)
}

type guardedOpener struct {
	opener transport.Opener
	guard  *Guard
}

// Open waits for the call's turn and opens it. One whose context ends first is
// not sent, and ends at once.
func (t guardedOpener) Open(ctx context.Context, req *transport.Request) transport.Stream {
	if !t.guard.Enter(ctx) {
		return t.opener.Open(ctx, req)
	}
	return &guardedStream{Stream: t.opener.Open(ctx, req), guard: t.guard}
}

// guardedStream leaves the guard when it ends.
type guardedStream struct {
	transport.Stream
	guard *Guard
	once  sync.Once
}

// Recv implements transport.Stream.
func (s *guardedStream) Recv() ([]byte, error) {
	m, err := s.Stream.Recv()
	if err != nil {
		s.leave()
	}
	return m, err
}

// Cancel implements transport.Stream.
func (s *guardedStream) Cancel() {
	s.Stream.Cancel()
	s.leave()
}

func (s *guardedStream) leave() {
	s.once.Do(func() {
		ended := s.Status() // nil: it is about to be cancelled
		s.guard.Leave(ended == nil || ended.Code() != codes.OK)
	})
}
