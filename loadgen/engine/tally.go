package engine

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// shard takes down the calls of a few connections or workers, during one
// second: the windower then exchanges its tallies for empty ones. There are
// more shards than processors, so that its lock is seldom contended.
type shard struct {
	mu      sync.Mutex // guards tallies, and those that they were exchanged for
	tallies []tally    // by part
}

// tally is what calls add up to.
type tally struct {
	response     byStatus
	service, lag *hist.Histogram
	// Of streams; nil else.
	headers, firstMessage, gaps, roundTrip *hist.Histogram

	completed, cancelled int64
	attempts, messages   int64
	checked, wrong       int64
	wrongs               []string // a few of what Check found
	lastDone             time.Time
	examples             examples
}

// newTallies returns an empty tally for each part.
func (r *run) newTallies() []tally {
	all := make([]tally, len(r.parts))
	for i, p := range r.parts {
		all[i] = newTally(p.streams)
	}
	return all
}

func newTally(streams bool) tally {
	t := tally{service: hist.New(), lag: hist.New()}
	if streams {
		t.headers, t.firstMessage, t.gaps, t.roundTrip = hist.New(), hist.New(), hist.New(), hist.New()
	}
	return t
}

// record takes down a call; one that was cut has neither latency nor status.
func (t *tally) record(f *flight, cut bool) {
	res := &f.result
	t.lag.Record(res.Start.Sub(f.due))
	if cut {
		t.cancelled++
		return
	}
	t.completed++
	t.attempts += int64(res.Attempts)
	t.messages += int64(res.Received)
	t.service.Record(res.Done.Sub(res.Start))
	response := res.Done.Sub(f.due)
	t.response.of(res.Status).Record(response)
	if res.Done.After(t.lastDone) {
		t.lastDone = res.Done
	}
	if t.headers != nil {
		t.recordStream(f)
	}
	t.examples.see(f, response)
}

// recordStream takes down what only streams have.
func (t *tally) recordStream(f *flight) {
	res := &f.result
	if !res.Headers.IsZero() {
		t.headers.Record(res.Headers.Sub(res.Start))
	}
	if !res.FirstMessage.IsZero() {
		t.firstMessage.Record(res.FirstMessage.Sub(res.Start))
		if f.inTurns() {
			t.roundTrip.Record(res.FirstMessage.Sub(res.Start))
		}
	}
}

// maxWrongs bounds what is kept of Check's findings.
const maxWrongs = 5

// check takes down what Check found.
func (t *tally) check(wrong string) {
	t.checked++
	if wrong == "" {
		return
	}
	t.wrong++
	if len(t.wrongs) < maxWrongs {
		t.wrongs = append(t.wrongs, wrong)
	}
}

// merge adds other to t.
func (t *tally) merge(other *tally) {
	t.response.merge(&other.response)
	for _, pair := range [][2]*hist.Histogram{
		{t.service, other.service}, {t.lag, other.lag}, {t.headers, other.headers},
		{t.firstMessage, other.firstMessage}, {t.gaps, other.gaps}, {t.roundTrip, other.roundTrip},
	} {
		if pair[0] != nil && pair[1] != nil {
			pair[0].Merge(pair[1])
		}
	}
	t.completed += other.completed
	t.cancelled += other.cancelled
	t.attempts += other.attempts
	t.messages += other.messages
	t.checked += other.checked
	t.wrong += other.wrong
	t.wrongs = append(t.wrongs, other.wrongs[:min(len(other.wrongs), maxWrongs-len(t.wrongs))]...)
	if other.lastDone.After(t.lastDone) {
		t.lastDone = other.lastDone
	}
	t.examples.merge(&other.examples)
}

// reset makes t empty, and keeps its memory.
func (t *tally) reset() {
	t.response.reset()
	for _, h := range []*hist.Histogram{t.service, t.lag, t.headers, t.firstMessage, t.gaps, t.roundTrip} {
		if h != nil {
			h.Reset()
		}
	}
	*t = tally{
		response: t.response, service: t.service, lag: t.lag,
		headers: t.headers, firstMessage: t.firstMessage, gaps: t.gaps, roundTrip: t.roundTrip, wrongs: t.wrongs[:0],
	}
}

// byStatus holds response times by status. A target may send codes that gRPC
// does not know.
type byStatus struct {
	known [codes.Unauthenticated + 1]*hist.Histogram
	other map[codes.Code]*hist.Histogram
}

// of returns the histogram of a status, made if need be.
func (s *byStatus) of(code codes.Code) *hist.Histogram {
	if int(code) < len(s.known) {
		if s.known[code] == nil {
			s.known[code] = hist.New()
		}
		return s.known[code]
	}
	if s.other == nil {
		s.other = map[codes.Code]*hist.Histogram{}
	}
	if s.other[code] == nil {
		if len(s.other) >= maxOther {
			return s.of(codes.Unknown) // a target that makes codes up does not fill the memory
		}
		s.other[code] = hist.New()
	}
	return s.other[code]
}

// maxOther bounds how many unknown codes are told apart.
const maxOther = 16

// each calls f with every status that calls ended with.
func (s *byStatus) each(f func(codes.Code, *hist.Histogram)) {
	for code, h := range s.known {
		if h != nil && h.Count() > 0 {
			f(codes.Code(code), h)
		}
	}
	for code, h := range s.other {
		if h.Count() > 0 {
			f(code, h)
		}
	}
}

// merge adds other to s.
func (s *byStatus) merge(other *byStatus) {
	other.each(func(code codes.Code, h *hist.Histogram) { s.of(code).Merge(h) })
}

func (s *byStatus) reset() {
	for _, h := range s.known {
		if h != nil {
			h.Reset()
		}
	}
	for _, h := range s.other {
		h.Reset()
	}
}

// sum returns the response times of all statuses.
func (s *byStatus) sum() *hist.Histogram {
	all := hist.New()
	s.each(func(_ codes.Code, h *hist.Histogram) { all.Merge(h) })
	return all
}

// names returns the number of calls by status, as a report writes them.
func (s *byStatus) names() map[string]int64 {
	out := map[string]int64{}
	s.each(func(code codes.Code, h *hist.Histogram) { out[report.StatusName(uint32(code))] = h.Count() })
	return out
}
