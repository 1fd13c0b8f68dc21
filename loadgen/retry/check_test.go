package retry_test

import (
	"slices"
	"testing"
	"time"

	"touchstone/loadgen/retry"
	"touchstone/server/fault"
)

// find returns a check by its id.
func find(t *testing.T, id string) retry.Check {
	t.Helper()
	checks := retry.Checks()
	at := slices.IndexFunc(checks, func(c retry.Check) bool { return c.ID == id })
	if at < 0 {
		t.Fatalf("there is no check %s", id)
	}
	return checks[at]
}

// failing returns a call whose attempts start at the given times and fail at
// once.
func failing(status string, starts ...time.Duration) retry.Call {
	c := retry.Call{Status: status}
	for i, at := range starts {
		previous := ""
		if i > 0 {
			previous = string(rune('0' + i))
		}
		c.Attempts = append(c.Attempts, seen(at, previous, func(a *retry.Attempt) { a.Fault = at }))
	}
	return c
}

func TestVerdicts(t *testing.T) {
	const ms = time.Millisecond
	sound := failing("UNAVAILABLE", 0, 100*ms, 300*ms, 700*ms, 1500*ms)
	tests := []struct {
		name, id    string
		observation retry.Observation
		want        retry.Verdict
	}{
		{"five attempts", "ATT-1", retry.Observation{Calls: []retry.Call{sound}, Hits: []int{5}}, retry.Pass},
		{"three attempts", "ATT-1", retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 100*ms, 300*ms)}, Hits: []int{3}}, retry.Fail},
		{"the right attempts, the wrong status", "ATT-1", retry.Observation{Calls: []retry.Call{failing("INTERNAL", 0, 100*ms, 300*ms, 700*ms, 1500*ms)}, Hits: []int{5}}, retry.Fail},
		{"a fault that was never hit", "ATT-1", retry.Observation{Calls: []retry.Call{sound}, Hits: []int{0}}, retry.Inconclusive},
		{"a client that died", "ATT-1", retry.Observation{Calls: []retry.Call{sound}, Hits: []int{5}, Crashed: "signal: aborted"}, retry.Fail},
		{"nothing at all was seen", "ATT-1", retry.Observation{Hits: []int{5}}, retry.Fail},
		{"sound backoffs", "BO-1", retry.Observation{Calls: []retry.Call{sound}, Hits: []int{5}}, retry.Pass},
		{"a gap too long on an idle machine", "BO-1", retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 100*ms, 300*ms, 700*ms, 1900*ms)}, Hits: []int{5}}, retry.Fail},
		{"the same on a machine whose timers are late", "BO-1",
			retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 100*ms, 300*ms, 700*ms, 1900*ms)}, Hits: []int{5}, Overshoot: 50 * ms}, retry.Inconclusive},
		{"a gap too short by less than the timers were late", "BO-1",
			retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 60*ms, 260*ms, 660*ms, 1460*ms)}, Hits: []int{5}, Overshoot: 50 * ms}, retry.Inconclusive},
		{"a gap too short on an idle machine", "BO-1", retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 60*ms, 260*ms, 660*ms, 1460*ms)}, Hits: []int{5}}, retry.Fail},
		{"a gap too short by more is nobody's fault but the client's", "BO-1",
			retry.Observation{Calls: []retry.Call{failing("UNAVAILABLE", 0, 10*ms, 210*ms, 610*ms, 1410*ms)}, Hits: []int{5}, Overshoot: 50 * ms}, retry.Fail},
		{"a deadline missed on a machine whose timers are late", "DL-2", retry.Observation{Calls: []retry.Call{{Status: "DEADLINE_EXCEEDED"}}, Hits: []int{1}, Overshoot: 50 * ms}, retry.Inconclusive},
		{"a deadline missed on an idle machine", "DL-2", retry.Observation{Calls: []retry.Call{{Status: "DEADLINE_EXCEEDED"}}, Hits: []int{1}}, retry.Fail},
		{"a config rejected at the door", "CFG-9", retry.Observation{Calls: []retry.Call{{}}, Rejected: "no codes"}, retry.Pass},
		{"a config that should be rejected and is used", "CFG-9", retry.Observation{Calls: []retry.Call{sound}, Hits: []int{5}}, retry.Fail},
		{"a config that should be accepted and is rejected", "CFG-10", retry.Observation{Calls: []retry.Call{{}}, Rejected: "integers"}, retry.Fail},
	}
	for _, test := range tests {
		check := find(t, test.id)
		if got := check.Evaluate(test.observation); got.Verdict != test.want {
			t.Errorf("%s: %s is %s (want %s, got %s), want %s", test.name, test.id, got.Verdict, got.Expected, got.Observed, test.want)
		}
	}
}

// TestJitterModels gives models of jitter to the checks that tell
// them apart.
func TestJitterModels(t *testing.T) {
	gaps := func(share func(i int) float64) retry.Observation {
		o := retry.Observation{Hits: []int{1}}
		for i := range 40 {
			var starts []time.Duration
			at := time.Duration(0)
			for k, nominal := range []float64{0, 100, 200, 400, 800} {
				at += time.Duration(nominal * share(4*i+k) * float64(time.Millisecond))
				starts = append(starts, at)
			}
			o.Calls = append(o.Calls, failing("UNAVAILABLE", starts...))
		}
		return o
	}
	even := func(low, high float64) func(int) float64 {
		return func(i int) float64 { return low + (high-low)*float64(i*37%160)/159 }
	}
	tests := []struct {
		name     string
		share    func(int) float64
		bo2, bo3 retry.Verdict
		note     string
	}{
		{"20 % either way", even(0.8, 1.2), retry.Pass, retry.Pass, retry.ModelA6},
		{"full jitter", even(0, 1), retry.Fail, retry.Fail, retry.ModelFull},
		{"none", even(1, 1), retry.Fail, retry.Fail, retry.ModelNone},
		{"no backoff", even(0, 0.02), retry.Fail, retry.Fail, retry.ModelRush},
		{"none on the first backoff", func(i int) float64 {
			if i%4 == 1 {
				return 1
			}
			return even(0.8, 1.2)(i)
		}, retry.Pass, retry.Fail, retry.ModelFirst},
		{"the same backoff always", func(i int) float64 { return even(0.8, 1.2)(i) / []float64{8, 1, 2, 4}[i%4] }, retry.Fail, retry.Fail, retry.ModelOther},
		{"20 % upwards only", even(1, 1.2), retry.Fail, retry.Pass, retry.ModelA6},
	}
	t.Run("the client was kept waiting", func(t *testing.T) {
		bo3, o := find(t, "BO-3"), gaps(even(0.9, 2.5))
		o.Waited = 2 * time.Second
		if got := bo3.Evaluate(o); got.Verdict != retry.Inconclusive {
			t.Errorf("gaps of 0.9 to 2.5 while tasks waited for a CPU: BO-3 is %s, want inconclusive", got.Verdict)
		}
		o.Waited = 0
		if got := bo3.Evaluate(o); got.Verdict != retry.Fail {
			t.Errorf("the same while none waited: BO-3 is %s, want fail", got.Verdict)
		}
		o = gaps(even(1.6, 2.4))
		o.Waited = 2 * time.Second
		if got := bo3.Evaluate(o); got.Verdict != retry.Fail {
			t.Errorf("all gaps twice as long while tasks waited for a CPU: BO-3 is %s, want fail", got.Verdict)
		}
	})
	for _, test := range tests {
		bo2, bo3 := find(t, "BO-2"), find(t, "BO-3")
		o := gaps(test.share)
		if got := bo2.Evaluate(o); got.Verdict != test.bo2 {
			t.Errorf("%s: BO-2 is %s, %s; want %s", test.name, got.Verdict, got.Observed, test.bo2)
		}
		if got := bo3.Evaluate(o); got.Verdict != test.bo3 || !slices.Contains(got.Notes, "jitter: "+test.note) {
			t.Errorf("%s: BO-3 is %s %q; want %s and %q", test.name, got.Verdict, got.Notes, test.bo3, test.note)
		}
	}
}

// TestTables checks what every check has to have.
func TestTables(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range retry.Checks() {
		if ids[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		ids[c.ID] = true
		if c.Title == "" || c.Source == "" || (c.Skip == "") == (c.Judge == nil) {
			t.Errorf("%s needs a title, a source, and either a judge or a reason to skip it", c.ID)
		}
		if c.Plan != "" {
			if _, err := fault.Parse(c.ID, []byte(c.Plan)); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
		// A check that passes when nothing was seen cannot fail.
		if c.Judge != nil && c.Evaluate(retry.Observation{Hits: nil}).Verdict == retry.Pass {
			t.Errorf("%s passes when nothing was seen", c.ID)
		}
	}
}
