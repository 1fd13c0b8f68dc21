package engine

import (
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/report"
)

// maxExamples bounds the calls that are kept of each kind: the slowest, and
// those that failed.
const maxExamples = 5

// example is one call, kept to be shown.
type example struct {
	k                      int
	part                   int
	due, start, first, end time.Time
	status                 codes.Code
	message                string
	attempts               []report.Attempt
}

// response is the response time.
func (e *example) response() time.Duration { return e.end.Sub(e.due) }

// examples are the slowest calls and the first that failed. They are arrays,
// so that nothing is allocated for a call.
type examples struct {
	slowest, failed   [maxExamples]example
	nSlowest, nFailed int
}

// see considers a call.
func (x *examples) see(f *flight, response time.Duration) {
	fails := f.result.Status != codes.OK && x.nFailed < maxExamples
	if !fails && x.nSlowest == maxExamples && response <= x.slowest[maxExamples-1].response() {
		return
	}
	res := &f.result
	e := example{
		k: f.k, part: f.part.index, due: f.due, start: res.Start, first: res.FirstMessage, end: res.Done,
		status: res.Status, message: res.Message,
	}
	if f.attempts != nil {
		e.attempts = f.attempts.List()
	}
	x.addSlow(e)
	if fails {
		x.addFailed(e)
	}
}

// addSlow keeps a call in its place among the slowest, if it has one.
func (x *examples) addSlow(e example) {
	i := x.nSlowest
	for i > 0 && x.slowest[i-1].response() < e.response() {
		i--
	}
	if i == maxExamples {
		return
	}
	x.nSlowest = min(x.nSlowest+1, maxExamples)
	copy(x.slowest[i+1:x.nSlowest], x.slowest[i:])
	x.slowest[i] = e
}

// addFailed keeps a call that failed. Different statuses come first.
func (x *examples) addFailed(e example) {
	same := func(other example) bool { return other.status == e.status && other.part == e.part }
	if x.nFailed < maxExamples {
		x.failed[x.nFailed] = e
		x.nFailed++
		return
	}
	if slices.ContainsFunc(x.failed[:], same) {
		return
	}
	for i := range x.failed {
		one := x.failed[i]
		if slices.ContainsFunc(x.failed[:i], func(o example) bool { return o.status == one.status && o.part == one.part }) {
			x.failed[i] = e
			return
		}
	}
}

// merge considers the calls of other.
func (x *examples) merge(other *examples) {
	for _, e := range other.slowest[:other.nSlowest] {
		x.addSlow(e)
	}
	for _, e := range other.failed[:other.nFailed] {
		x.addFailed(e)
	}
}

// calls returns the examples of all parts as a report has them.
func (r *run) exampleCalls(x *examples) []report.Call {
	var out []report.Call
	for _, e := range x.slowest[:x.nSlowest] {
		out = append(out, r.exampleCall("slowest", &e))
	}
	for _, e := range x.failed[:x.nFailed] {
		out = append(out, r.exampleCall("failed", &e))
	}
	return out
}

func (r *run) exampleCall(why string, e *example) report.Call {
	c := report.Call{
		N: int64(e.k), Why: why, DueMS: report.Milliseconds(e.due.Sub(r.measured)),
		SentMS: report.Milliseconds(e.start.Sub(e.due)), DoneMS: report.Milliseconds(e.response()),
		Status: report.StatusName(uint32(e.status)), StatusText: e.message, Attempts: e.attempts,
	}
	if len(r.parts) > 1 {
		c.Method = methodName(r.parts[e.part].first)
	}
	if !e.first.IsZero() {
		c.FirstMS = report.Milliseconds(e.first.Sub(e.due))
	}
	return c
}
