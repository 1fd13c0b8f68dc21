package retry

import "fmt"

// transparentChecks are those of section 6: retries of calls that no server
// has seen, which no policy has to allow and none counts.
func transparentChecks() []Check {
	unseen := "only a load balancer or a name resolver can bring it about, not the path"
	return []Check{
		{ID: "TR-1", Title: "refused once, no policy: retried at once", Source: "A6:304", Config: noPolicy,
			Plan: "- {match: {call: 1}, inject: {refused: true}}", Judge: all(attempts(2), statuses("OK"), previous("", ""), atOnce(1))},
		{ID: "TR-2", Title: "refused always, no policy: retried once", Source: "A6:304", Config: noPolicy,
			Plan: "- inject: {refused: true}", Judge: all(attempts(2), statuses("UNAVAILABLE"))},
		{ID: "TR-3", Title: "refused always, with the policy: one retry at once, then four by the policy", Source: "A6:304,308",
			Plan: "- inject: {refused: true}", Judge: all(attempts(6), statuses("UNAVAILABLE"), atOnce(1),
				gapsWithin(Interval{0, immediate}, around(100), around(200), around(400), around(800)))},
		{ID: "TR-4", Title: "UNAVAILABLE, refused, OK: unspecified", Source: "A6:304",
			Plan:  "- {match: {attempt: 1}, inject: {status: UNAVAILABLE}}\n- {match: {attempt: 2, percent: 100, call: 1}, inject: {refused: true}}",
			Unhit: true, Judge: record(3, 6)},
		{ID: "TR-5", Title: "GOAWAY below the stream, once: retried at once on a new connection", Source: "A6:304", Config: noPolicy,
			Plan: "- {match: {call: 1}, inject: {goaway: {last: below}}}", Judge: all(attempts(2), statuses("OK"), previous("", ""), connections(2), atOnce(1))},
		{ID: "TR-6", Title: "GOAWAY below the stream, always: six attempts on six connections", Source: "A6:304",
			Plan: "- inject: {goaway: {last: below}}", Judge: all(attempts(6), statuses("UNAVAILABLE"), connections(6))},
		{ID: "TR-7.1", Title: "GOAWAY that keeps the stream, then the connection is lost, no policy: no retry", Source: "A6:304", Config: noPolicy,
			Plan: "- {match: {call: 1}, inject: {goaway: {last: this}, close: headers}}", Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "TR-7.2", Title: "the same with the policy: a retry after the backoff", Source: "A6:304",
			Plan: "- {match: {attempt: 1}, inject: {goaway: {last: this}, close: headers}}", Judge: all(attempts(2), statuses("OK"), previous("", "1"), gapsWithin(around(100)))},
		{ID: "TR-8", Title: "GOAWAY that keeps the stream: the stream goes on", Source: "PROTOCOL-HTTP2, GOAWAY",
			Plan: "- inject: {goaway: {last: this}, delay: 50ms}", Judge: all(attempts(1), statuses("OK"))},
		{ID: "TR-9", Title: "two GOAWAYs: the stream goes on after the first, and is retried after the second", Source: "A9:63-77", Config: noPolicy,
			Plan: "- {match: {call: 1}, inject: {goaway: [{last: max}, {last: below}]}}", Judge: all(attempts(2), statuses("OK"), connections(2))},
		{ID: "TR-10", Title: "a connection lost before the request is written: retried", Source: "A6:302",
			Skip: "what was never on the wire is not seen in the path"},
		{ID: "TR-11", Title: "calls queued by MAX_CONCURRENT_STREAMS when the connection is lost: retried", Source: "A105:330", Config: noPolicy, Calls: 4, Option: "one channel",
			Plan: "- {match: {call: 1}, inject: {settings: {max_concurrent_streams: 1}, delay: 200ms, close: headers}}", Unhit: true, Judge: queuedRetried},
		{ID: "TR-12", Title: "GOAWAY too_many_pings below the stream: retried on a new connection", Source: "A8, Basic Keepalive", Config: noPolicy,
			Plan:  "- {match: {call: 1}, inject: {goaway: {last: below, code: ENHANCE_YOUR_CALM, debug: too_many_pings}}}",
			Judge: all(attempts(2), statuses("OK"), connections(2))},
		{ID: "TR-13", Title: "a drop by the load balancer: no retry", Source: "A6:300, A32:104", Skip: unseen},
		{ID: "TR-14", Title: "the backend is down: handled by the policy", Source: "A6:300",
			Skip: "attempts that find no connection are not seen in the path; loadgen counts its own by their ends"},
		{ID: "TR-15", Title: "transparent retries cost no tokens", Source: "A6:306", Config: throttled(4, 0.1), Calls: 6,
			Plan: "- {match: {every: 2}, inject: {delay: 1ms}}\n- inject: {refused: true}", Judge: noTokensLost},
		{ID: "TR-16", Title: "GOAWAY with an even last id: a connection error", Source: "RFC 9113, 6.8", Dangerous: true, Config: noPolicy,
			Plan: "- {match: {call: 1}, inject: {goaway: {last: 2}}}", Judge: record(1, 3)},
	}
}

// connections judges on how many connections the first call made its attempts.
func connections(want int) func(Observation) Result {
	return func(o Observation) Result {
		seen := map[int]bool{}
		for _, c := range o.Calls {
			for _, a := range c.Attempts {
				seen[a.Conn] = true
			}
		}
		return verdict(len(seen) == want, fmt.Sprintf("%d connections", want), fmt.Sprint(len(seen)))
	}
}

// queuedRetried judges that of several calls on a connection that was lost,
// all but the one that was on the wire succeeded.
func queuedRetried(o Observation) Result {
	failed := 0
	for _, c := range o.Calls {
		if c.Status != "OK" {
			failed++
		}
	}
	return verdict(failed <= 1 && len(o.Calls) == 4, "of 4 calls at most the first fails", fmt.Sprintf("%d failed", failed))
}

// noTokensLost judges that calls which were each refused once all succeeded:
// of four tokens, two failures would have left half.
//
// The attempts are not numbered, and so count as calls of their own here: there
// are more of them than statuses.
func noTokensLost(o Observation) Result {
	ok, total := 0, 0
	for _, c := range o.Calls {
		if c.Status == "OK" {
			ok++
		}
		total += len(c.Attempts)
	}
	return verdict(ok == 6 && total == 12, "6 calls succeed with 12 attempts", fmt.Sprintf("%d with %d", ok, total))
}

// throttleChecks are those of section 7: tokens.
func throttleChecks() []Check {
	return []Check{
		{ID: "THR-1", Title: "ten tokens, all failing: the first call makes five attempts", Source: "A6:181-187", Config: throttled(10, 0.1),
			Plan: fails(14), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "THR-2", Title: "then the tokens are at half: the next call makes one, and fails at once", Source: "A6:191", Config: throttled(10, 0.1), Calls: 2,
			Plan: fails(14), Judge: all(attempts(5, 1), statuses("UNAVAILABLE", "UNAVAILABLE"))},
		{ID: "THR-3", Title: "successes bring tokens back, and retries with them", Source: "A6:185", Config: throttled(10, 1), Calls: 5,
			// 10 tokens; call 1 takes 5. Calls 2 and 3 succeed: 7. Call 4 fails: 6
			// is above 5, so it is retried: 5 is not. Call 5 fails: 4.
			Plan:  "- {match: {call: 2-3}, inject: {delay: 1ms}}\n" + fails(14),
			Judge: all(attempts(5, 1, 1, 2, 1), statuses("UNAVAILABLE", "OK", "OK", "UNAVAILABLE", "UNAVAILABLE"))},
		{ID: "THR-4", Title: "failures that are not retryable cost no tokens", Source: "A6:193", Config: throttled(10, 0.1), Calls: 9,
			Plan: "- {match: {call: 1-8}, inject: {status: INTERNAL}}\n" + fails(14), Judge: attempts(1, 1, 1, 1, 1, 1, 1, 1, 5)},
		{ID: "THR-5", Title: "a pushback not to retry costs a token, whatever the status", Source: "A6:193", Config: throttled(10, 0.1), Calls: 9,
			Plan: "- {match: {call: 1-8}, inject: {status: INTERNAL, pushback: -1}}\n" + fails(14), Judge: attempts(1, 1, 1, 1, 1, 1, 1, 1, 1)},
		{ID: "THR-6", Title: "a retryable status on a committed call costs a token", Source: "A6:193", Config: throttled(10, 0.1), Calls: 9,
			Plan: "- {match: {call: 1-8}, inject: {status: UNAVAILABLE, with_headers: true}}\n" + fails(14), Judge: attempts(1, 1, 1, 1, 1, 1, 1, 1, 1)},
		{ID: "THR-7", Title: "tokens are those of all methods together", Source: "A6:181", Config: throttled(10, 0.1), Calls: 2, Option: "two methods",
			Plan: fails(14), Judge: attempts(5, 1)},
		{ID: "THR-8", Title: "channels to one server name share its tokens", Source: "A6:179", Config: throttled(10, 0.1), Calls: 2, Option: "two channels",
			Plan: fails(14), Judge: attempts(5, 1)},
		{ID: "THR-9", Title: "tokens after a new service config: unspecified", Source: "-", Skip: "only a name resolver can bring a new service config"},
	}
}
