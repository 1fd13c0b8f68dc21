package retry

import (
	"fmt"
	"slices"
)

// attemptChecks are those of section 1: how many attempts, and on which codes.
func attemptChecks() []Check {
	checks := []Check{
		{ID: "ATT-1", Title: "always UNAVAILABLE: five attempts, then the last status", Source: "A6:99",
			Plan: fails(14), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "ATT-3", Title: "the sixth attempt, which would succeed, is never made", Source: "A6:99",
			Plan: failsFirst(5), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "ATT-4", Title: "maxAttempts 9 is taken as 5", Source: "A6:124,213",
			Config: config(9, "0.01s", "0.02s", 1, `["UNAVAILABLE"]`), Plan: fails(14), Judge: all(attempts(5), statuses("UNAVAILABLE"))},
		{ID: "ATT-5", Title: "a cap raised by the application: as many attempts as the config says", Source: "A6:213", Option: "cap 7",
			Config: config(9, "0.01s", "0.02s", 1, `["UNAVAILABLE"]`), Plan: fails(14), Judge: all(attempts(7), statuses("UNAVAILABLE"))},
		{ID: "ATT-6", Title: "INTERNAL is not in the policy: one attempt", Source: "A6:117",
			Plan: fails(13), Judge: all(attempts(1), statuses("INTERNAL"))},
		{ID: "ATT-7", Title: "the code of each attempt is judged afresh", Source: "A6, Summary 2",
			Plan:  "- {match: {attempt: 1}, inject: {status: UNAVAILABLE}}\n- {match: {attempt: 2}, inject: {status: INTERNAL}}",
			Judge: all(attempts(2), statuses("INTERNAL"))},
		{ID: "ATT-8", Title: "of all codes only UNAVAILABLE is retried", Source: "A6:117", Calls: 16,
			Plan: everyCode(), Judge: judgeEveryCode},
		{ID: "ATT-9", Title: "without a retryPolicy: one attempt", Source: "A6, Integration with Service Config",
			Config: noPolicy, Plan: fails(14), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "ATT-10", Title: "retries disabled on the channel: one attempt", Source: "A6:320", Option: "retries off",
			Plan: fails(14), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "ATT-11", Title: "OK without a message: a unary call fails, and is not retried", Source: "statuscodes.md",
			Plan: fails(0), Dangerous: true, Judge: all(attempts(1), notOK)},
	}
	for k := 1; k <= 4; k++ {
		checks = slices.Insert(checks, k, Check{ID: fmt.Sprintf("ATT-2.%d", k), Source: "A6, Summary 3",
			Title: fmt.Sprintf("%d times UNAVAILABLE, then OK: %d attempts", k, k+1),
			Plan:  failsFirst(k), Judge: all(attempts(k+1), statuses("OK"))})
	}
	return checks
}

// notOK judges that every call failed, with whatever status.
func notOK(o Observation) Result {
	for _, c := range o.Calls {
		if c.Status == "OK" {
			return verdict(false, "a status other than OK", "OK")
		}
	}
	return verdict(len(o.Calls) > 0, "a status other than OK", "none")
}

// everyCode is a plan in which the n-th call gets status n. UNAVAILABLE is left
// for the last, so that its retries are not taken for another call's.
func everyCode() string {
	plan := ""
	for i, code := range codeOrder() {
		plan += fmt.Sprintf("- {match: {call: %d}, inject: {status: %d}}\n", i+1, code)
	}
	return plan
}

func codeOrder() []uint32 {
	return []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 14}
}

func judgeEveryCode(o Observation) Result {
	want, names := make([]int, 16), make([]string, 16)
	for i, code := range codeOrder() {
		want[i], names[i] = 1, CodeName(code)
		if code == 14 {
			want[i] = 5
		}
	}
	return all(attempts(want...), statuses(names...))(o)
}
