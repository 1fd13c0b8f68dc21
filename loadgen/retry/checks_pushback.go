package retry

import (
	"fmt"
	"time"
)

// pushbackChecks are those of section 3: what a server's
// grpc-retry-pushback-ms does to the next attempt.
func pushbackChecks() []Check {
	checks := []Check{
		{ID: "PB-1", Title: "pushback 300: the retry comes after 300 ms, without jitter", Source: "A6:209",
			Calls: 8, // one call of a client that jitters may hit the 22 ms that are legal
			Plan:  injects("status: UNAVAILABLE, pushback: 300"), Judge: all(everyCall(2), everyStatus("OK"), gapsWithin(exactly(300*time.Millisecond)))},
		{ID: "PB-2", Title: "pushback 0: the retry comes at once", Source: "A6:209",
			Plan: injects("status: UNAVAILABLE, pushback: 0"), Judge: all(attempts(2), statuses("OK"), atOnce(1))},
		{ID: "PB-3", Title: "pushback -1: no retry", Source: "A6:207",
			Plan: fails14("pushback: -1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "PB-5", Title: "pushback 2147483648, above 32 bits: no retry", Source: "A6:207", Deadline: forever,
			Plan: fails14("pushback: 2147483648"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "PB-6", Title: "pushback 9223372036854775807: no retry", Source: "A6:207", Deadline: forever,
			Plan: fails14("pushback: 9223372036854775807"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "PB-9", Title: "after a pushback the backoff starts again at initialBackoff", Source: "A6:209",
			Calls: 8, Parallel: 8,
			Plan: "- {match: {attempt: 3}, inject: {status: UNAVAILABLE, pushback: 5}}\n" + fails(14),
			Judge: all(everyCall(5), everyStatus("UNAVAILABLE"),
				gapsWithin(around(100), around(200), exactly(5*time.Millisecond), around(100)))},
		{ID: "PB-10", Title: "pushback on every attempt does not lift the cap of five", Source: "A6, Pushback",
			Plan: fails14("pushback: 5"), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "PB-11", Title: "pushback on INTERNAL, which is not retried: unspecified", Source: "A6:209,234",
			Plan: "- inject: {status: INTERNAL, pushback: 50}", Judge: record(1, 5)},
		{ID: "PB-12", Title: "pushback after response headers: no retry, the call is committed", Source: "A6:258",
			Plan: fails14("pushback: 50, with_headers: true"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "PB-13", Title: "a pushback beyond the deadline: DEADLINE_EXCEEDED, no retry", Source: "A6:101", Deadline: 300 * time.Millisecond,
			Plan: fails14("pushback: 60000"), Judge: all(attempts(1), statuses("DEADLINE_EXCEEDED"))},
	}
	for i, value := range []string{"abc", "", "1.5", " 200"} {
		checks = append(checks, Check{ID: fmt.Sprintf("PB-4.%d", i+1), Title: fmt.Sprintf("pushback %q, which is no number: no retry", value), Source: "A6:207",
			Plan: fails14(fmt.Sprintf("pushback: %q", value)), Judge: all(attempts(1), statuses("UNAVAILABLE"))})
	}
	for i, value := range []string{`"+200"`, `"0200"`} {
		checks = append(checks, Check{ID: fmt.Sprintf("PB-7.%d", i+1), Title: fmt.Sprintf("pushback %s: unspecified", value), Source: "A6:207",
			Plan: injects("status: UNAVAILABLE, pushback: " + value), Judge: record(1, 2)})
	}
	return append(checks, Check{ID: "PB-8", Title: "two pushbacks, 50 and 60: unspecified", Source: "-",
		Plan: injects("status: UNAVAILABLE, pushback: [50, 60]"), Judge: record(1, 2)})
}

// forever is a deadline for clients that should not wait at all: one that waits
// for days instead is told from one that gives up.
const forever = 2 * time.Second

// fails14 is a plan in which every attempt gets UNAVAILABLE and more.
func fails14(more string) string { return "- inject: {status: UNAVAILABLE, " + more + "}" }

// atOnce judges that gap n of every call is none.
func atOnce(n int) func(Observation) Result {
	return func(o Observation) Result {
		expected := fmt.Sprintf("gap %d under %v", n, immediate)
		for _, c := range o.Calls {
			gaps := c.Gaps()
			if len(gaps) < n {
				return verdict(false, expected, "no such gap")
			}
			if g := gaps[n-1].Length; g > immediate {
				if g <= o.lateness() {
					return o.inconclusive(expected, round(g).String())
				}
				return verdict(false, expected, round(g).String())
			}
		}
		return verdict(len(o.Calls) > 0, expected, "under")
	}
}

// record judges what is not specified: anything from least to most attempts
// passes, and what was seen is noted.
func record(least, most int) func(Observation) Result {
	return func(o Observation) Result {
		expected := fmt.Sprintf("unspecified: n=%d to %d", least, most)
		for _, n := range o.Attempts() {
			if n < least || n > most {
				return verdict(false, expected, fmt.Sprintf("n=%d", n))
			}
		}
		observed := fmt.Sprintf("n=%s", list(o.Attempts()))
		for _, c := range o.Calls {
			for _, g := range c.Gaps() {
				observed += fmt.Sprintf(", gap %v", round(g.Length))
			}
			observed += ", " + c.Status
		}
		return verdict(len(o.Calls) > 0, expected, observed)
	}
}
