package engine

import (
	"runtime"
	"sync"
	"time"
)

// openLoop makes the calls that the schedule asks for.
func (r *run) openLoop() {
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(r.workers)
	launch := func(f *flight) { r.starter.Start(r.calls, f.request, &f.result, f) }
	if r.starter == nil {
		launch = func(f *flight) { r.handOut(f, &workers) }
	}
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		// Its own thread: a goroutine that has slept waits for its turn behind
		// those that handle responses, just when there are many of them.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		r.pace(launch)
	}()
	<-paced
	r.finish()
	r.drain()
}

// pace launches each call when it is due. It never waits for a call. When it
// is late it launches everything that is due, one after the other.
func (r *run) pace(launch func(*flight)) {
	w := newWaiter()
	defer w.close()
	k := 0
	for offset := range r.Schedule {
		due := r.start.Add(offset)
		phase := r.phase(offset)
		r.fullTime = r.Duration > 0 && offset >= r.Warmup+r.Duration
		if phase == past || !w.wait(r.pacing, due) {
			return
		}
		r.release(k, offset, phase == counted, launch)
		k++
	}
}

// release launches a call, or drops it when too many are under way.
func (r *run) release(k int, offset time.Duration, counts bool, launch func(*flight)) {
	if counts {
		r.take(offset)
		r.count(offset)
	}
	if r.inFlight.Load() >= int64(r.MaxInFlight) {
		if counts {
			p := r.parts[r.mix.pick(k)]
			p.due.Add(1)
			p.dropped.Add(1)
		}
		return
	}
	r.inFlight.Add(1)
	f := r.idle.get(r)
	f.load(k, counts)
	f.due, f.lane, f.result.Connection = r.start.Add(offset), k, 0
	if counts {
		f.part.due.Add(1)
		f.part.sent.Add(1)
	}
	f.watched = counts && !f.part.streams && offset-r.before >= leisure
	r.before = offset
	launch(f)
}

// leisure is how long after the call before it one is due that is watched
// attempt by attempt, so that an example can show them. It costs a microsecond,
// which closed loops and high rates do not have.
const leisure = time.Millisecond

// count notes when a call that counts was due.
func (r *run) count(offset time.Duration) {
	if r.firstDue < 0 {
		r.firstDue = offset
	}
	r.lastDue = offset
}

// handOut gives a call to an idle worker, or to a new one.
func (r *run) handOut(f *flight, workers *sync.WaitGroup) {
	select {
	case r.workers <- f:
	default:
		workers.Go(func() { r.work(f) })
	}
}

// work makes calls, f first, until there are no more.
func (r *run) work(f *flight) {
	for ok := true; ok; f, ok = <-r.workers {
		f.do()
		f.Ended(&f.result)
	}
}
