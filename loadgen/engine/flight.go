package engine

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// flight is one call under way. Those of an open loop are reused from call to
// call; a caller of a closed loop has one of its own.
type flight struct {
	run      *run
	part     *part
	k, kPart int       // number of the call, and among those of its part
	due      time.Time // zero in a closed loop: whenever it leaves
	counts   bool      // in the figures
	caller   bool      // of a closed loop
	lane     int       // shard, unless the transport says which connection it took
	request  *transport.Request
	own      transport.Request // request, when the part makes its calls
	result   transport.Result
	gap      func(time.Duration) // recordGap, bound once
	each     func([]byte)        // keep, bound once
	watched  bool                // attempt by attempt
	attempts *transport.Attempts // of a call that is watched
	checked  bool                // by Check
	messages [][]byte            // received, when it is
}

func newFlight(r *run) *flight {
	f := &flight{run: r}
	f.gap, f.each = f.recordGap, f.keep
	return f
}

// idle holds the flights that are not under way. A sync.Pool would be emptied
// by each garbage collection, and so cause the next.
type idle struct {
	mu   sync.Mutex // guards list
	list []*flight
}

// get returns a flight of the run.
func (i *idle) get(r *run) *flight {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := len(i.list) - 1
	if last < 0 {
		return newFlight(r)
	}
	f := i.list[last]
	i.list = i.list[:last]
	return f
}

func (i *idle) put(f *flight) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, f)
}

// load makes f the k-th call.
func (f *flight) load(k int, counts bool) {
	r := f.run
	f.k, f.counts, f.watched, f.attempts = k, counts, false, nil
	f.part = r.parts[r.mix.pick(k)]
	f.kPart = int(f.part.next.Add(1) - 1)
	f.request = f.next()
	f.result.Gap, f.result.Each = nil, nil
	if counts && f.part.streams {
		f.result.Gap = f.gap
	}
	if f.checked = counts && r.Check.wants(k); f.checked {
		f.messages = f.messages[:0]
		f.result.Each = f.each
	}
}

// next returns the call to make.
func (f *flight) next() *transport.Request {
	if f.part.Make == nil {
		return f.part.Next(f.kPart)
	}
	if f.run.starter == nil {
		// grpc-go may still hold the messages of a call that has ended.
		f.own = transport.Request{}
	}
	f.part.Make(f.kPart, &f.own)
	return &f.own
}

// keep keeps a message for Check.
func (f *flight) keep(message []byte) {
	f.messages = append(f.messages, append([]byte(nil), message...))
}

// recordGap records a gap between messages as it occurs: a stream may outlast
// the run.
func (f *flight) recordGap(d time.Duration) {
	s := f.shard()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.tallies[f.part.index]
	t.gaps.Record(d)
	if f.inTurns() {
		t.roundTrip.Record(d)
	}
}

// inTurns reports whether each message is sent as soon as the answer to the one
// before it has come, so that the time between two answers is a round trip.
func (f *flight) inTurns() bool {
	return f.part.opener == nil && f.request.Turns && f.request.Interval == 0
}

// shard returns where the call is recorded. For calls of one connection that
// is the same one, and nobody waits: the transport tells their ends one by one.
func (f *flight) shard() *shard {
	lane := f.lane
	if f.run.starter != nil && f.result.Connection > 0 {
		lane = f.result.Connection
	}
	return f.run.shards[lane%len(f.run.shards)]
}

// Ended implements transport.Ender: it records the call, and makes the
// caller's next.
func (f *flight) Ended(*transport.Result) {
	f.record()
	r := f.run
	switch {
	case !f.caller:
		r.idle.put(f)
		r.leave()
	case r.claim(f, f.result.Done):
		r.starter.Start(r.calls, f.request, &f.result, f)
	default:
		r.leave()
	}
}

// record takes the call down. A call that ended CANCELLED because the run was
// cut is not the target's doing: it has no latency and no status.
func (f *flight) record() {
	if !f.counts {
		return
	}
	if f.due.IsZero() {
		f.due = f.result.Start
	}
	cut := f.result.Status == codes.Canceled && f.run.calls.Err() != nil
	var wrong string
	if f.checked && !cut {
		wrong = f.run.Check.Judge(f.part.index, f.kPart, f.messages, &f.result)
	}
	s := f.shard()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.tallies[f.part.index]
	if f.checked && !cut {
		t.check(wrong)
	}
	t.record(f, cut)
}
