package engine

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"touchstone/loadgen/transport"
)

// run is one run of a load.
type run struct {
	Config
	start    time.Time // offset 0 of the schedule
	measured time.Time // end of the warm-up

	// pacing is the context in which calls are started: it ends with that of
	// the caller, or when the run is aborted. calls is that of the calls.
	pacing context.Context
	stop   context.CancelCauseFunc
	calls  context.Context
	cut    context.CancelFunc

	starter transport.Starter // nil: a call takes a goroutine
	parts   []*part
	mix     mix
	shards  []*shard
	idle    idle
	workers chan *flight  // to goroutines that wait for a call
	over    atomic.Bool   // no more calls are started
	ended   chan struct{} // closed when over and no call is under way
	endOnce sync.Once

	inFlight atomic.Int64 // calls under way, those of the warm-up included; of a closed loop, callers
	next     atomic.Int64 // number of the next call of a closed loop
	taken    atomic.Int64 // calls of Requests that were started
	// coolFrom is the offset at which calls stop to count.
	coolFrom atomic.Int64

	// What follows is written by the pacer only, and read when it has ended:
	// offsets of calls that count, -1 for none, and whether the schedule was
	// followed for all of Duration; and when the last call of all was due.
	firstDue, lastDue time.Duration
	fullTime          bool
	before            time.Duration
}

func newRun(ctx context.Context, cfg Config) *run {
	start := time.Now()
	r := &run{
		Config: cfg, start: start, measured: start.Add(cfg.Warmup),
		workers: make(chan *flight), ended: make(chan struct{}),
	}
	r.pacing, r.stop = context.WithCancelCause(ctx)
	calls := ctx
	if cfg.Cut != nil {
		calls = context.WithoutCancel(ctx)
	}
	r.calls, r.cut = context.WithCancel(calls)
	if cfg.Think == 0 { // a caller that thinks needs its goroutine anyway
		r.starter, _ = cfg.Transport.(transport.Starter)
	}
	r.firstDue = -1
	r.coolFrom.Store(math.MaxInt64)
	if cfg.Duration > 0 {
		r.coolFrom.Store(int64(cfg.Warmup + cfg.Duration))
	}
	for _, p := range cfg.Mix {
		part := newPart(len(r.parts), p)
		if part.opener = r.opener(part); part.opener != nil {
			r.starter = nil // such a call takes goroutines
		}
		r.parts = append(r.parts, part)
	}
	r.mix = newMix(cfg.Mix, cfg.Seed)
	for range 2 * runtime.GOMAXPROCS(0) {
		r.shards = append(r.shards, &shard{tallies: r.newTallies()})
	}
	return r
}

// part is a part of the mix, and what the pacer counts of it.
type part struct {
	Part
	index   int
	first   *transport.Request
	streams bool
	opener  transport.Opener // nil unless round trips are measured

	next               atomic.Int64 // number of its next call
	due, sent, dropped atomic.Int64 // of the calls that count
}

func newPart(index int, p Part) *part {
	first := &transport.Request{}
	if p.Make != nil {
		p.Make(0, first)
	} else {
		first = p.Next(0)
	}
	return &part{Part: p, index: index, first: first, streams: first.Kind != transport.Unary}
}

// phase is what a call is for, by the offset at which it is due.
type phase int

const (
	warm phase = iota
	counted
	cool
	past // no call any more
)

// phase returns what a call at an offset is for.
func (r *run) phase(offset time.Duration) phase {
	switch from := time.Duration(r.coolFrom.Load()); {
	case offset < r.Warmup:
		return warm
	case offset < from:
		return counted
	case offset-from < r.Cooldown:
		return cool
	}
	return past
}

// take counts one call of Requests, and is false when it is one too many.
func (r *run) take(offset time.Duration) bool {
	if r.Requests == 0 {
		return true
	}
	n := r.taken.Add(1)
	if n == int64(r.Requests) {
		r.coolFrom.Store(int64(offset + 1))
	}
	return n <= int64(r.Requests)
}

// leave notes that a call is no longer under way.
func (r *run) leave() {
	if r.inFlight.Add(-1) == 0 && r.over.Load() {
		r.end()
	}
}

// finish notes that no more calls are started. Either it or the last call that
// leaves sees both over and none under way.
func (r *run) finish() {
	r.over.Store(true)
	if r.inFlight.Load() == 0 {
		r.end()
	}
}

func (r *run) end() { r.endOnce.Do(func() { close(r.ended) }) }

// abortDrain is what is left of Drain when a run was aborted: the target is in
// trouble, and nobody wants to wait.
const abortDrain = time.Second

// drain waits for the calls under way, and cancels them when the caller's
// context ends or the time for it has passed.
func (r *run) drain() {
	wait := r.Drain
	if r.aborted() != "" {
		wait = min(wait, abortDrain)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
	case <-r.calls.Done():
	case <-r.Cut:
	}
	r.cut()
	<-r.ended
}

// abort is the cause of a run's end that AbortOn asked for.
type abort struct{ reason string }

// Error returns the reason.
func (a abort) Error() string { return a.reason }

// aborted returns why the run was aborted, "" when it was not.
func (r *run) aborted() string {
	if a, ok := errors.AsType[abort](context.Cause(r.pacing)); ok {
		return a.reason
	}
	return ""
}
