package report

import "slices"

// The exit codes that follow from a report's contents.
const (
	exitCheck     = 1
	exitThreshold = 4
	exitInvalid   = 6
)

// Finish derives Validity, ExitCode and Passed from the rest of the report.
// What a report cannot know, such as an unreachable target or a signal, is for
// the caller to set afterwards. The first that applies decides:
//
//  1. a scenario, a retry check or an expectation on a load's responses failed,
//     or could not be run, or an answer differs from the recorded one: 1. Load
//     figures that mean nothing do not make a wrong answer right.
//  2. the run is not valid: 6. Thresholds on such figures mean nothing either.
//  3. a threshold failed, or a search for a rate found none that holds: 4.
//  4. a load without one call that ended OK: 1, whatever its thresholds say.
func (r *Report) Finish() {
	r.Validity = Validity{}
	for i := range r.Loads {
		r.Validity.Reasons = append(r.Validity.Reasons, r.Loads[i].invalid()...)
		for _, warning := range r.Loads[i].doubts() {
			if !slices.Contains(r.Warnings, warning) {
				r.Warnings = append(r.Warnings, warning)
			}
		}
	}
	if c := r.Capacity; c != nil && c.FoundRPS == 0 && len(c.Points) > 0 && c.Points[len(c.Points)-1].Verdict == "invalid" {
		r.Validity.Reasons = append(r.Validity.Reasons, c.Reason)
	}
	r.Validity.Valid = len(r.Validity.Reasons) == 0
	r.ExitCode = r.exitCode()
	r.Passed = r.ExitCode == 0
}

func (r *Report) exitCode() int {
	switch {
	case slices.ContainsFunc(r.Scenarios, func(s Scenario) bool { return s.Status == Failed || s.Status == Error }),
		slices.ContainsFunc(r.Retry, func(c Retry) bool { return c.Verdict == "fail" }),
		slices.ContainsFunc(r.Loads, func(l Load) bool { return l.Checks != nil && l.Checks.Failed > 0 }),
		r.Diff != nil && r.Diff.Different > 0:
		return exitCheck
	case !r.Validity.Valid:
		return exitInvalid
	case slices.ContainsFunc(r.Thresholds, func(t Threshold) bool { return !t.Passed }),
		slices.ContainsFunc(r.Loads, func(l Load) bool { return l.Aborted != "" }),
		r.Capacity != nil && !r.Capacity.Confirmed:
		return exitThreshold
	case slices.ContainsFunc(r.Loads, func(l Load) bool { return l.AllFailed() }):
		return exitCheck
	}
	return 0
}

// AllFailed reports whether not one call ended OK. A load that made no call
// counts as failed too. What a recorded call ended with is right for a replay.
func (l *Load) AllFailed() bool { return l.Statuses["OK"] == 0 && !(l.Replayed && l.Completed > 0) }

// Closed reports whether the load was a closed loop, which has no rate to offer
// and cannot see a stall: the calls due meanwhile are never made.
func (l *Load) Closed() bool { return l.OfferedRPS == 0 && l.Sent > 0 }
