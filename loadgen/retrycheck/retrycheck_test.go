package retrycheck_test

import (
	"testing"

	"touchstone/loadgen/retry"
	"touchstone/loadgen/retrycheck"
)

// TestBuiltin runs every check against grpc-go. Each deviation that its
// register lists has to show, and nothing else may fail. A machine that is busy
// may leave checks of timing inconclusive.
func TestBuiltin(t *testing.T) {
	register, err := retrycheck.BuiltinRegister()
	if err != nil {
		t.Fatal(err)
	}
	results, err := retrycheck.Run(t.Context(), retrycheck.Config{
		Subject: retrycheck.Builtin{}, Checks: retry.Checks(), Can: retrycheck.BuiltinCan, Register: register,
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[retry.Verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		if r.Verdict == retry.Fail {
			t.Errorf("%s, %s: want %s, got %s %v", r.ID, r.Title, r.Expected, r.Observed, r.Notes)
		}
	}
	t.Log(counts)
	if ran := counts[retry.Pass] + counts[retry.Deviation] + counts[retry.Inconclusive]; ran < 70 {
		t.Errorf("%d checks ran, want at least 70", ran)
	}
	if counts[retry.Deviation] != len(register.Entries) {
		t.Errorf("%d deviations, and the register lists %d", counts[retry.Deviation], len(register.Entries))
	}
}
