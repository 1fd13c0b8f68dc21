package fault_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchstone/server/fault"
)

// samePlan compares what plans do, not where their rules stand.
var samePlan = cmp.Options{
	cmpopts.IgnoreUnexported(fault.Plan{}, fault.Rule{}),
	cmpopts.IgnoreFields(fault.Rule{}, "Pos"),
}

func parse(t testing.TB, text string) *fault.Plan {
	t.Helper()
	plan, err := fault.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func Example() {
	plan, err := fault.Parse("outage.yaml", []byte(`
- match: {method: Detect/detect, attempt: 1-2}
  inject: {status: UNAVAILABLE, message: planned}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	decider := fault.NewDecider(plan, 1)
	for attempt := 1; attempt <= 3; attempt++ {
		action, hit := decider.Decide(fault.Call{Method: "Detect/detect", Attempt: attempt})
		if !hit {
			fmt.Println("goes through")
			continue
		}
		fmt.Println(action.Status.Code, action.Status.Message)
	}
	fmt.Println("hits", decider.Hits())
	// Output:
	// 14 planned
	// 14 planned
	// goes through
	// hits [2]
}

// everything uses each word of the language once.
const everything = `
- match: {method: /Detect/*, attempt: 1-2, call: "4-", every: 3, percent: 12.5, metadata: {x-tenant: acme, x-n: 7}}
  inject:
    delay: 200ms
    status: UNAVAILABLE
    message: "planned: 你\x7f\U0001F600"
    details:
      - {type: google.rpc.RetryInfo, retry_delay: 1.5s}
      - {"@type": type.googleapis.com/google.rpc.BadRequest, field_violations: [{field: a, description: b}]}
    pushback: [300, abc, "-1"]
    after_requests: 1
    after_messages: 2
    with_headers: {x-region: eu}
- inject: {rst: CANCEL, with_headers: true}
- inject: {refused: true, goaway: [{last: max}, {last: below, code: ENHANCE_YOUR_CALM, debug: too_many_pings}], settings: {max_concurrent_streams: 1}, informational: 103}
- inject: {half_open: {after_bytes: 3}}
- inject: {status: UNAVAILABLE, after_requests: all}
- inject: {close: headers, goaway: {last: 5}, corrupt: payload, bandwidth: 64KiB/s}
- inject: {reset: {after_bytes: 10}}
- inject: {blackhole: {after_messages: 1}}
- inject: {http: {status: 503, content_type: text/html, body: "<h1>no</h1>\n"}}
- inject: {drop_trailers: true}
- inject: {truncate: 0}
- inject: {delay: {distribution: uniform, min: 1ms, max: 2ms}}
- inject: {delay: {distribution: normal, mean: 20ms, stddev: 5ms, max: 1s}}
- inject: {delay: {distribution: exponential, mean: 20ms}}
- inject: {delay: {distribution: lognormal, median: 20ms, sigma: 0.8}}
- inject: {delay: {distribution: pareto, min: 1ms, alpha: 1.2, max: 1s}}
- inject: {status: 99}
`

func TestEveryWordIsRead(t *testing.T) {
	plan := parse(t, everything)
	rst, none := uint32(8), int64(0)
	want := []fault.Action{
		{
			Delay: fault.Delay{Fixed: 200 * time.Millisecond},
			Status: &fault.Status{
				Code: 14, Message: "planned: 你\x7f\U0001F600",
				Details: []fault.Detail{
					{Type: "google.rpc.RetryInfo", JSON: `{"retry_delay":"1.5s"}`},
					{Type: "google.rpc.BadRequest", JSON: `{"field_violations":[{"field":"a","description":"b"}]}`},
				},
				Pushback: []string{"300", "abc", "-1"},
			},
			AfterRequests: 1, AfterMessages: 2, WithHeaders: true, Headers: map[string]string{"x-region": "eu"},
		},
		{Rst: &rst, WithHeaders: true},
		{Refused: true, GoAways: []fault.GoAway{{Last: "max"}, {Last: "below", Code: 11, Debug: "too_many_pings"}}, Settings: []fault.Setting{{ID: 3, Value: 1}}, Informational: 103},
		{HalfOpen: &fault.Point{AfterBytes: 3}},
		{Status: &fault.Status{Code: 14}, AfterRequests: fault.AllRequests},
		{Close: &fault.Point{}, GoAways: []fault.GoAway{{Last: "5"}}, Corrupt: "payload", Bandwidth: 65536},
		{Reset: &fault.Point{AfterBytes: 10}},
		{Blackhole: &fault.Point{AfterMessages: 1}},
		{HTTP: &fault.HTTP{Status: 503, ContentType: "text/html", Body: "<h1>no</h1>\n"}},
		{DropTrailers: true},
		{Truncate: &none},
		{Delay: fault.Delay{Distribution: "uniform", Min: time.Millisecond, Max: 2 * time.Millisecond}},
		{Delay: fault.Delay{Distribution: "normal", Mean: 20 * time.Millisecond, StdDev: 5 * time.Millisecond, Max: time.Second}},
		{Delay: fault.Delay{Distribution: "exponential", Mean: 20 * time.Millisecond}},
		{Delay: fault.Delay{Distribution: "lognormal", Median: 20 * time.Millisecond, Sigma: 0.8}},
		{Delay: fault.Delay{Distribution: "pareto", Min: time.Millisecond, Alpha: 1.2, Max: time.Second}},
		{Status: &fault.Status{Code: 99}},
	}
	var got []fault.Action
	for _, rule := range plan.Rules {
		got = append(got, rule.Action)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	match := fault.Match{
		Method: "Detect/*", Attempt: fault.Range{From: 1, To: 2}, Call: fault.Range{From: 4}, Every: 3, Percent: 12.5,
		Metadata: map[string]string{"x-tenant": "acme", "x-n": "7"},
	}
	if diff := cmp.Diff(match, plan.Rules[0].Match); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
}

func TestPrintedPlanIsTheSame(t *testing.T) {
	for _, text := range []string{everything, "[]", `[{"inject": {"pushback": -1, "status": 14}}]`} {
		plan := parse(t, text)
		if diff := cmp.Diff(plan, parse(t, plan.YAML()), samePlan); diff != "" {
			t.Errorf("%s\nprints as another plan (-want +got):\n%s", plan.YAML(), diff)
		}
	}
}

func TestDetailsPack(t *testing.T) {
	any, err := parse(t, everything).Rules[0].Action.Status.Details[0].Any()
	if err != nil {
		t.Fatal(err)
	}
	got, err := any.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	var want proto.Message = &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
	if _, err := (fault.Detail{Type: "google.rpc.Nope", JSON: "{}"}).Any(); err == nil {
		t.Error("a type that does not exist packs")
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"a mapping in place of the list", "match: {}", "1:1: want a list of rules, got a mapping"},
		{"nothing at all", "", "want a list of rules, got null"},
		{"a rule that is no mapping", "- 5", "1:3: want a mapping, got an integer"},
		{"a misspelt word of a rule", "- {inject: {status: 14}, mach: {}}", "1:26: unknown field \"mach\"\n    1 | - {inject: {status: 14}, mach: {}}\n      |                          ^\nhint: did you mean \"match\"?"},
		{"a rule without inject", "- match: {}", `field "inject" is missing`},
		{"a misspelt word of match", "- {match: {methud: '*'}, inject: {status: 14}}", `did you mean "method"?`},
		{"a misspelt word of inject", "- inject: {statsu: 14}", `did you mean "status"?`},
		{"a misspelt status", "- inject: {status: UNAVAILBLE}", "1:20: unknown status \"UNAVAILBLE\"\n    1 | - inject: {status: UNAVAILBLE}\n      |                    ^\nhint: did you mean \"UNAVAILABLE\"?"},
		{"a status of another spelling", "- inject: {status: Canceled}", `did you mean "CANCELLED"?`},
		{"a status below 0", "- inject: {status: -1}", "status -1 is not within"},
		{"a method without service", "- {match: {method: detect}, inject: {status: 14}}", `"detect" is not a method`},
		{"a method with two slashes", "- {match: {method: a/b/c}, inject: {status: 14}}", "is not a method"},
		{"attempts count from 1", "- {match: {attempt: 0}, inject: {status: 14}}", "ordinals count from 1"},
		{"a range that ends before it starts", "- {match: {attempt: 3-2}, inject: {status: 14}}", `want a range of ordinals, got "3-2"`},
		{"a range of words", "- {match: {call: first}, inject: {status: 14}}", "want a range of ordinals"},
		{"a range as a fraction", "- {match: {call: 1.5}, inject: {status: 14}}", "want a range of ordinals, got 1.5"},
		{"every 0", "- {match: {every: 0}, inject: {status: 14}}", "0 is not within 1"},
		{"percent 0 never matches", "- {match: {percent: 0}, inject: {status: 14}}", "0 is not above 0 and up to 100"},
		{"percent above 100", "- {match: {percent: 100.5}, inject: {status: 14}}", "100.5 is not above 0 and up to 100"},
		{"an upper-case key", "- {match: {metadata: {X-A: b}}, inject: {status: 14}}", `"X-A" is not a metadata key`},
		{"a value that no header can have", "- {match: {metadata: {a: \"\\n\"}}, inject: {status: 14}}", "printable ASCII"},
		{"two ends", "- inject: {status: 14, rst: CANCEL}", "1:24: status and rst both end the call"},
		{"nothing to do", "- inject: {}", "inject says nothing to do"},
		{"a delay of nothing", "- inject: {delay: 0s}", "want a delay above 0"},
		{"a message without status", "- inject: {message: x, delay: 1s}", "1:12: message needs status beside it"},
		{"after_messages of what", "- inject: {after_messages: 1, refused: true}", "after_messages needs status or rst"},
		{"refused false", "- inject: {refused: false, delay: 1s}", "false is the same as leaving it out"},
		{"a delay without unit", "- inject: {delay: 200}", "write a number with a unit"},
		{"a delay of days", "- inject: {delay: 48h}", "longer than 24h"},
		{"an unknown distribution", "- inject: {delay: {distribution: gauss}}", "one of uniform, normal"},
		{"a parameter of another distribution", "- inject: {delay: {distribution: normal, mean: 1s, stddev: 1s, sigma: 1}}", `unknown field "sigma"`},
		{"a parameter is missing", "- inject: {delay: {distribution: pareto, min: 1s}}", `field "alpha" is missing`},
		{"a sigma of 0", "- inject: {delay: {distribution: lognormal, median: 1s, sigma: 0}}", "0 is not above 0"},
		{"max below min", "- inject: {delay: {distribution: uniform, min: 2s, max: 1s}}", "max 1s is less than min 2s"},
		{"two points", "- inject: {close: {after_bytes: 1, after_messages: 1}}", "want one of at: headers"},
		{"a misspelt point", "- inject: {close: header}", `did you mean "headers"?`},
		{"a point that is none", "- inject: {close: {}}", "want one of at: headers"},
		{"an unknown detail", "- inject: {status: 14, details: [{type: google.rpc.RetryInf}]}", `did you mean "google.rpc.RetryInfo"?`},
		{"a detail without type", "- inject: {status: 14, details: [{retry_delay: 1s}]}", "a detail has one type"},
		{"a field that the detail lacks", "- inject: {status: 14, details: [{type: google.rpc.RetryInfo, retry_dela: 1s}]}", "1:63: google.rpc.RetryInfo has no field \"retry_dela\""},
		{"a nested field that the detail lacks", "- inject: {status: 3, details: [{type: google.rpc.BadRequest, field_violations: [{fild: x}]}]}", `has no field "fild"`},
		{"a field of the wrong type", "- inject: {status: 14, details: [{type: google.rpc.RetryInfo, retry_delay: soon}]}", `1:34: detail google.rpc.RetryInfo: invalid google.protobuf.Duration value "soon"`},
		{"details as a mapping", "- inject: {status: 14, details: {type: google.rpc.RetryInfo}}", "want a list of details"},
		{"a pushback that has to be quoted", "- inject: {status: 14, pushback: 1.5}", "quote a value"},
		{"no pushback at all", "- inject: {status: 14, pushback: []}", "an empty list sends no pushback"},
		{"an HTTP status that is none", "- inject: {http: {status: 99}}", "99 is not within 200 and 599"},
		{"an unknown HTTP/2 error", "- inject: {rst: CANCELLED}", `did you mean "CANCEL"?`},
		{"an unknown stream", "- inject: {goaway: {last: previous}}", "one of below, this, max"},
		{"no bandwidth", "- inject: {bandwidth: 0}", "want bytes a second above 0"},
		{"a bandwidth of another unit", "- inject: {bandwidth: 5 furlongs}", "write 65536 or 64KiB/s"},
		{"an unknown part to corrupt", "- inject: {corrupt: all}", "one of payload, length, flag"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := fault.Parse("plan.yaml", []byte(test.yaml))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse(%q) = %v, want %q", test.yaml, err, test.want)
			}
		})
	}
}

func TestAllMistakesAreReported(t *testing.T) {
	_, err := fault.Parse("plan.yaml", []byte("- inject: {status: NO}\n- inject: {rst: NO}\n"))
	if got := strings.Count(err.Error(), "plan.yaml:"); got != 2 {
		t.Errorf("%d mistakes reported, want 2:\n%v", got, err)
	}
}

func TestMethodPatterns(t *testing.T) {
	tests := []struct {
		name, pattern, method string
		want                  bool
	}{
		{"the method itself", "Detect/detect", "Detect/detect", true},
		{"a longer method", "Detect/detect", "Detect/detectEach", false},
		{"any method of a service", "Detect/*", "Detect/detectLive", true},
		{"another service", "Detect/*", "HelloService/SayHello", false},
		{"everything", "*", "a.b.C/D", true},
		{"no method is everything", "", "a.b.C/D", true},
		{"everything but reflection", "*", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", false},
		{"reflection by its name", "grpc.reflection.*/*", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true},
		{"the same method of any service", "*/Check", "grpc.health.v1.Health/Check", true},
		{"a star in the middle that takes nothing", "a*b/C", "ab/C", true},
		{"two stars of which the first must not take too much", "a*b*c/D", "abbc/D", true},
		{"prefix and suffix must not overlap", "ab*ba/C", "aba/C", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := (fault.Match{Method: test.pattern}).MatchesMethod(test.method); got != test.want {
				t.Errorf("%q fits %q = %v, want %v", test.pattern, test.method, got, test.want)
			}
		})
	}
}

// TestMethodPatternsAgreeWithRegexps holds the matcher against its slow twin,
// over all short patterns and texts of a small alphabet.
func TestMethodPatternsAgreeWithRegexps(t *testing.T) {
	for _, pattern := range words("ab*", 5) {
		if pattern == "" || pattern == "*" {
			continue // these stand for every method
		}
		twin := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$")
		for _, text := range words("ab", 5) {
			if got, want := (fault.Match{Method: pattern}).MatchesMethod(text), twin.MatchString(text); got != want {
				t.Fatalf("%q fits %q = %v, want %v", pattern, text, got, want)
			}
		}
	}
}

// words returns all words of up to n letters.
func words(alphabet string, n int) []string {
	out := []string{""}
	for start := 0; n > 0; n-- {
		end := len(out)
		for _, word := range out[start:end] {
			for _, letter := range alphabet {
				out = append(out, word+string(letter))
			}
		}
		start = end
	}
	return out
}

func TestGoAwayLastStream(t *testing.T) {
	for last, want := range map[string]uint32{"this": 7, "below": 5, "max": 1<<31 - 1, "12": 12} {
		if got := (fault.GoAway{Last: last}).LastStream(7); got != want {
			t.Errorf("last %s of stream 7 = %d, want %d", last, got, want)
		}
	}
	if got := (fault.GoAway{Last: "below"}).LastStream(1); got != 0 {
		t.Errorf("below the first stream = %d, want 0", got)
	}
}

func TestUnsupportedNamesTheWord(t *testing.T) {
	plan := parse(t, "- inject: {delay: 1s, status: 14}\n- inject: {status: 14, goaway: {}}\n- inject: {status: OK}\n")
	errs := plan.Unsupported(fault.Capability{"status", "delay"}, "run loadgen proxy")
	want := []string{"plan.yaml:2:24: goaway needs the proxy", "plan.yaml:3:12: status OK needs the proxy"}
	var got []string
	for _, e := range errs {
		got = append(got, e.Short())
		if e.Hint != "run loadgen proxy" {
			t.Errorf("hint %q", e.Hint)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("unsupported: %q, want %q", got, want)
	}
	if errs := parse(t, "- inject: {status: 14}").Unsupported(fault.Capability{"status"}, ""); errs != nil {
		t.Errorf("a plan that can be carried out is refused: %v", errs)
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		text string
		want int64 // -1: refused
	}{
		{"0", 0}, {"512", 512}, {"512B", 512}, {"64KiB", 65536}, {"100MiB", 104857600}, {"2GiB", 2147483648},
		{"1kB", 1000}, {"3MB", 3000000}, {"1GB", 1000000000},
		{"", -1}, {"MiB", -1}, {"1.5MiB", -1}, {"-1", -1}, {"+1", -1}, {"1 MiB", -1}, {"1mib", -1}, {"9999999999GiB", -1}, {"99999999999999999999", -1},
	}
	for _, test := range tests {
		got, err := fault.ParseSize(test.text)
		if err != nil {
			got = -1
		}
		if got != test.want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", test.text, got, err, test.want)
		}
	}
}

// FuzzParse checks that reading never panics, and that what was read prints as
// a plan that reads as the same.
func FuzzParse(f *testing.F) {
	for _, rule := range strings.Split(everything, "\n- ") { // short seeds: long ones mutate to nothing
		f.Add("- " + rule)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := fault.Parse("plan.yaml", []byte(text))
		if err != nil {
			return
		}
		printed := plan.YAML()
		again, err := fault.Parse("printed.yaml", []byte(printed))
		if err != nil {
			t.Fatalf("%q prints as\n%s\nwhich is refused: %v", text, printed, err)
		}
		if diff := cmp.Diff(plan, again, samePlan); diff != "" {
			t.Errorf("%q prints as another plan (-want +got):\n%s", text, diff)
		}
	})
}

// FuzzParseSize checks that sizes are never negative, and that a size in bytes
// reads as itself.
func FuzzParseSize(f *testing.F) {
	f.Add("100MiB")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := fault.ParseSize(text)
		if err != nil {
			return
		}
		if again, err := fault.ParseSize(fmt.Sprint(n)); err != nil || n < 0 || again != n {
			t.Errorf("ParseSize(%q) = %d, which reads as %d, %v", text, n, again, err)
		}
	})
}
