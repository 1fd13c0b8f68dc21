package retry

import (
	"fmt"
	"strings"
	"time"
)

// configChecks are those of section 10: service configs that clients accept or
// reject. Each is given to a client whose every attempt fails.
func configChecks() []Check {
	var checks []Check
	for _, row := range configRows {
		c := Check{ID: row.id, Title: row.title, Source: row.source, Config: row.config, Plan: fails(14), Unhit: true, Judge: rejected}
		if row.attempts > 0 {
			c.Judge = accepted(row.attempts)
		}
		if row.attempts == unspecified {
			c.Judge = recordConfig
		}
		checks = append(checks, c)
	}
	resolver := "only a name resolver can bring it about, not the path"
	return append(checks,
		Check{ID: "CFG-24", Title: "an invalid config from the resolver, no earlier one: calls fail", Source: "A21, 5.2", Skip: resolver},
		Check{ID: "CFG-25", Title: "an invalid config from the resolver, and a default one: A21 contradicts itself", Source: "A21", Skip: resolver},
		Check{ID: "CFG-26", Title: "an invalid config from the resolver after a valid one: the valid one stays", Source: "A21", Skip: resolver},
		Check{ID: "CFG-28", Title: "the resolver's config before the default one", Source: "service_config.proto", Skip: resolver},
	)
}

// unspecified marks rows for which A6 and A21 do not say what is right.
const unspecified = -1

// configRows are the configs: attempts is how many a client makes that accepts
// it, 0 when it has to reject it.
var configRows = []struct {
	id, title, source, config string
	attempts                  int
}{
	{"CFG-1.1", "without maxAttempts: rejected", "A6:121", quick("maxAttempts", ""), 0},
	{"CFG-1.2", "without initialBackoff: rejected", "A6:121", quick("initialBackoff", ""), 0},
	{"CFG-1.3", "without maxBackoff: rejected", "A6:121", quick("maxBackoff", ""), 0},
	{"CFG-1.4", "without backoffMultiplier: rejected", "A6:121", quick("backoffMultiplier", ""), 0},
	{"CFG-1.5", "without retryableStatusCodes: rejected", "A6:121", quick("retryableStatusCodes", ""), 0},
	{"CFG-2.1", "maxAttempts 1: rejected", "A6:122", quick("maxAttempts", "1"), 0},
	{"CFG-2.2", "maxAttempts 0: rejected", "A6:122", quick("maxAttempts", "0"), 0},
	{"CFG-2.3", "maxAttempts -1: rejected", "A6:122", quick("maxAttempts", "-1"), 0},
	{"CFG-2.4", "maxAttempts 2.5: rejected", "A6:122", quick("maxAttempts", "2.5"), 0},
	{"CFG-2.5", `maxAttempts "5": rejected`, "A6:122", quick("maxAttempts", `"5"`), 0},
	{"CFG-3.1", "maxAttempts 6 is taken as 5", "A6:124", quick("maxAttempts", "6"), 5},
	{"CFG-3.2", "maxAttempts 100 is taken as 5", "A6:124", quick("maxAttempts", "100"), 5},
	{"CFG-4", "maxAttempts 3.0 is an integer", "A6:122", quick("maxAttempts", "3.0"), 3},
	{"CFG-5.1", `initialBackoff "0s": rejected`, "A6:125", quick("initialBackoff", `"0s"`), 0},
	{"CFG-5.2", `initialBackoff "-1s": rejected`, "A6:125", quick("initialBackoff", `"-1s"`), 0},
	{"CFG-5.3", `initialBackoff "1": rejected`, "A6:125", quick("initialBackoff", `"1"`), 0},
	{"CFG-5.4", `initialBackoff "100ms": rejected`, "A6:125", quick("initialBackoff", `"100ms"`), 0},
	{"CFG-5.5", "initialBackoff 100: rejected", "A6:125", quick("initialBackoff", "100"), 0},
	{"CFG-5.6", `maxBackoff "1m": rejected`, "A6:125", quick("maxBackoff", `"1m"`), 0},
	{"CFG-5.7", "initialBackoff with ten decimals: rejected", "A6:125", quick("initialBackoff", `"0.0100000000s"`), 0},
	{"CFG-5.8", "maxBackoff above 10,000 years: rejected", "A6:125", quick("maxBackoff", `"315576000001s"`), 0},
	{"CFG-6.1", `initialBackoff ".01s": not canonical`, "proto3 JSON", quick("initialBackoff", `".01s"`), unspecified},
	{"CFG-6.2", `maxBackoff "1.s": not canonical`, "proto3 JSON", quick("maxBackoff", `"1.s"`), unspecified},
	{"CFG-7", "maxBackoff below initialBackoff: accepted", "A6:113", quick("maxBackoff", `"0.005s"`), 3},
	{"CFG-8.1", "backoffMultiplier 0: rejected", "A6:126", quick("backoffMultiplier", "0"), 0},
	{"CFG-8.2", "backoffMultiplier -1: rejected", "A6:126", quick("backoffMultiplier", "-1"), 0},
	{"CFG-8.3", `backoffMultiplier "2": rejected`, "A6:126", quick("backoffMultiplier", `"2"`), 0},
	{"CFG-8.4", "backoffMultiplier 0.5: accepted", "A6:126", quick("backoffMultiplier", "0.5"), 3},
	{"CFG-8.5", "backoffMultiplier 1e3: accepted", "A6:126", quick("backoffMultiplier", "1e3"), 3},
	{"CFG-9", "no retryable codes: rejected", "A6:127", quick("retryableStatusCodes", "[]"), 0},
	{"CFG-10", "codes as numbers: accepted", "A6:127", quick("retryableStatusCodes", "[14]"), 3},
	{"CFG-11", "codes in lower case: accepted", "A6:127", quick("retryableStatusCodes", `["unavailable"]`), 3},
	{"CFG-12.1", "code 17: rejected", "A6:127", quick("retryableStatusCodes", "[17]"), 0},
	{"CFG-12.2", `code "BOGUS": rejected`, "A6:127", quick("retryableStatusCodes", `["BOGUS"]`), 0},
	{"CFG-12.3", `code "14": rejected`, "A6:127", quick("retryableStatusCodes", `["14"]`), 0},
	{"CFG-12.4", `code "CANCELED", with one L: rejected`, "A6:127", quick("retryableStatusCodes", `["CANCELED"]`), 0},
	{"CFG-13", "code OK: unspecified", "-", quick("retryableStatusCodes", `["OK","UNAVAILABLE"]`), unspecified},
	{"CFG-14", "an unknown field: ignored", "A21", quick("tea", "true"), 3},
	{"CFG-15", "retryPolicy and hedgingPolicy: rejected", "A6:426", strings.Replace(quick("", ""), `"retryPolicy"`, `"hedgingPolicy":{"maxAttempts":3},"retryPolicy"`, 1), 0},
	{"CFG-16", "hedgingPolicy with maxAttempts 1: rejected", "A6:164", `{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":1}}]}`, 0},
	{"CFG-17.1", "an entry without name applies to nothing", "service_config.proto", strings.Replace(quick("", ""), `"name":[{}],`, "", 1), 1},
	{"CFG-17.2", "an entry with no names applies to nothing", "service_config.proto", strings.Replace(quick("", ""), `[{}]`, "[]", 1), 1},
	{"CFG-18.1", "the default twice: rejected", "service_config.proto", strings.Replace(quick("", ""), `[{}]`, `[{},{}]`, 1), 0},
	{"CFG-18.2", "a service twice, once with an empty method: rejected", "service_config.proto", strings.Replace(quick("", ""), `[{}]`, `[{"service":"a"},{"service":"a","method":""}]`, 1), 0},
	{"CFG-19", "a method without its service: rejected", "service_config.proto", strings.Replace(quick("", ""), `[{}]`, `[{},{"method":"m"}]`, 1), 0},
	{"CFG-20.1", "maxTokens 0: rejected", "A6:198", withTokens(`"maxTokens":0,"tokenRatio":0.1`), 0},
	{"CFG-20.2", "maxTokens 1001: rejected", "A6:198", withTokens(`"maxTokens":1001,"tokenRatio":0.1`), 0},
	{"CFG-20.3", "tokenRatio 0: rejected", "A6:199", withTokens(`"maxTokens":10,"tokenRatio":0`), 0},
	{"CFG-20.4", "without tokenRatio: rejected", "A6:199", withTokens(`"maxTokens":10`), 0},
	{"CFG-20.5", "without maxTokens: rejected", "A6:198", withTokens(`"tokenRatio":0.1`), 0},
	{"CFG-21", "maxTokens 10.5: A6 contradicts itself", "A6:198,513", withTokens(`"maxTokens":10.5,"tokenRatio":0.1`), unspecified},
	{"CFG-22", "MaxAttempts for maxAttempts: another field", "proto3 JSON", strings.Replace(quick("", ""), "maxAttempts", "MaxAttempts", 1), 0},
	{"CFG-23.1", "not JSON: rejected", "A21", `{"methodConfig":[`, 0},
	{"CFG-27.1", "a method's entry before the default one", "service_config.proto", precedence(`{"service":"HelloService","method":"SayHello"}`), 2},
	{"CFG-27.2", "a service's entry before the default one", "service_config.proto", precedence(`{"service":"HelloService"}`), 2},
	{"CFG-27.3", "the default one for all others", "service_config.proto", precedence(`{"service":"Other"}`), 4},
}

// quick is a config with short backoffs and three attempts, in which one field
// is replaced; "" takes it away.
func quick(field, value string) string {
	fields := [][2]string{{"maxAttempts", "3"}, {"initialBackoff", `"0.01s"`}, {"maxBackoff", `"0.02s"`}, {"backoffMultiplier", "1"}, {"retryableStatusCodes", `["UNAVAILABLE"]`}}
	var texts []string
	for _, f := range fields {
		switch {
		case f[0] != field:
			texts = append(texts, fmt.Sprintf("%q:%s", f[0], f[1]))
		case value != "":
			texts = append(texts, fmt.Sprintf("%q:%s", f[0], value))
		}
	}
	if field == "tea" {
		texts = append(texts, fmt.Sprintf("%q:%s", field, value))
	}
	return `{"methodConfig":[{"name":[{}],"retryPolicy":{` + strings.Join(texts, ",") + `}}]}`
}

func withTokens(fields string) string {
	return strings.TrimSuffix(quick("", ""), "}") + `,"retryThrottling":{` + fields + `}}`
}

// precedence is a config whose default makes four attempts, and another entry
// two.
func precedence(name string) string {
	return strings.TrimSuffix(quick("maxAttempts", "4"), "]}") + "," +
		strings.TrimPrefix(strings.Replace(quick("maxAttempts", "2"), "{}", name, 1), `{"methodConfig":[`)
}

// rejected judges that the client refused the config: it did not start, or
// its calls failed without an attempt.
func rejected(o Observation) Result {
	const expected = "the config is rejected"
	if o.Rejected != "" {
		return verdict(true, expected, o.Rejected)
	}
	total := 0
	for _, n := range o.Attempts() {
		total += n
	}
	switch {
	case total == 0 && notOK(o).Verdict == Pass:
		return verdict(true, expected, "the call failed without an attempt")
	case total == 1:
		return verdict(false, expected, "it is ignored: n=1")
	}
	return verdict(false, expected, fmt.Sprintf("it is used: n=%s", list(o.Attempts())))
}

// accepted judges that the client took the config over.
func accepted(n int) func(Observation) Result {
	return func(o Observation) Result {
		if o.Rejected != "" {
			return verdict(false, fmt.Sprintf("accepted, n=%d", n), "rejected: "+o.Rejected)
		}
		return attempts(n)(o)
	}
}

// recordConfig notes what a client makes of a config that is not specified.
func recordConfig(o Observation) Result {
	const expected = "unspecified: rejected, ignored or used"
	if o.Rejected != "" {
		return verdict(true, expected, "rejected: "+o.Rejected)
	}
	return verdict(attemptsBetween(0, 5)(o).Verdict == Pass, expected, "n="+list(o.Attempts()))
}

// hedgingChecks are those of section 11. Clients that do not hedge make one
// attempt under a config with nothing but a hedgingPolicy.
func hedgingChecks() []Check {
	hedged := func(delay, nonFatal, more string) string {
		return fmt.Sprintf(`{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":3,"hedgingDelay":%q,"nonFatalStatusCodes":%s}}]%s}`, delay, nonFatal, more)
	}
	need := []Need{NeedHedging}
	slow := "- inject: {delay: 5s}"
	return []Check{
		{ID: "HED-0", Title: "a client that does not hedge makes one attempt", Source: "A6:6", Config: hedged("0.1s", "[]", ""), Needs: []Need{NeedNoHedging},
			Plan: fails(14), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "HED-1", Title: "attempts start hedgingDelay apart", Source: "A6:133-164", Config: hedged("0.2s", `["UNAVAILABLE"]`, ""), Needs: need, Deadline: time.Second,
			Plan: slow, Judge: all(attempts(3), apart(200*time.Millisecond))},
		{ID: "HED-2", Title: "the first success cancels the others", Source: "A6:133-164", Config: hedged("0.1s", `["UNAVAILABLE"]`, ""), Needs: need,
			Plan: "- {match: {attempt: 1-2}, inject: {delay: 5s}}", Judge: all(attempts(3), statuses("OK"), cancelled(2))},
		{ID: "HED-3", Title: "a non-fatal status brings the next attempt at once", Source: "A6:133-164", Config: hedged("5s", `["UNAVAILABLE"]`, ""), Needs: need,
			Plan: failsFirst(1), Judge: all(attempts(2), statuses("OK"), atOnce(1))},
		{ID: "HED-4", Title: "a fatal status ends the call, and cancels all", Source: "A6:133-164", Config: hedged("0.1s", `["UNAVAILABLE"]`, ""), Needs: need,
			Plan: "- {match: {attempt: 1}, inject: {delay: 5s}}\n- {match: {attempt: 2}, inject: {status: INTERNAL}}", Judge: all(attempts(2), statuses("INTERNAL"), cancelled(1))},
		{ID: "HED-5", Title: "pushback -1: no more attempts", Source: "A6:226-236", Config: hedged("0.1s", `["UNAVAILABLE"]`, ""), Needs: need,
			Plan: fails14("pushback: -1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "HED-6", Title: "tokens at half: only the first attempt", Source: "A6:189", Config: hedged("0.02s", `["UNAVAILABLE"]`, `,"retryThrottling":{"maxTokens":4,"tokenRatio":0.1}`), Needs: need, Calls: 2,
			Plan: fails(14), Judge: judgeLastCall(1)},
	}
}

// apart judges that attempts start so long after each other.
func apart(d time.Duration) func(Observation) Result {
	return func(o Observation) Result {
		expected := fmt.Sprintf("attempts %v apart", d)
		for _, c := range o.Calls {
			for i := 1; i < len(c.Attempts); i++ {
				if got := c.Attempts[i].Start - c.Attempts[i-1].Start; got < d-early || got > d+late+o.Overshoot {
					return verdict(false, expected, round(got).String())
				}
			}
		}
		return verdict(len(o.Calls) > 0, expected, "so they are")
	}
}

// cancelled judges how many attempts of each call the client reset.
func cancelled(want int) func(Observation) Result {
	return func(o Observation) Result {
		for _, c := range o.Calls {
			got := 0
			for _, a := range c.Attempts {
				if a.Ended == "client" {
					got++
				}
			}
			if got != want {
				return verdict(false, fmt.Sprintf("%d attempts are cancelled", want), fmt.Sprint(got))
			}
		}
		return verdict(len(o.Calls) > 0, fmt.Sprintf("%d attempts are cancelled", want), "so they are")
	}
}

// judgeLastCall judges how many attempts the last call made.
func judgeLastCall(want int) func(Observation) Result {
	return func(o Observation) Result {
		got := o.Attempts()
		return verdict(len(got) > 0 && got[len(got)-1] == want, fmt.Sprintf("n=%d of the last call", want), "n="+list(got))
	}
}
