package retry_test

import (
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/retry"
)

// seen returns an attempt that fails at once with UNAVAILABLE, as its response
// of trailers only; previous "" is no header.
func seen(at time.Duration, previous string, change func(*retry.Attempt)) retry.Attempt {
	a := retry.Attempt{Start: at, Fault: -1, End: at, HalfClose: at, Reset: -1, Status: "14", Ended: "target", How: "trailers-only", Rule: -1,
		Header: []retry.Header{{Name: ":path", Value: "/s/m"}}}
	if previous != "" {
		a.Header = append(a.Header, retry.Header{Name: "grpc-previous-rpc-attempts", Value: previous})
	}
	if change != nil {
		change(&a)
	}
	return a
}

func TestWatch(t *testing.T) {
	const ms = time.Millisecond
	config, err := retry.Parse("seed", []byte(retry.DefaultConfig))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		attempts []retry.Attempt
		want     string // part of the only complaint; "" for none
	}{
		{"a sound client", []retry.Attempt{seen(0, "", nil), seen(100*ms, "1", nil), seen(300*ms, "2", nil), seen(700*ms, "3", nil), seen(1500*ms, "4", nil)}, ""},
		{"two calls at once are told apart by their gaps", []retry.Attempt{seen(0, "", nil), seen(50*ms, "", nil), seen(110*ms, "1", nil), seen(160*ms, "1", nil)}, ""},
		{"one attempt too many", []retry.Attempt{seen(0, "", nil), seen(100*ms, "1", nil), seen(300*ms, "2", nil), seen(700*ms, "3", nil), seen(1500*ms, "4", nil), seen(2500*ms, "5", nil)}, "attempt 6, and the policy allows 5"},
		{"no backoff", []retry.Attempt{seen(0, "", nil), seen(1*ms, "1", nil)}, "below 80ms"},
		{"a lazy client", []retry.Attempt{seen(0, "", nil), seen(400*ms, "1", nil)}, "above 120ms"},
		{"a pushback is the server's word", []retry.Attempt{seen(0, "", func(a *retry.Attempt) { a.Pushback = "5" }), seen(5*ms, "1", nil)}, ""},
		{"INTERNAL is retried", []retry.Attempt{seen(0, "", func(a *retry.Attempt) { a.Status = "13" }), seen(100*ms, "1", nil)}, "INTERNAL, which the policy does not retry"},
		{"a committed call is retried", []retry.Attempt{seen(0, "", func(a *retry.Attempt) { a.How = "trailers" }), seen(100*ms, "1", nil)}, "which commit the call"},
		{"a success is retried", []retry.Attempt{seen(0, "", func(a *retry.Attempt) { a.Status = "0" }), seen(100*ms, "1", nil)}, "follows no attempt that failed"},
		{"a header off by one", []retry.Attempt{seen(0, "", nil), seen(100*ms, "2", nil)}, "follows no attempt that failed"},
		{"a header that is no number", []retry.Attempt{seen(0, "", nil), seen(100*ms, "one", nil)}, "not a number"},
		{"the deadline does not shrink", []retry.Attempt{
			seen(0, "", func(a *retry.Attempt) { a.Header = append(a.Header, retry.Header{Name: "grpc-timeout", Value: "5S"}) }),
			seen(100*ms, "1", func(a *retry.Attempt) { a.Header = append(a.Header, retry.Header{Name: "grpc-timeout", Value: "5S"}) })}, "grpc-timeout is 5s on retry 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &retry.Watch{Policy: config.Methods[0].Retry}
			var wrong []string
			for _, a := range test.attempts {
				wrong = append(wrong, w.Add(a)...)
			}
			if test.want == "" && len(wrong) > 0 || test.want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], test.want)) {
				t.Errorf("complaints = %q, want %q", wrong, test.want)
			}
		})
	}
}

func TestWatchWithoutPolicy(t *testing.T) {
	var w retry.Watch
	w.Add(seen(0, "", nil))
	if wrong := w.Add(seen(time.Second, "1", nil)); len(wrong) != 1 {
		t.Errorf("a retry without a policy: %q, want one complaint", wrong)
	}
}
