package engine

import (
	"sync"
	"time"

	"touchstone/loadgen/report"
)

// Events collects what happens to connections while loads run. It is safe for
// concurrent use; nil takes nothing down.
type Events struct {
	mu   sync.Mutex // guards list
	list []event
}

type event struct {
	at         time.Time
	kind, text string
}

// maxEvents bounds what is kept: a target that drops connections all the time
// does so in the first of them too.
const maxEvents = 200

// Add takes down an event, of a kind that report.Mark knows.
func (e *Events) Add(at time.Time, kind, text string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) < maxEvents {
		e.list = append(e.list, event{at, kind, text})
	}
}

// marks returns the events after start, by their distance from measured.
func (e *Events) marks(start, measured time.Time) []report.Mark {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []report.Mark
	for _, one := range e.list {
		if !one.at.Before(start) {
			out = append(out, report.Mark{T: one.at.Sub(measured).Seconds(), Kind: one.kind, Text: one.text})
		}
	}
	return out
}
