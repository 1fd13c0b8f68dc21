package retry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/retry"
	"touchstone/server/source"
)

// policy returns a service config whose default entry has the retry policy of
// the seed with some fields replaced: "" takes a field away.
func policy(replaced map[string]string) string {
	fields := map[string]string{"maxAttempts": "5", "initialBackoff": `"0.1s"`, "maxBackoff": `"1s"`, "backoffMultiplier": "2", "retryableStatusCodes": `["UNAVAILABLE"]`}
	for name, value := range replaced {
		fields[name] = value
	}
	var list []string
	for _, name := range []string{"maxAttempts", "initialBackoff", "maxBackoff", "backoffMultiplier", "retryableStatusCodes", "MaxAttempts", "extra"} {
		if fields[name] != "" {
			list = append(list, fmt.Sprintf("%q: %s", name, fields[name]))
		}
	}
	return entry(`"retryPolicy": {` + strings.Join(list, ", ") + `}`)
}

func entry(fields string) string {
	return `{"methodConfig": [{"name": [{}], ` + fields + `}]}`
}

// TestConfigs has a row for each row of retry-checks.md, section 10, that a
// config alone decides.
func TestConfigs(t *testing.T) {
	type fields = map[string]string
	tests := []struct{ id, config, want string }{ // want: part of the error; "" accepts
		{"CFG-1 without maxAttempts", policy(fields{"maxAttempts": ""}), "no maxAttempts"},
		{"CFG-1 without initialBackoff", policy(fields{"initialBackoff": ""}), "no initialBackoff"},
		{"CFG-1 without maxBackoff", policy(fields{"maxBackoff": ""}), "no maxBackoff"},
		{"CFG-1 without backoffMultiplier", policy(fields{"backoffMultiplier": ""}), "no backoffMultiplier"},
		{"CFG-1 without retryableStatusCodes", policy(fields{"retryableStatusCodes": ""}), "no retryableStatusCodes"},
		{"CFG-1 null", policy(fields{"maxBackoff": "null"}), "no maxBackoff"},
		{"CFG-2 one attempt", policy(fields{"maxAttempts": "1"}), "at least 2"},
		{"CFG-2 negative", policy(fields{"maxAttempts": "-1"}), "at least 2"},
		{"CFG-2 a fraction", policy(fields{"maxAttempts": "2.5"}), "an integer"},
		{"CFG-2 a string", policy(fields{"maxAttempts": `"5"`}), "an integer"},
		{"CFG-3 above the cap", policy(fields{"maxAttempts": "100"}), ""},
		{"CFG-4 an integer written as a fraction", policy(fields{"maxAttempts": "5.0"}), ""},
		{"CFG-5 zero backoff", policy(fields{"initialBackoff": `"0s"`}), "above 0"},
		{"CFG-5 negative backoff", policy(fields{"initialBackoff": `"-1s"`}), "above 0"},
		{"CFG-5 no unit", policy(fields{"initialBackoff": `"1"`}), "not a duration"},
		{"CFG-5 minutes", policy(fields{"maxBackoff": `"1m"`}), `write "60s"`},
		{"CFG-5 milliseconds", policy(fields{"initialBackoff": `"100ms"`}), `write "0.1s"`},
		{"CFG-5 a number", policy(fields{"initialBackoff": "100"}), "not a duration"},
		{"CFG-5 ten decimals", policy(fields{"initialBackoff": `"0.1234567890s"`}), "not a duration"},
		{"CFG-5 above 10,000 years", policy(fields{"maxBackoff": `"315576000001s"`}), "above the longest"},
		{"CFG-6 no digit before the point", policy(fields{"initialBackoff": `".1s"`}), "not a duration"},
		{"CFG-6 no digit after the point", policy(fields{"initialBackoff": `"1.s"`}), "not a duration"},
		{"CFG-7 maxBackoff below initialBackoff", policy(fields{"maxBackoff": `"0.01s"`}), ""},
		{"CFG-8 multiplier 0", policy(fields{"backoffMultiplier": "0"}), "above 0"},
		{"CFG-8 multiplier -1", policy(fields{"backoffMultiplier": "-1"}), "above 0"},
		{"CFG-8 multiplier as a string", policy(fields{"backoffMultiplier": `"2"`}), "above 0"},
		{"CFG-8 multiplier 0.5", policy(fields{"backoffMultiplier": "0.5"}), ""},
		{"CFG-8 multiplier 1e3", policy(fields{"backoffMultiplier": "1e3"}), ""},
		{"CFG-9 no codes", policy(fields{"retryableStatusCodes": "[]"}), "is empty"},
		{"CFG-10 codes as numbers", policy(fields{"retryableStatusCodes": "[14]"}), ""},
		{"CFG-11 codes in lower case", policy(fields{"retryableStatusCodes": `["unavailable"]`}), ""},
		{"CFG-12 a code too high", policy(fields{"retryableStatusCodes": "[17]"}), "not a status code"},
		{"CFG-12 a code unknown", policy(fields{"retryableStatusCodes": `["BOGUS"]`}), "not a status code"},
		{"CFG-12 a number as a string", policy(fields{"retryableStatusCodes": `["14"]`}), "not a status code"},
		{"CFG-12 one L", policy(fields{"retryableStatusCodes": `["CANCELED"]`}), `did you mean "CANCELLED"?`},
		{"CFG-13 OK is unspecified", policy(fields{"retryableStatusCodes": `["OK"]`}), ""},
		{"CFG-14 an unknown field", policy(fields{"extra": "true"}), ""},
		{"CFG-15 both policies", entry(`"retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": [14]}, "hedgingPolicy": {"maxAttempts": 2}`), "exclude each other"},
		{"CFG-16 an invalid hedgingPolicy", entry(`"hedgingPolicy": {"maxAttempts": 1}`), "at least 2"},
		{"CFG-17 no name", `{"methodConfig": [{"timeout": "1s"}]}`, ""},
		{"CFG-17 an empty list of names", `{"methodConfig": [{"name": [], "timeout": "1s"}]}`, ""},
		{"CFG-18 a name twice", `{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}`, "the name * is given twice"},
		{"CFG-18 a name twice, once with an empty method", `{"methodConfig": [{"name": [{"service": "a"}, {"service": "a", "method": ""}]}]}`, "the name a/* is given twice"},
		{"CFG-19 a method without service", `{"methodConfig": [{"name": [{"method": "m"}]}]}`, "needs its service"},
		{"CFG-20 no tokens", `{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}`, "above 0"},
		{"CFG-20 too many tokens", `{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}`, "above 1000"},
		{"CFG-20 ratio 0", `{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0}}`, "above 0"},
		{"CFG-20 no ratio", `{"retryThrottling": {"maxTokens": 10}}`, "no tokenRatio"},
		{"CFG-22 another case", policy(fields{"maxAttempts": "", "MaxAttempts": "5"}), "write maxAttempts, not MaxAttempts"},
		{"CFG-23 not JSON", `{"methodConfig": [`, "config.json:1:"},
		{"CFG-23 nothing", ``, "a service config is an object"},
		{"YAML is read too", "methodConfig:\n  - name: [{service: chat.v1.Chat}]\n    timeout: 2s\n", ""},
	}
	for _, test := range tests {
		t.Run(test.id, func(t *testing.T) {
			_, err := retry.Parse("config.json", []byte(test.config))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("Parse(%s) = %v, want it accepted", test.config, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("Parse(%s) = %v, want %q", test.config, err, test.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	type fields = map[string]string
	tests := []struct {
		name, config string
		question     retry.Question
		want         string
	}{
		{"nothing to warn of", policy(nil), retry.Question{RequestBytes: 1000}, ""},
		{"an entry without a name does nothing", `{"methodConfig": [{"timeout": "1s"}]}`, retry.Question{}, "applies to no method"},
		{"above the cap", policy(fields{"maxAttempts": "9"}), retry.Question{}, "taken as 5"},
		{"lower case", policy(fields{"retryableStatusCodes": `["unavailable"]`}), retry.Question{}, `write "UNAVAILABLE"`},
		{"hedging does nothing in some clients", entry(`"hedgingPolicy": {"maxAttempts": 2}`), retry.Question{}, "do not hedge"},
		{"requests above a buffer", policy(nil), retry.Question{RequestBytes: 300_000}, "retry buffer of grpc-go"},
		{"an entry that hides the default", `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "1s", "maxBackoff": "1s", "backoffMultiplier": 1, "retryableStatusCodes": [14]}},
			{"name": [{"service": "s"}], "timeout": "1s"}]}`, retry.Question{}, "hides the one of line 1"},
		{"throttling of nothing", `{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}`, retry.Question{}, "nothing to throttle"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := retry.Parse("config.json", []byte(test.config))
			if err != nil {
				t.Fatal(err)
			}
			got := config.Warnings(source.NewFile("config.json", test.config), test.question)
			if test.want == "" && len(got) > 0 || !strings.Contains(got.Error(), test.want) {
				t.Errorf("Warnings = %v, want %q", got, test.want)
			}
		})
	}
}

// Example explains the policy of the seed.
func Example() {
	config, err := retry.Parse("seed.json", []byte(policy(nil)))
	if err != nil {
		fmt.Println(err)
		return
	}
	p := config.Explain(retry.Question{})[0].Policy
	for n := 1; n < p.Attempts(); n++ {
		fmt.Printf("before retry %d: %v to %v\n", n, p.Backoff(n).Min, p.Backoff(n).Max)
	}
	least, most := p.Within(250 * time.Millisecond)
	fmt.Println("before a deadline of 250ms:", least, "to", most, "attempts")
	// Output:
	// before retry 1: 80ms to 120ms
	// before retry 2: 160ms to 240ms
	// before retry 3: 320ms to 480ms
	// before retry 4: 640ms to 960ms
	// before a deadline of 250ms: 2 to 3 attempts
}

func TestThrottling(t *testing.T) {
	tests := []struct {
		max, ratio   float64
		stop, resume int
	}{
		{10, 0.1, 5, 11}, // 10 - 5 = 5, half; a retry needs 1 + more than 5
		{3, 1, 2, 2},     // 3 - 2 = 1, below 1.5; a retry needs more than 2.5
		{2, 1, 1, -1},    // never: a full bucket after a failure is at half
	}
	for _, test := range tests {
		th := retry.Throttling{MaxTokens: test.max, TokenRatio: test.ratio}
		resume, ok := th.SuccessesToResume()
		if !ok {
			resume = -1
		}
		if th.FailuresToStop() != test.stop || resume != test.resume {
			t.Errorf("%+v stops after %d, resumes after %d; want %d, %d", th, th.FailuresToStop(), resume, test.stop, test.resume)
		}
		if stop, resume := simulate(th); stop != test.stop || resume != test.resume {
			t.Errorf("a simulation of %+v stops after %d, resumes after %d", th, stop, resume)
		}
	}
}

// simulate counts failures and successes as A6 tells clients to, one by one.
func simulate(th retry.Throttling) (stop, resume int) {
	tokens := th.MaxTokens
	for retries := true; retries; stop++ {
		tokens = max(tokens-1, 0)
		retries = tokens > th.MaxTokens/2
	}
	for after := tokens; ; resume++ {
		if after-1 > th.MaxTokens/2+1e-12 {
			return stop, resume
		}
		after = min(after+th.TokenRatio, th.MaxTokens)
		if resume > 10_000 {
			return stop, -1
		}
	}
}

func TestMostSpecificEntryWins(t *testing.T) {
	config, err := retry.Parse("c", []byte(`{"methodConfig": [
		{"name": [{}], "timeout": "1s"}, {"name": [{"service": "s"}], "timeout": "2s"}, {"name": [{"service": "s", "method": "m"}], "timeout": "3s"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Duration{"s/m": 3 * time.Second, "s/n": 2 * time.Second, "t/m": time.Second} {
		service, method, _ := strings.Cut(name, "/")
		if got := config.Method(service, method).Timeout; got != want {
			t.Errorf("%s has the timeout %v, want %v", name, got, want)
		}
	}
}

// FuzzParse checks that parsing never panics, and that what is accepted can be
// explained.
func FuzzParse(f *testing.F) {
	f.Add(policy(nil))
	f.Add(entry(`"hedgingPolicy": {"maxAttempts": 2}`))
	f.Add(`{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		config, err := retry.Parse("f", []byte(text))
		if err != nil {
			return
		}
		for _, x := range config.Explain(retry.Question{Deadline: time.Second}) {
			if x.Least > x.Most || x.Most > retry.AttemptCap || x.Least < 1 {
				t.Errorf("%q leaves %d to %d attempts", text, x.Least, x.Most)
			}
		}
		config.Warnings(source.NewFile("f", text), retry.Question{RequestBytes: 1 << 20})
	})
}
