package fault_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"touchstone/server/fault"
)

// step is one attempt as a test writes it.
type step struct {
	method  string // "" is a/B
	attempt int
	id      string
	number  int
	want    uint32 // the status; 0: goes through
}

func run(t *testing.T, yaml string, steps []step) {
	t.Helper()
	d := fault.NewDecider(parse(t, yaml), 1)
	for i, s := range steps {
		c := fault.Call{Method: "a/B", Attempt: s.attempt, Number: s.number}
		if s.method != "" {
			c.Method = s.method
		}
		if s.id != "" {
			c.Metadata = map[string][]string{fault.CallID: {s.id}}
		}
		var got uint32
		if action, ok := d.Decide(c); ok {
			got = action.Status.Code
		}
		if got != s.want {
			t.Errorf("step %d (%+v): status %d, want %d", i, s, got, s.want)
		}
	}
}

func TestDecisions(t *testing.T) {
	tests := []struct {
		name, yaml string
		steps      []step
	}{
		{"the first rule that fits decides", "[{match: {attempt: 1}, inject: {status: 13}}, {inject: {status: 14}}]",
			[]step{{attempt: 1, want: 13}, {attempt: 2, want: 14}}},
		{"a retry has the ordinal of its call", "- {match: {call: 2}, inject: {status: 14}}",
			[]step{{attempt: 1}, {attempt: 1, want: 14}, {attempt: 2, want: 14}, {attempt: 3, want: 14}, {attempt: 1}}},
		{"every third call", "- {match: {every: 3, attempt: 1}, inject: {status: 14}}",
			[]step{{attempt: 1}, {attempt: 1}, {attempt: 1, want: 14}, {attempt: 2}, {attempt: 1}, {attempt: 1}, {attempt: 1, want: 14}}},
		{"calls to other methods do not count", "- {match: {method: a/B, call: 2}, inject: {status: 14}}",
			[]step{{attempt: 1}, {method: "a/C", attempt: 1}, {attempt: 1, want: 14}}},
		{"a rule counts calls that an earlier one decides", "[{match: {call: 1}, inject: {status: 13}}, {match: {call: 2}, inject: {status: 14}}]",
			[]step{{attempt: 1, want: 13}, {attempt: 1, want: 14}, {attempt: 1}}},
		{"a retry whose first attempt was never seen starts a call", "- {match: {call: 1}, inject: {status: 14}}",
			[]step{{attempt: 3, want: 14}, {attempt: 4, want: 14}, {attempt: 1}}},
		{"ids tie the attempts of concurrent calls", "- {match: {call: 1}, inject: {status: 14}}",
			[]step{{attempt: 1, id: "x", want: 14}, {attempt: 1, id: "y"}, {attempt: 2, id: "x", want: 14}, {attempt: 2, id: "y"}}},
		{"a transparent retry with an id is the same call", "- {match: {call: 1}, inject: {status: 14}}",
			[]step{{attempt: 1, id: "x", want: 14}, {attempt: 1, id: "x", want: 14}, {attempt: 1, id: "y"}}},
		{"a caller that knows the ordinal gives it", "- {match: {call: 7}, inject: {status: 14}}",
			[]step{{attempt: 1, number: 6}, {attempt: 1, number: 7, want: 14}, {attempt: 2, number: 7, want: 14}}},
		{"attempt 0 is a caller's first", "- {match: {attempt: 1}, inject: {status: 14}}", []step{{want: 14}}},
		{"an open range", `- {match: {attempt: "4-"}, inject: {status: 14}}`,
			[]step{{attempt: 3}, {attempt: 4, want: 14}, {attempt: 99, want: 14}}},
		{"no rules", "[]", []step{{attempt: 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { run(t, test.yaml, test.steps) })
	}
}

func TestMetadataHasTheValueAmongOthers(t *testing.T) {
	d := fault.NewDecider(parse(t, "- {match: {metadata: {x: b}}, inject: {status: 14}}"), 1)
	for _, test := range []struct {
		values []string
		want   bool
	}{{nil, false}, {[]string{"a"}, false}, {[]string{"a", "b"}, true}} {
		if _, got := d.Decide(fault.Call{Method: "a/B", Attempt: 1, Metadata: map[string][]string{"x": test.values}}); got != test.want {
			t.Errorf("values %q fit: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestNilPlanLetsThrough(t *testing.T) {
	if _, ok := fault.NewDecider(nil, 1).Decide(fault.Call{}); ok {
		t.Error("a nil plan decides")
	}
}

// TestPercentIsSeeded draws 10,000 times: the share is right (the standard
// deviation is 0.46 %), the same seed hits the same attempts, and another seed
// hits others.
func TestPercentIsSeeded(t *testing.T) {
	plan := parse(t, "- {match: {percent: 30}, inject: {status: 14}}")
	hits := func(seed uint64) (out []int) {
		d := fault.NewDecider(plan, seed)
		for i := range 10000 {
			if _, ok := d.Decide(fault.Call{Method: "a/B", Attempt: 1}); ok {
				out = append(out, i)
			}
		}
		return out
	}
	first := hits(1)
	if len(first) < 2800 || len(first) > 3200 {
		t.Errorf("%d of 10000 hit, want about 3000", len(first))
	}
	if !slices.Equal(first, hits(1)) {
		t.Error("the same seed hits other attempts")
	}
	if slices.Equal(first, hits(2)) {
		t.Error("another seed hits the same attempts")
	}
}

// TestDistributions compares the median of 4,001 draws with the distribution's
// own, and checks the bounds.
func TestDistributions(t *testing.T) {
	tests := []struct {
		name, delay   string
		median        time.Duration
		lowest, limit time.Duration
	}{
		{"fixed", "200ms", 200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond},
		{"uniform", "{distribution: uniform, min: 100ms, max: 300ms}", 200 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond},
		{"normal", "{distribution: normal, mean: 200ms, stddev: 20ms}", 200 * time.Millisecond, 0, time.Second},
		{"a normal one is never negative", "{distribution: normal, mean: 10ms, stddev: 1ms, max: 10ms}", 10 * time.Millisecond, 0, 10 * time.Millisecond},
		{"exponential: ln 2 of the mean", "{distribution: exponential, mean: 100ms}", 69315 * time.Microsecond, 0, time.Hour},
		{"lognormal", "{distribution: lognormal, median: 50ms, sigma: 1}", 50 * time.Millisecond, 0, time.Hour},
		{"pareto: 2^(1/alpha) of the minimum", "{distribution: pareto, min: 50ms, alpha: 1}", 100 * time.Millisecond, 50 * time.Millisecond, 24 * time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := fault.NewDecider(parse(t, "- inject: {delay: "+test.delay+"}"), 7)
			var draws []time.Duration
			for range 4001 {
				action, _ := d.Decide(fault.Call{Method: "a/B"})
				if action.Delay.Distribution != "" {
					t.Fatalf("the delay is not drawn: %+v", action.Delay)
				}
				draws = append(draws, action.Delay.Fixed)
			}
			slices.Sort(draws)
			if draws[0] < test.lowest || draws[4000] > test.limit {
				t.Errorf("draws from %s to %s, want %s to %s", draws[0], draws[4000], test.lowest, test.limit)
			}
			if ratio := float64(draws[2000]) / float64(test.median); ratio < 0.9 || ratio > 1.1 {
				t.Errorf("median %s, want about %s", draws[2000], test.median)
			}
		})
	}
}

func TestForgottenIDsAreBounded(t *testing.T) {
	d := fault.NewDecider(parse(t, "- {match: {call: 1}, inject: {status: 14}}"), 1)
	decide := func(id string) bool {
		_, ok := d.Decide(fault.Call{Method: "a/B", Attempt: 2, Metadata: map[string][]string{fault.CallID: {id}}})
		return ok
	}
	first := decide("0")
	for i := 1; i < 20000; i++ {
		d.Decide(fault.Call{Method: "a/B", Attempt: 1, Metadata: map[string][]string{fault.CallID: {fmt.Sprint(i)}}})
	}
	if !first || decide("0") {
		t.Error("the first of 20,000 calls is remembered: memory would grow for ever")
	}
}

// TestConcurrentCallsAreAllCounted has 8 callers make 1,000 calls each: of
// every five calls exactly one is hit.
func TestConcurrentCallsAreAllCounted(t *testing.T) {
	d := fault.NewDecider(parse(t, "- {match: {every: 5}, inject: {status: 14}}"), 1)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 1000 {
				d.Decide(fault.Call{Method: "a/B", Attempt: 1})
			}
		})
	}
	callers.Wait()
	if got := d.Hits(); got[0] != 1600 {
		t.Errorf("%d hits, want 1600", got[0])
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, yaml := range map[string]string{
		"rules=0":      "[]",
		"rules=method": "- {match: {method: x/Y}, inject: {status: 14}}",
		"rules=every":  "- {match: {every: 1000}, inject: {status: 14}}",
	} {
		b.Run(name, func(b *testing.B) {
			plan, err := fault.Parse("p", []byte(yaml))
			if err != nil {
				b.Fatal(err)
			}
			d := fault.NewDecider(plan, 1)
			b.ReportAllocs()
			for b.Loop() {
				d.Decide(fault.Call{Method: "a/B", Attempt: 1})
			}
		})
	}
}
