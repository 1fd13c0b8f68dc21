package transport

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/report"
)

// AttemptHandler is the stats.Handler that tells RecordAttempts what grpc-go
// does. Give it to every connection:
//
//	grpc.WithStatsHandler(transport.AttemptHandler{})
//
// A call whose context asks for no recording costs it three context lookups.
//
// Attempts are known by OutHeader and End, never by Begin. grpc-go begins a
// retry twice when the attempt before it failed for want of a connection
// (stream.go, retryLocked and then withRetry) and forgets the first of the
// two: with the target down, five attempts make nine Begin and five End.
//
// An attempt that is answered before its message was sent ends without an error
// in what grpc-go tells, whatever the answer was: see [Attempts.Ended].
type AttemptHandler struct{}

// recorderKey finds what records the attempts of a call: a *counter or
// *Attempts in the context of the call, *attempt in that of one attempt.
type recorderKey struct{}

// TagRPC is called at the start of each attempt.
func (AttemptHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if all, ok := ctx.Value(recorderKey{}).(*Attempts); ok {
		return context.WithValue(ctx, recorderKey{}, &attempt{all: all})
	}
	return ctx
}

// HandleRPC notes the events that matter.
func (AttemptHandler) HandleRPC(ctx context.Context, event stats.RPCStats) {
	switch event := event.(type) {
	case *stats.Begin:
		if a, ok := ctx.Value(recorderKey{}).(*attempt); ok {
			a.all.begin(a, event)
		}
	case *stats.OutHeader:
		if a, ok := ctx.Value(recorderKey{}).(*attempt); ok {
			a.all.headers(a)
		}
	case *stats.End:
		switch r := ctx.Value(recorderKey{}).(type) {
		case *attempt:
			r.all.end(r, event)
		case *counter:
			r.ended.Add(1)
		}
	case *stats.InHeader:
		if c, ok := ctx.Value(recorderKey{}).(*counter); ok {
			c.headers.Store(int64(time.Since(c.start)))
		}
	}
}

// TagConn does nothing.
func (AttemptHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (AttemptHandler) HandleConn(context.Context, stats.ConnStats) {}

// Attempts are the attempts of one call. It is safe for concurrent use.
type Attempts struct {
	start time.Time

	mu     sync.Mutex // guards what follows, and every attempt in it
	list   []*attempt
	picked *attempt // under way, by the policy of CountAttempts; or nil

	retried codes.Code // what attempts that were retried ended with, if they do not say
}

// attempt is one attempt; its fields are guarded by all.mu.
type attempt struct {
	all         *Attempts
	begin, end  time.Time // end is zero while it is under way
	sent        bool      // its headers were handed to a connection
	transparent bool
	status      string
}

// real reports whether grpc-go went through with the attempt.
func (a *attempt) real() bool { return a.sent || !a.end.IsZero() }

// RecordAttempts returns a context for one call, and what its attempts will be
// listed in. The call starts now. Making a second call with the same context
// lists the attempts of both.
func RecordAttempts(ctx context.Context) (context.Context, *Attempts) {
	a := &Attempts{start: time.Now(), retried: codes.Unknown}
	return context.WithValue(ctx, recorderKey{}, a), a
}

// Count returns how many attempts were made so far.
func (a *Attempts) Count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, one := range a.list {
		if one.real() {
			n++
		}
	}
	return n
}

// List returns the attempts in order, those made transparently included.
//
// An attempt starts when the client decides to make it, which is when its
// backoff has run out; waiting for a connection is part of the attempt. So a
// gap is what the client waited of its own will. An attempt under way has no
// end and no status.
func (a *Attempts) List() []report.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []report.Attempt
	var lastEnd time.Time
	for _, one := range a.list {
		if !one.real() {
			continue
		}
		entry := report.Attempt{
			Number: len(out) + 1, StartMS: a.since(one.begin),
			Status: one.status, Transparent: one.transparent,
		}
		if !one.end.IsZero() {
			entry.EndMS = a.since(one.end)
		}
		if !lastEnd.IsZero() {
			entry.GapMS = report.Milliseconds(one.begin.Sub(lastEnd))
		}
		lastEnd = one.end
		out = append(out, entry)
	}
	return out
}

// Ended says with which status the call has ended, and with which one its policy
// retries: see OnlyCode. An attempt that seems to have ended with OK, but was
// not the last one or that of a call that failed, ended with these. With
// CountAttempts the policy is known: Unknown leaves it so.
func (a *Attempts) Ended(call, retried codes.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if retried != codes.Unknown {
		a.retried = retried
	}
	var next *attempt
	for _, one := range slices.Backward(a.list) {
		if !one.real() {
			continue
		}
		if one.status == "OK" {
			one.status = report.StatusName(uint32(a.hiddenBefore(next, call)))
		}
		next = one
	}
}

// hiddenBefore is the status of an attempt that does not say it; next is the one
// after it, nil for none.
func (a *Attempts) hiddenBefore(next *attempt, call codes.Code) codes.Code {
	switch {
	case next == nil:
		return call
	case next.transparent: // the target did not look at it
		return codes.Unavailable
	}
	return a.retried
}

// OnlyCode returns the status code that a policy retries, and Unknown for one
// with more of them, or none: which it was cannot be said.
func OnlyCode[Code ~uint32](retryable []Code) codes.Code {
	if len(retryable) == 0 || slices.Min(retryable) != slices.Max(retryable) {
		return codes.Unknown
	}
	return codes.Code(retryable[0])
}

// since returns the milliseconds from the start of the call to t.
func (a *Attempts) since(t time.Time) float64 { return report.Milliseconds(t.Sub(a.start)) }

// begin notes the start of an attempt. A forgotten attempt just before it was
// the same one: it hands on that it was transparent.
func (a *Attempts) begin(one *attempt, event *stats.Begin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.begin, one.transparent = event.BeginTime, event.IsTransparentRetryAttempt
	if n := len(a.list); n > 0 && !a.list[n-1].real() {
		one.transparent = one.transparent || a.list[n-1].transparent
		a.list = a.list[:n-1]
	}
	a.list = append(a.list, one)
}

// headers notes that the attempt reached a connection.
func (a *Attempts) headers(one *attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.sent = true
}

// end notes how an attempt ended.
func (a *Attempts) end(one *attempt, event *stats.End) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.end, one.status = event.EndTime, report.StatusName(uint32(status.Code(event.Error)))
}

// counter counts the attempts of a call that nobody wants listed.
type counter struct {
	start   time.Time
	ended   atomic.Int32  // told by an AttemptHandler
	picked  atomic.Int32  // told by the policy of CountAttempts
	asking  atomic.Bool   // one more waits for a connection, by that policy
	hidden  atomic.Uint32 // the status of an attempt that ended without telling it
	headers atomic.Int64  // when the last attempt's response headers came, after start
}

// Count returns how many attempts have ended.
func (c *counter) Count() int {
	picked := c.picked.Load()
	if c.asking.Load() {
		picked++ // it ended with the call
	}
	return int(max(c.ended.Load(), picked))
}

// headersAt returns when response headers came, the zero time for never.
func (c *counter) headersAt() time.Time {
	if after := c.headers.Load(); after > 0 {
		return c.start.Add(time.Duration(after))
	}
	return time.Time{}
}

// lastHidden returns the status of a call that grpc-go does not tell.
func (c *counter) lastHidden() codes.Code {
	return codes.Code(cmp.Or(c.hidden.Load(), uint32(codes.Unknown)))
}

// Ended does nothing: attempts are not listed.
func (c *counter) Ended(_, _ codes.Code) {}

// headersAt is not known of a call whose attempts are listed.
func (a *Attempts) headersAt() time.Time { return time.Time{} }

func (a *Attempts) lastHidden() codes.Code {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.retried
}

// counted is what Do asks for the number of attempts.
type counted interface {
	Count() int
	headersAt() time.Time
	lastHidden() codes.Code
	Ended(call, retried codes.Code)
}

// countAttempts returns a context for one call, which starts now, and the
// count of its attempts: those of the recording under way when there is one.
func countAttempts(ctx context.Context) (context.Context, counted) {
	if all, ok := ctx.Value(recorderKey{}).(*Attempts); ok {
		return ctx, all
	}
	c := &counter{start: time.Now()}
	return context.WithValue(ctx, recorderKey{}, c), c
}
