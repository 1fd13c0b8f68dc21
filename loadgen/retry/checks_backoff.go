package retry

import (
	"fmt"
	"time"
)

// backoffCalls is how many calls the statistics of the jitter rest on.
const backoffCalls = 40

// backoffChecks are those of section 2: how long a client waits.
func backoffChecks() []Check {
	seed := policyOf(DefaultConfig)
	sample := func(c Check) Check {
		c.Plan, c.Calls, c.Parallel = fails(14), backoffCalls, backoffCalls
		return c
	}
	shaped := func(id, title, initial, maxBackoff string, multiplier float64) Check {
		c := config(5, initial, maxBackoff, multiplier, `["UNAVAILABLE"]`)
		return Check{ID: id, Title: title, Source: "A6:113", Config: c, Plan: fails(14), Calls: 8, Parallel: 8,
			Judge: all(everyCall(5), gapsWithin(backoffs(policyOf(c))...))}
	}
	return []Check{
		sample(Check{ID: "BO-1", Title: "every backoff is its nominal length, give or take 20 %", Source: "A6:111-113",
			Judge: all(everyCall(5), gapsWithin(backoffs(seed)...))}),
		sample(Check{ID: "BO-2", Title: "backoffs are jittered, evenly around the nominal length", Source: "A6:111",
			Judge: jittered(seed)}),
		sample(Check{ID: "BO-3", Title: "the jitter is that of A6 since 2024", Source: "A6:111", Judge: jitterModel(seed)}),
		shaped("BO-4", "maxBackoff caps the backoffs", "0.05s", "0.1s", 4),
		{ID: "BO-5", Title: "initialBackoff above maxBackoff: the first is not cut, the next are", Source: "A6:113",
			Config: config(5, "0.4s", "0.1s", 2, `["UNAVAILABLE"]`), Plan: fails(14), Calls: 8, Parallel: 8,
			Judge: all(everyCall(5), gapsWithin(around(400), around(100), around(100), around(100)))},
		shaped("BO-6", "a multiplier below 1 shrinks the backoffs", "0.2s", "1s", 0.5),
		{ID: "BO-7", Title: "a backoff keeps no stream open, and delays no other call", Source: "A6, Retry Policy",
			Plan: "- {match: {call: 1, attempt: 1}, inject: {status: UNAVAILABLE}}\n" +
				"- {match: {call: 2, attempt: 1}, inject: {delay: 40ms, status: UNAVAILABLE, pushback: 0}}",
			Calls: 2, Parallel: 2, Judge: all(aside, statusSet("OK", "OK"))},
		{ID: "BO-8", Title: "the first retry waits initialBackoff, the k-th multiplier^(k-1) as long", Source: "A6:113",
			Config: config(3, "0.05s", "2s", 8, `["UNAVAILABLE"]`), Plan: fails(14), Calls: 8, Parallel: 8,
			Judge: all(everyCall(3), gapsWithin(around(50), around(400)))},
	}
}

// around is the legal interval of a backoff of so many milliseconds.
func around(ms float64) Interval {
	d := ms * float64(time.Millisecond)
	return Interval{time.Duration(d * (1 - Jitter)), time.Duration(d * (1 + Jitter))}
}

// aside judges that a backoff holds nothing else up: of two calls side by side
// one is told to retry at once while the other waits, and does; and that no
// stream is open in a backoff.
func aside(o Observation) Result {
	const expected = "one call retries after its backoff, the other at once meanwhile; no stream open in a backoff"
	if len(o.Calls) != 2 || len(o.Calls[0].Attempts) != 2 || len(o.Calls[1].Attempts) != 2 {
		return verdict(false, expected, "n="+list(o.Attempts()))
	}
	waits, quick := &o.Calls[0], &o.Calls[1]
	if waits.Attempts[0].Rule > quick.Attempts[0].Rule {
		waits, quick = quick, waits
	}
	for _, c := range o.Calls {
		if c.Attempts[0].End > c.Attempts[1].Start {
			return verdict(false, expected, "the first attempt was still open when the second started")
		}
	}
	told := quick.Attempts[0].Fault
	if told < waits.Attempts[0].Fault || told+immediate > waits.Attempts[0].Fault+around(100).Min {
		return Result{Verdict: Inconclusive, Expected: expected, Observed: "the two calls did not overlap"}
	}
	return all(
		func(Observation) Result {
			return gapsWithin(around(100))(Observation{Calls: []Call{*waits}, Overshoot: o.Overshoot})
		},
		func(Observation) Result { return atOnce(1)(Observation{Calls: []Call{*quick}, Overshoot: o.Overshoot}) },
	)(o)
}

// statusSet judges what the application was told, in any order.
func statusSet(want ...string) func(Observation) Result {
	return func(o Observation) Result {
		left := append([]string(nil), want...)
		var got []string
		for _, c := range o.Calls {
			got = append(got, c.Status)
			for i, w := range left {
				if w == c.Status {
					left = append(left[:i], left[i+1:]...)
					break
				}
			}
		}
		return verdict(len(left) == 0 && len(got) == len(want), fmt.Sprint(want), fmt.Sprint(got))
	}
}
