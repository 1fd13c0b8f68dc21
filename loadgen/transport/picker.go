package transport

import (
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/report"
)

// countingPicker notes the attempts that it picks a connection for.
type countingPicker struct {
	balancer.Picker
	waits   bool
	retried codes.Code // the status of an attempt that grpc-go ends without telling it
}

// watcher is told of the attempts of one call, by a countingPicker. An attempt
// that gets no connection asks for one again and again, until it has failed.
type watcher interface {
	asks()
	fails()                             // for want of a connection
	leaves()                            // with a connection
	returns()                           // which was lost at that moment
	ends(err error, retried codes.Code) // after it left; retried as in countingPicker
}

// Pick implements balancer.Picker.
func (p *countingPicker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	result, err := p.Picker.Pick(info)
	call, ok := info.Ctx.Value(recorderKey{}).(watcher)
	switch {
	case !ok:
	case err == nil:
		call.leaves()
		result.Done = p.doneThen(call, result.Done)
	case err == balancer.ErrNoSubConnAvailable || p.waits:
		call.asks()
	default:
		call.fails()
	}
	return result, err
}

// doneThen returns what grpc-go is to call at the end of an attempt.
func (p *countingPicker) doneThen(call watcher, next func(balancer.DoneInfo)) func(balancer.DoneInfo) {
	return func(info balancer.DoneInfo) {
		if info.BytesSent || info.Err != nil {
			call.ends(info.Err, p.retried)
		} else {
			call.returns()
		}
		if next != nil {
			next(info)
		}
	}
}

func (c *counter) asks()    { c.asking.Store(true) }
func (c *counter) fails()   { c.asking.Store(false); c.picked.Add(1) }
func (c *counter) leaves()  { c.asking.Store(false) }
func (c *counter) returns() { c.asking.Store(true) }

func (c *counter) ends(err error, retried codes.Code) {
	c.picked.Add(1)
	if err == nil {
		c.hidden.Store(uint32(retried))
	}
}

// picking notes that an attempt is under way; with a change, that it has ended.
func (a *Attempts) picking(change func(*attempt)) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.picked == nil {
		a.picked = &attempt{all: a, begin: now, sent: true}
		a.list = append(a.list, a.picked)
	}
	if change == nil {
		return
	}
	one := a.picked
	a.picked, one.end = nil, now
	change(one)
}

func (a *Attempts) asks()    { a.picking(nil) }
func (a *Attempts) leaves()  { a.picking(nil) }
func (a *Attempts) returns() {}

func (a *Attempts) fails() {
	a.picking(func(one *attempt) { one.status = report.StatusName(uint32(codes.Unavailable)) })
}

func (a *Attempts) ends(err error, retried codes.Code) {
	a.picking(func(one *attempt) {
		one.status = report.StatusName(uint32(status.Code(err)))
		a.retried = retried
	})
}
