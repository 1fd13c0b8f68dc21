package engine

import (
	"time"

	"touchstone/loadgen/transport"
)

// closedLoop makes each caller's calls one after the other.
func (r *run) closedLoop() {
	over := make(chan struct{})
	r.inFlight.Add(1) // so that it does not end before every caller has begun
	for i := range r.Closed {
		f := newFlight(r)
		f.caller, f.lane = true, i
		r.inFlight.Add(1)
		if r.starter == nil {
			go r.call(f)
		} else if r.claim(f, time.Now()) {
			r.starter.Start(r.calls, f.request, &f.result, f)
		} else {
			r.leave()
		}
	}
	r.over.Store(true) // the callers end by themselves
	r.leave()
	go func() {
		r.untilOver()
		close(over)
	}()
	select {
	case <-over:
	case <-r.ended:
	}
	r.drain()
	r.stop(nil)
	<-over
}

// untilOver waits until no more calls are started. It does not rely on the
// callers: all of them may be waiting for the target.
func (r *run) untilOver() {
	var deadline <-chan time.Time
	if r.Duration > 0 {
		timer := time.NewTimer(time.Until(r.measured.Add(r.Duration + r.Cooldown)))
		defer timer.Stop()
		deadline = timer.C
	}
	select {
	case <-deadline:
	case <-r.ended:
	case <-r.pacing.Done():
	}
}

// claim makes f the next call of its caller; it is false when there is none.
func (r *run) claim(f *flight, now time.Time) bool {
	if r.pacing.Err() != nil || r.calls.Err() != nil {
		return false
	}
	offset := now.Sub(r.start)
	phase := r.phase(offset)
	if phase == counted && !r.take(offset) {
		phase = cool
		if r.Cooldown == 0 {
			phase = past
		}
	}
	if phase == past {
		return false
	}
	f.load(int(r.next.Add(1)-1), phase == counted)
	f.due = time.Time{}
	if f.counts {
		f.part.due.Add(1)
		f.part.sent.Add(1)
	}
	return true
}

// call is a caller with a goroutine of its own.
func (r *run) call(f *flight) {
	defer r.leave()
	for now := time.Now(); r.claim(f, now); now = f.result.Done {
		f.do()
		f.record()
		if r.Think > 0 {
			if !r.think() {
				return
			}
			f.result.Done = time.Now()
		}
	}
}

// think waits for a caller's next call; it is false when there will be none.
func (r *run) think() bool {
	if r.phase(time.Since(r.start)+r.Think) == past {
		return false
	}
	return transport.Pause(r.pacing, r.Think) && r.calls.Err() == nil
}
