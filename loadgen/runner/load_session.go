package runner

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// loadSessions runs the file's steps over and over, as sessions that arrive.
func (f *fileRun) loadSessions(ctx context.Context, l *scenario.Load) (report.Load, error) {
	conns, closeAll, err := f.channels(ctx, max(l.Connections, 1), false)
	if err != nil {
		return report.Load{}, err
	}
	defer closeAll()
	cfg := f.config(l)
	s := &sessions{file: f, conns: conns, from: time.Now().Add(l.Warmup), calls: map[string]*sessionCalls{}}
	if l.Duration > 0 {
		s.to = s.from.Add(l.Duration)
	}
	cfg.Transport = s
	request := &transport.Request{Method: "/" + f.program.File.Name}
	cfg.Next = func(int) *transport.Request { return request }
	result, err := engine.Run(ctx, cfg)
	result.Kind, result.Methods = "session", s.methods()
	return result, err
}

// sessions is a transport whose calls are sessions.
type sessions struct {
	file     *fileRun
	conns    []grpc.ClientConnInterface // taken in turn
	from, to time.Time                  // sessions that start within are counted; zero: no end
	next     atomic.Int64

	mu    sync.Mutex // guards calls
	calls map[string]*sessionCalls
}

// sessionCalls is what the calls of one method add up to.
type sessionCalls struct {
	kind      string
	service   *hist.Histogram
	statuses  map[string]int64
	completed int64
}

// Close implements transport.Transport.
func (s *sessions) Close() error { return nil }

// Do implements transport.Transport: it runs one session.
func (s *sessions) Do(ctx context.Context, _ *transport.Request, res *transport.Result) {
	n := s.next.Add(1) - 1
	*res = transport.Result{Start: time.Now()}
	counts := !res.Start.Before(s.from) && (s.to.IsZero() || res.Start.Before(s.to))
	one := *s.file
	target := *s.file.target
	target.Conn = s.conns[n%int64(len(s.conns))]
	one.target, one.vars = &target, s.file.program.CallVars(s.file.vars, int(n))
	for _, step := range s.file.program.Steps {
		if step.Skip != "" {
			continue
		}
		if !s.step(ctx, &one, step, res, counts) {
			break
		}
	}
	res.Done = time.Now()
	if ctx.Err() != nil && res.Status != codes.OK {
		res.Status = codes.Canceled
	}
}

// step makes the calls of a step; it is false when the session ends with it.
func (s *sessions) step(ctx context.Context, f *fileRun, step *scenario.Step, res *transport.Result, counts bool) bool {
	if missing := f.missing(step); missing != "" {
		res.Status, res.Message = codes.Unknown, "step "+step.ID+" needs "+missing+", which no step has saved"
		return false
	}
	for k := range f.calls(step) {
		start := time.Now()
		o := f.call(ctx, step, f.scope(step, k))
		if ctx.Err() != nil {
			res.Status = codes.Canceled
			return false
		}
		res.Attempts += max(len(o.attempts), 1)
		res.Sent, res.Received = res.Sent+o.sent, res.Received+o.received
		if counts {
			s.count(step, &o, time.Since(start))
		}
		if len(o.found) > 0 {
			res.Status, res.Message = codes.Unknown, "step "+step.ID+": "+f.wrong(o.found[0])
			if o.status != nil && o.status.Code() != codes.OK {
				res.Status = o.status.Code()
			}
			return false
		}
	}
	return true
}

// count takes down a call.
func (s *sessions) count(step *scenario.Step, o *outcome, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(fullMethod(step.Method), "/")
	c := s.calls[name]
	if c == nil {
		c = &sessionCalls{kind: newStep(step).Kind, service: hist.New(), statuses: map[string]int64{}}
		s.calls[name] = c
	}
	c.completed++
	c.service.Record(took)
	code := codes.Unknown
	if o.status != nil {
		code = o.status.Code()
	}
	c.statuses[report.StatusName(uint32(code))]++
}

// methods returns the figures of each method. Nobody waits for a call within a
// session, so that response and service times are the same.
func (s *sessions) methods() []report.Method {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all int64
	for _, c := range s.calls {
		all += c.completed
	}
	var out []report.Method
	for _, name := range slices.SortedFunc(maps.Keys(s.calls), cmp.Compare[string]) {
		c := s.calls[name]
		latency := report.Latencies(c.service)
		out = append(out, report.Method{
			Method: name, Kind: c.kind, Weight: float64(c.completed) / float64(all), Sent: c.completed, Completed: c.completed,
			Statuses: c.statuses, Response: latency, Service: latency,
		})
	}
	return out
}
