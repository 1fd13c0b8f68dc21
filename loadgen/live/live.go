// Package live shows a run while it goes on.
//
// A [State] is what is known of the run so far, and [State.Lines] is how it
// looks on a terminal. Both are pure: they see no clock and draw nothing, so
// that a test can hold them against a transcript.
package live

import (
	"maps"
	"time"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// State is a run so far. The methods that tell it what happens are not for
// concurrent use.
type State struct {
	Scenarios Scenarios
	Load      *Load // the load that runs; nil while none does

	outcomes []report.Scenario // of those that have ended
	past     []report.Load     // those that have ended
}

// Scenarios is how far the scenarios of a run are.
type Scenarios struct {
	Total, Ended int
	Failed       []string // files
	Running      string   // file; "" between two
	Since        time.Time
}

// Load is a load so far.
type Load struct {
	Name, Arrival string
	Began         time.Time
	Expected      time.Duration // 0 when that is not known
	Windows       []report.Window
	Sent          int64 // in all windows, as what follows
	Completed     int64
	Statuses      map[string]int64
	Due, Dropped  int64

	response *hist.Histogram // as far as windows tell it
}

// maxWindows is how many seconds of a load are kept, for the page of a run: two
// hours.
const maxWindows = 7200

// Start says that a scenario file runs now.
func (s *State) Start(file string, now time.Time) {
	s.endLoad()
	s.Scenarios.Running, s.Scenarios.Since = file, now
}

// End says how the scenario that ran has ended.
func (s *State) End(outcome report.Scenario) {
	s.endLoad()
	s.Scenarios.Ended++
	s.Scenarios.Running = ""
	s.outcomes = append(s.outcomes, outcome)
	if outcome.Status == report.Failed || outcome.Status == report.Error {
		s.Scenarios.Failed = append(s.Scenarios.Failed, outcome.File)
	}
}

// StartLoad says that a load begins.
func (s *State) StartLoad(l Load) {
	s.endLoad()
	l.Statuses, l.response = map[string]int64{}, hist.New()
	s.Load = &l
}

// endLoad puts the load that ran aside, if there is anything to tell of it.
func (s *State) endLoad() {
	if s.Load != nil && len(s.Load.Windows) > 0 {
		s.past = append(s.past, s.Load.report())
	}
	s.Load = nil
}

// Window adds a second of the load.
func (s *State) Window(w report.Window) {
	l := s.Load
	if l == nil {
		return
	}
	if len(l.Windows) == maxWindows {
		l.Windows = append(l.Windows[:0], l.Windows[1:]...)
	}
	l.Windows = append(l.Windows, w)
	l.Sent += w.Sent
	l.Completed += w.Completed
	l.Due += w.Due
	l.Dropped += w.Dropped
	for code, n := range w.Statuses {
		l.Statuses[code] += n
	}
	if w.HDR == "" {
		return
	}
	if h, err := hist.Decode(w.HDR); err == nil { // our own engine has encoded it
		l.response.Merge(h)
	}
}

// errors returns how many calls ended with each status but OK.
func (l *Load) errors() map[string]int64 {
	out := maps.Clone(l.Statuses)
	delete(out, "OK")
	return out
}

// last returns the newest window, nil before the first.
func (l *Load) last() *report.Window {
	if len(l.Windows) == 0 {
		return nil
	}
	return &l.Windows[len(l.Windows)-1]
}
