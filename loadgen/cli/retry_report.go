package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/report"
	"touchstone/loadgen/retry"
)

// retryEntries are the results of retry checks as a report has them. A check
// that did not pass has the attempts of the call that shows it best.
func retryEntries(results []retry.Result) []report.Retry {
	var out []report.Retry
	for _, one := range results {
		entry := report.Retry{ID: one.ID, Name: one.Title, Verdict: string(one.Verdict), Expected: one.Expected, Observed: one.Observed}
		if len(one.Notes) > 0 {
			entry.Observed += " (" + strings.Join(one.Notes, "; ") + ")"
		}
		if one.Verdict != retry.Pass && len(one.Calls) > 0 {
			entry.Attempts = seenAttempts(one.Worst(), one.Legal)
		}
		out = append(out, entry)
	}
	return out
}

// seenAttempts returns the attempts of a call as they were seen in the path,
// their times from the first one's start.
func seenAttempts(c retry.Call, legal []retry.Interval) []report.Attempt {
	var out []report.Attempt
	for i, a := range c.Attempts {
		since := func(t time.Duration) float64 { return max(report.Milliseconds(t-c.Attempts[0].Start), 0) }
		one := report.Attempt{Number: i + 1, StartMS: since(a.Start), EndMS: since(max(a.Over(), a.Start)), Status: seenStatus(a)}
		if i > 0 {
			one.GapMS = report.Milliseconds(a.Start - c.Attempts[i-1].Over())
			if i <= len(legal) {
				one.LegalMinMS, one.LegalMaxMS = new(report.Milliseconds(legal[i-1].Min)), new(report.Milliseconds(legal[i-1].Max))
			}
		}
		out = append(out, one)
	}
	return out
}

// seenStatus is the status that the client was sent, or how the attempt ended
// without one.
func seenStatus(a retry.Attempt) string {
	code, err := strconv.ParseUint(a.Status, 10, 32)
	switch {
	case err == nil && code <= 16:
		return retry.CodeName(uint32(code))
	case a.Status != "":
		return fmt.Sprintf("grpc-status %s", a.Status)
	}
	return a.How
}
