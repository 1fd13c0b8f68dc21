package replay

import (
	"hash/fnv"
	"strconv"
	"time"

	"touchstone/loadgen/fixture"
)

// Pace says when recorded calls are due. The zero Pace is that of the
// recording.
type Pace struct {
	// ASAP makes every call due at once: the caps of the run are its pace.
	ASAP bool
	// Rate makes calls due in their order, so many a second; 0: as recorded.
	Rate float64
	// Speed divides all recorded times; 0 is 1.
	Speed float64
	// DropThink leaves out the times in which no recorded call was under way.
	DropThink bool
	// DropGaps leaves out the times between the messages of a call: each is
	// sent as soon as those before it have been answered as recorded. ASAP
	// implies it.
	DropGaps bool
	// MaxRate spreads calls that are due at more than so many a second; 0: no
	// cap. What is recorded faster takes longer then.
	MaxRate float64
}

// speed returns the factor.
func (p Pace) speed() float64 {
	if p.Speed == 0 {
		return 1
	}
	return p.Speed
}

// gap returns how long after the start of its call something is due that was
// recorded so long after it.
func (p Pace) gap(recorded time.Duration) time.Duration {
	if p.ASAP || p.DropGaps {
		return 0
	}
	return scale(recorded, p.speed())
}

func scale(d time.Duration, speed float64) time.Duration { return time.Duration(float64(d) / speed) }

// schedule turns the events of a recording, in their order, into the moments
// at which its calls are due.
type schedule struct {
	pace  Pace
	calls int // begun so far, in all loops

	open    int           // calls under way in the recording
	last    time.Duration // the recorded time of the last event
	skipped time.Duration // of recorded time, left out
	begun   bool          // the loop has had its first call
	base    time.Duration // when the loop starts
	end     time.Duration // the latest moment of the loop so far
	next    time.Duration // when the next call may be due
	capped  int           // calls that the cap made later
}

// start takes the start of a call and returns when it is due, from the start
// of the run. The first call of a recording is due at once: what went before
// it is the recorder waiting for clients.
func (s *schedule) start(recorded time.Duration) time.Duration {
	if !s.begun || s.pace.DropThink && s.open == 0 {
		s.skipped += recorded - s.last
	}
	s.begun = true
	s.open++
	s.calls++
	s.seen(recorded)
	due := s.base + scale(recorded-s.skipped, s.pace.speed())
	switch {
	case s.pace.ASAP:
		due = 0
	case s.pace.Rate > 0:
		due = time.Duration(float64(s.calls-1) / s.pace.Rate * float64(time.Second))
	}
	if s.pace.MaxRate > 0 {
		if due < s.next && !s.pace.ASAP {
			s.capped++
		}
		due = max(due, s.next)
		s.next = due + time.Duration(float64(time.Second)/s.pace.MaxRate)
	}
	return due
}

// seen takes any event's time.
func (s *schedule) seen(recorded time.Duration) {
	s.last = max(s.last, recorded)
	s.end = max(s.end, s.base+scale(s.last-s.skipped, s.pace.speed()))
}

// over takes the end of a call.
func (s *schedule) over(recorded time.Duration) {
	s.open--
	s.seen(recorded)
}

// again begins the next loop where this one ends.
func (s *schedule) again() {
	*s = schedule{pace: s.pace, calls: s.calls, base: s.end, end: s.end, next: s.next, capped: s.capped}
}

// Sample keeps a share of the calls. Calls that have the same value of a
// metadata field are kept or left out together, in every run.
type Sample struct {
	Share float64 // within 0 and 1; 0 keeps all
	Key   string  // the metadata field; "" is the client's address
}

// Keeps reports whether the call that an event starts is kept.
func (s Sample) Keeps(e *fixture.Event) bool {
	if s.Key == "" {
		return s.keeps(e.Peer)
	}
	for _, p := range e.Metadata {
		if p.Name == s.Key {
			return s.keeps(p.Value)
		}
	}
	return s.keeps("call " + strconv.FormatUint(e.Call, 10))
}

// keeps reports whether calls with a value of the key are kept.
func (s Sample) keeps(value string) bool {
	if s.Share == 0 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(value))
	// FNV's upper bits hardly differ for short values that do; this mixes them
	// (the finalizer of MurmurHash3).
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11)/(1<<53) < s.Share
}
