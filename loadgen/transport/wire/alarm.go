package wire

import (
	"container/heap"
	"time"
)

// alarms wake the calls of a slot at their deadlines, and between messages:
// one timer for all.
type alarms struct {
	calls  byAlarm
	timer  *time.Timer
	armed  time.Time // when the timer goes off; zero: it does not
	expire func()    // called when it does
}

// set sets the alarm of a call; the zero time is none.
func (a *alarms) set(c *call, at, now time.Time) {
	if at.IsZero() {
		a.drop(c)
		return
	}
	c.alarm = at
	if c.place == 0 {
		heap.Push(&a.calls, c)
	} else {
		heap.Fix(&a.calls, c.place-1)
	}
	a.arm(now)
}

// drop takes the alarm of a call away. The timer is left alone: to find
// nothing due now and then costs less than to stop it for every call.
func (a *alarms) drop(c *call) {
	if c.place > 0 {
		heap.Remove(&a.calls, c.place-1)
	}
}

// next returns a call whose alarm is due. When there is none it returns nil
// and waits for the first one.
func (a *alarms) next(now time.Time) *call {
	if len(a.calls) > 0 && !a.calls[0].alarm.After(now) {
		return a.calls[0]
	}
	a.armed = time.Time{}
	a.arm(now)
	return nil
}

// arm makes the timer go off for the first alarm, if it would not.
func (a *alarms) arm(now time.Time) {
	if len(a.calls) == 0 {
		return
	}
	first := a.calls[0].alarm
	if !a.armed.IsZero() && !first.Before(a.armed) {
		return
	}
	a.armed = first
	if a.timer == nil {
		a.timer = time.AfterFunc(first.Sub(now), a.expire)
	} else {
		a.timer.Reset(first.Sub(now))
	}
}

func (a *alarms) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// byAlarm is a heap of calls. A call knows its place, from 1.
type byAlarm []*call

func (h byAlarm) Len() int           { return len(h) }
func (h byAlarm) Less(i, j int) bool { return h[i].alarm.Before(h[j].alarm) }

func (h byAlarm) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (h *byAlarm) Push(x any) {
	c := x.(*call)
	*h = append(*h, c)
	c.place = len(*h)
}

// Pop implements heap.Interface.
func (h *byAlarm) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	c.place = 0
	return c
}
