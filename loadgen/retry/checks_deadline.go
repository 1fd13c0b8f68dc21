package retry

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deadlineChecks are those of section 8: deadlines and cancellation.
func deadlineChecks() []Check {
	return []Check{
		{ID: "DL-1", Title: "always UNAVAILABLE, deadline 250 ms: DEADLINE_EXCEEDED in the second or third backoff", Source: "A6:101", Deadline: 250 * time.Millisecond,
			Plan: fails(14), Judge: all(attemptsBetween(2, 3), statuses("DEADLINE_EXCEEDED"))},
		{ID: "DL-2", Title: "a deadline before the first backoff ends: one attempt", Source: "A6:101", Deadline: 75 * time.Millisecond,
			Plan: fails(14), Judge: all(attempts(1), statuses("DEADLINE_EXCEEDED"))},
		{ID: "DL-3", Title: "no answer until the deadline: one attempt, even with DEADLINE_EXCEEDED in the policy", Source: "A6:101, A44", Deadline: 400 * time.Millisecond,
			Config: config(5, "0.01s", "0.1s", 2, `["UNAVAILABLE","DEADLINE_EXCEEDED"]`),
			Plan:   "- inject: {blackhole: headers}", Judge: all(attempts(1), statuses("DEADLINE_EXCEEDED"))},
		{ID: "DL-4", Title: "the service config's timeout and a longer deadline: the shorter holds", Source: "service_config.proto", Deadline: 5 * time.Second,
			Config: `{"methodConfig":[{"name":[{}],"timeout":"0.3s"}]}`,
			Plan:   "- inject: {blackhole: headers}", Unhit: true, Judge: all(attempts(1), statuses("DEADLINE_EXCEEDED"), timeoutAtMost(300*time.Millisecond))},
		{ID: "DL-5", Title: "the backend is down, wait for ready: one attempt, until the deadline", Source: "service_config.proto",
			Skip: "an attempt that finds no connection is not seen in the path"},
		{ID: "DL-6", Title: "cancelled in a backoff: CANCELLED, no further stream", Source: "C-core retry_cancel_during_delay", Cancel: 50 * time.Millisecond,
			Config: config(5, "0.4s", "1s", 2, `["UNAVAILABLE"]`), Plan: fails(14), Judge: all(attempts(1), statuses("CANCELLED"))},
		{ID: "DL-7", Title: "cancelled in the second attempt: RST_STREAM(CANCEL) on it alone", Source: "PROTOCOL-HTTP2, Client Cancellation", Cancel: 400 * time.Millisecond,
			Plan: failsFirst(1) + "\n- {match: {attempt: 2-}, inject: {blackhole: headers}}", Judge: all(attempts(2), statuses("CANCELLED"), lastReset("CANCEL"))},
		{ID: "DL-8", Title: "perAttemptRecvTimeout, which is not in A6, is ignored", Source: "A21, unknown fields", Deadline: time.Second,
			Config: strings.Replace(config(5, "0.1s", "1s", 2, `["UNAVAILABLE"]`), `"maxAttempts"`, `"perAttemptRecvTimeout":"0.05s","maxAttempts"`, 1),
			Plan:   "- inject: {delay: 200ms}", Judge: all(attempts(1), statuses("OK"))},
	}
}

// attemptsBetween judges that every call made from least to most attempts.
func attemptsBetween(least, most int) func(Observation) Result {
	return func(o Observation) Result {
		got := o.Attempts()
		out := slices.ContainsFunc(got, func(n int) bool { return n < least || n > most })
		return verdict(len(got) > 0 && !out, fmt.Sprintf("n=%d to %d", least, most), "n="+list(got))
	}
}

// timeoutAtMost judges the grpc-timeout of every attempt.
func timeoutAtMost(limit time.Duration) func(Observation) Result {
	return func(o Observation) Result {
		expected := fmt.Sprintf("grpc-timeout of at most %v", limit)
		for _, c := range o.Calls {
			for _, a := range c.Attempts {
				if got, ok := a.Timeout(); !ok || got > limit {
					return verdict(false, expected, got.String())
				}
			}
		}
		return verdict(len(o.Calls) > 0, expected, "so it is")
	}
}

// lastReset judges that the client reset the last attempt of its call with a
// code, and no other attempt.
func lastReset(code string) func(Observation) Result {
	return func(o Observation) Result {
		expected := fmt.Sprintf("RST_STREAM(%s) on the last attempt only", code)
		for _, c := range o.Calls {
			for i, a := range c.Attempts {
				want := ""
				if i == len(c.Attempts)-1 {
					want = code
				}
				if a.ResetCode != want {
					return verdict(false, expected, fmt.Sprintf("attempt %d of %d: reset %q, %s", i+1, len(c.Attempts), a.ResetCode, a.How))
				}
			}
		}
		return verdict(len(o.Calls) > 0, expected, "so it is")
	}
}

// streamChecks are those of section 9: retries of streams, which have to
// repeat what was sent.
func streamChecks() []Check {
	return []Check{
		{ID: "STR-1", Title: "client streaming, UNAVAILABLE after half-close: all messages again, in order", Source: "A6, Buffering", Method: ClientStream,
			Plan: injects("status: UNAVAILABLE, after_requests: all"), Judge: all(attempts(2), statuses("OK"), replayed)},
		{ID: "STR-2", Title: "client streaming, UNAVAILABLE after two messages: these again, then the rest", Source: "A6", Method: ClientStream,
			Plan: injects("status: UNAVAILABLE, after_requests: 2"), Judge: all(attempts(2), statuses("OK"), replayed)},
		{ID: "STR-3", Title: "client streaming, UNAVAILABLE at the headers: all messages on the second attempt", Source: "A6", Method: ClientStream,
			Plan: injects("status: UNAVAILABLE"), Judge: all(attempts(2), statuses("OK"), replayed)},
		{ID: "STR-4", Title: "bidi, UNAVAILABLE after one message: retried", Source: "A6", Method: Bidi,
			Plan: injects("status: UNAVAILABLE, after_requests: 1"), Judge: all(attempts(2), statuses("OK"), replayed)},
		{ID: "STR-5", Title: "bidi, UNAVAILABLE after a response message: no retry", Source: "A6:258", Method: Bidi,
			Plan: fails14("after_messages: 1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "STR-6", Title: "server streaming, UNAVAILABLE, then OK: retried", Source: "A6", Method: ServerStream,
			Plan: failsFirst(1), Judge: all(attempts(2), statuses("OK"))},
		{ID: "STR-7", Title: "bidi, always UNAVAILABLE: five attempts", Source: "A6:99", Method: Bidi,
			Plan: fails(14), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "STR-8", Title: "compressed requests: the same encoding on each attempt", Source: "-", Option: "gzip",
			Plan: failsFirst(2), Judge: all(attempts(3), statuses("OK"), sameHeaders, carries("grpc-encoding", "gzip"))},
	}
}

// replayed judges that the last attempt of each call has the three messages of
// the client, in order, and its half-close; and that no attempt before it has
// others than the first of them.
func replayed(o Observation) Result {
	const expected = "m1, m2, m3 and half-close on the last attempt, no other message on those before"
	for _, c := range o.Calls {
		for i, a := range c.Attempts {
			got := greetings(a.Request)
			last := i == len(c.Attempts)-1
			want := []string{"m1", "m2", "m3"}
			if last && (!slices.Equal(got, want) || a.HalfClose < 0) || !last && !isPrefix(got, want) {
				return verdict(false, expected, fmt.Sprintf("attempt %d: %v, half-closed: %v", i+1, got, a.HalfClose >= 0))
			}
		}
	}
	return verdict(len(o.Calls) > 0, expected, "so it is")
}

func isPrefix(got, want []string) bool {
	return len(got) <= len(want) && slices.Equal(got, want[:len(got)])
}

// greetings returns the two first letters of the greeting in each message of
// HelloRequest: field 1, a string.
func greetings(messages [][]byte) []string {
	var out []string
	for _, m := range messages {
		greeting := "?"
		if len(m) > 1 && m[0] == 1<<3|2 {
			if _, n := binary.Uvarint(m[1:]); n > 0 && len(m) >= n+3 {
				greeting = string(m[n+1 : n+3])
			}
		}
		out = append(out, greeting)
	}
	return out
}

// carries judges a header of every attempt.
func carries(name, want string) func(Observation) Result {
	return func(o Observation) Result {
		expected := name + ": " + want
		for _, c := range o.Calls {
			for i, a := range c.Attempts {
				if got, _ := a.Get(name); got != want {
					return verdict(false, expected, fmt.Sprintf("attempt %d: %q", i+1, got))
				}
			}
		}
		return verdict(len(o.Calls) > 0, expected, "on every attempt")
	}
}
