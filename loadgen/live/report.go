package live

import (
	"maps"
	"slices"

	"touchstone/loadgen/report"
)

// Report returns the run so far as a report. head has what is known of it from
// the start: its name, target and command.
//
// Of a load it knows what its windows tell: lag, service time and the rest come
// with the final report.
func (s *State) Report(head report.Report) *report.Report {
	head.Scenarios = slices.Clone(s.outcomes)
	head.Loads = slices.Clone(s.past)
	if s.Load != nil {
		head.Loads = append(head.Loads, s.Load.report())
	}
	head.Finish()
	return &head
}

// report returns a load so far. Calls under way do not count yet: they are no
// failures.
func (l *Load) report() report.Load {
	out := report.Load{
		Name: l.Name, Method: l.Name, Arrival: l.Arrival, Sent: l.Completed, Completed: l.Completed, Dropped: l.Dropped,
		Scheduled: l.Completed + l.Dropped, Statuses: maps.Clone(l.Statuses), Windows: slices.Clone(l.Windows),
		Response: report.Latencies(l.response),
	}
	if n := len(l.Windows); n > 0 {
		seconds := l.Windows[n-1].T + 1
		out.OfferedRPS, out.AchievedRPS = float64(l.Due)/seconds, float64(l.Completed)/seconds
	}
	return out
}
