package retrycheck_test

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"touchstone/loadgen/retry"
	"touchstone/loadgen/retrycheck"
	"touchstone/loadgen/retrycheck/mutant"
)

// asClient makes the test binary a client of package mutant.
const asClient = "TOUCHSTONE_TEST_CLIENT"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asClient) != "":
		os.Exit(mutant.Main(os.Stdout, os.Stderr))
	case os.Getenv(asNeighbour) != "":
		keepBusy()
		return
	}
	os.Exit(m.Run())
}

// client is the program that has one defect; "" for none.
func client(t *testing.T, defect string) retrycheck.Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return retrycheck.Program{Command: []string{"env", asClient + "=1", mutant.Environment + "=" + defect, self}}
}

// checksOf returns checks by their ids.
func checksOf(t *testing.T, ids ...string) []retry.Check {
	t.Helper()
	all := retry.Checks()
	var out []retry.Check
	for _, id := range ids {
		at := slices.IndexFunc(all, func(c retry.Check) bool { return c.ID == id })
		if at < 0 {
			t.Fatalf("there is no check %s", id)
		}
		out = append(out, all[at])
	}
	return out
}

// mutants are the clients with one defect each: the checks that name it, which
// have to fail, and checks of something else, which must not.
var mutants = []struct{ defect, fail, hold string }{
	{"three attempts", "ATT-1 ATT-2.3 ATT-2.4 ATT-3 HDR-1 STR-7", "ATT-2.2 ATT-6 BO-8"},
	{"six attempts", "ATT-1 ATT-3 ATT-4 PB-10 STR-7", "ATT-2.4 TR-2"},
	{"no cap of attempts", "ATT-4 CFG-3.1 CFG-3.2", "ATT-1 ATT-3"},
	{"retries nothing", "ATT-1 ATT-2.1 ATT-7 ATT-8 BO-1 BO-2 BO-3 PB-1 HDR-1 STR-6", "ATT-6 PB-3 COM-1 TR-1"},
	{"retries INTERNAL", "ATT-6 ATT-7 ATT-8", "ATT-1 ATT-9"},
	{"retries every status", "ATT-6 ATT-7 ATT-8", "ATT-1 ATT-9"},
	{"retries after headers", "COM-1 COM-2.1 COM-2.2 COM-2.3 COM-3 PB-12 STR-5", "ATT-1 COM-4"},
	{"takes 103 for headers", "COM-4", "ATT-1 COM-1"},
	{"OK without a message", "ATT-11", "ATT-1"},

	{"no backoff", "BO-1 BO-2 BO-3 BO-4 BO-6 BO-8 PB-9", "ATT-1 HDR-1 PB-1"},
	{"linear backoff", "BO-1 BO-3 BO-8", "ATT-1 PB-1"},
	{"constant backoff", "BO-1 BO-3 BO-6 BO-8", "ATT-1 PB-1"},
	{"backoff one step ahead", "BO-1 BO-3 BO-8", "ATT-1 PB-1"},
	{"no maxBackoff", "BO-4 BO-5", "BO-8"},
	{"first backoff cut", "BO-5", "BO-4 BO-8"},
	{"full jitter", "BO-1 BO-2 BO-3", "ATT-1 PB-1"},
	{"no jitter", "BO-2 BO-3", "BO-1"},
	{"jitter only upwards", "BO-2", "BO-1"},
	{"backoffs in turn", "BO-7", "ATT-1"},

	{"pushback ignored", "PB-1 PB-2 PB-3 PB-4.1 PB-9 PB-13", "ATT-1 BO-8"},
	{"pushback added to backoff", "PB-1 PB-2 PB-9", "PB-3 PB-4.1"},
	{"pushback jittered", "PB-1", "PB-2 PB-3"},
	{"pushback in seconds", "PB-9", "PB-2 PB-3"},
	{"negative pushback retried", "PB-3", "PB-1 PB-4.1"},
	{"bad pushback retried", "PB-4.1 PB-4.2 PB-4.3 PB-4.4 PB-5", "PB-1 PB-3"},
	{"pushback of 64 bits", "PB-5", "PB-1 PB-4.1"},
	{"backoff not reset by pushback", "PB-9", "PB-1 PB-2"},
	{"pushback lifts the cap", "PB-10", "ATT-1 PB-1"},

	{"no previous-attempts header", "HDR-1 HDR-2", "TR-1"},
	{"previous attempts off by one", "HDR-1", "ATT-6"},
	{"previous attempts from 0", "HDR-1", "ATT-6"},
	{"metadata lost on retries", "HDR-6", "HDR-1"},
	{"grpc-timeout not shrunk", "HDR-5", "DL-1 HDR-1"},
	{"a deadline for each attempt", "HDR-5 DL-1", "DL-3 HDR-1"},
	{"sleeps through cancellation", "DL-6", "DL-7"},
	{"no reset when cancelled", "DL-7", "DL-6"},

	{"messages replayed out of order", "STR-1 STR-2 STR-3 STR-4", "STR-6"},
	{"messages not replayed", "STR-1 STR-2 STR-4", "STR-6"},
	{"half-close lost on replay", "STR-1 STR-2 STR-3 STR-4", "ATT-1"},
	{"buffers without limit", "COM-5 COM-7", "STR-1"},

	{"no transparent retry", "TR-1 TR-2 TR-3 TR-5 TR-6 TR-9 TR-12 HDR-2", "ATT-1 TR-8"},
	{"transparent retries for ever", "TR-2 TR-3 HDR-2", "TR-1"},
	{"transparent retry counted", "TR-1 TR-3 HDR-2", "ATT-1 TR-2"},
	{"transparent retry delayed", "TR-1 TR-3 TR-5", "ATT-1 TR-2"},
	{"transparent retry costs", "TR-15", "TR-1"},
	{"GOAWAY ends all streams", "TR-8", "TR-5"},
	{"throttling ignored", "THR-2 THR-3 THR-5 THR-6", "THR-1"},
	{"success brings no tokens", "THR-3", "THR-2"},
	{"every failure costs a token", "THR-4", "THR-2"},
	{"pushback -1 costs no token", "THR-5", "THR-2"},
	{"committed failures cost none", "THR-6", "THR-2"},
	{"invalid config taken for none", "CFG-1.1 CFG-2.1 CFG-5.4 CFG-9 CFG-20.1", "CFG-7"},
}

// TestMutants runs every client with a defect. A check that does not fail on
// the client that breaks what it checks says nothing of other clients.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("timing is judged by make test")
	}
	const together = 6 // mutants at a time
	slots := make(chan struct{}, together)
	results := make([][]retry.Result, len(mutants))
	errs := make([]error, len(mutants))
	var tasks sync.WaitGroup
	for i, m := range mutants {
		program, checks := client(t, m.defect), checksOf(t, strings.Fields(m.fail+" "+m.hold)...)
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			results[i], errs[i] = retrycheck.Run(t.Context(), retrycheck.Config{
				Subject: program, Checks: checks, Can: retrycheck.ProgramCan, Parallel: 4,
			})
		})
	}
	tasks.Wait()
	inconclusive := 0
	for i, m := range mutants {
		t.Run(m.defect, func(t *testing.T) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			inconclusive += judge(t, results[i], strings.Fields(m.fail), strings.Fields(m.hold))
			if !t.Failed() && !seen(results[i]) {
				again(t, m.defect, strings.Fields(m.fail))
			}
		})
	}
	t.Logf("%d mutants, %d verdicts inconclusive", len(mutants), inconclusive)
}

// judge holds a mutant's verdicts against those that it should have, and
// returns how many were inconclusive: a busy machine may keep a check from
// seeing a defect.
func judge(t *testing.T, results []retry.Result, fail, hold []string) int {
	t.Helper()
	inconclusive := 0
	for _, r := range results {
		switch {
		case r.Verdict == retry.Inconclusive:
			inconclusive++
			t.Logf("%s is inconclusive: want %s, got %s", r.ID, r.Expected, r.Observed)
		case slices.Contains(fail, r.ID) && r.Verdict != retry.Fail:
			t.Errorf("%s does not see it: %s, %s", r.ID, r.Verdict, r.Observed)
		case slices.Contains(hold, r.ID) && r.Verdict != retry.Pass:
			t.Errorf("%s takes it for something else: %s, want %s, got %s", r.ID, r.Verdict, r.Expected, r.Observed)
		}
	}
	return inconclusive
}

// seen reports whether a check failed.
func seen(results []retry.Result) bool {
	return slices.ContainsFunc(results, func(r retry.Result) bool { return r.Verdict == retry.Fail })
}

// again runs a mutant's checks one at a time, a few times, where a busy machine
// has kept all of them from a verdict. One that still does skips the mutant: a
// check that passes it has failed the test before.
func again(t *testing.T, defect string, ids []string) {
	t.Helper()
	for range 5 {
		results, err := retrycheck.Run(t.Context(), retrycheck.Config{
			Subject: client(t, defect), Checks: checksOf(t, ids...), Can: retrycheck.ProgramCan, Parallel: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen(results) {
			return
		}
	}
	t.Skipf("none of %v came to a verdict in five runs: the machine is too busy", ids)
}

// TestEveryMutantIsTested keeps the table whole.
func TestEveryMutantIsTested(t *testing.T) {
	var tested []string
	for _, m := range mutants {
		tested = append(tested, m.defect)
	}
	slices.Sort(tested)
	if !slices.Equal(tested, mutant.Defects()) {
		t.Errorf("tested are\n%q, and there are\n%q", tested, mutant.Defects())
	}
}

// TestSoundClient runs every check against the same client without a defect:
// what fails on it would fail on every client.
func TestSoundClient(t *testing.T) {
	results, err := retrycheck.Run(t.Context(), retrycheck.Config{Subject: client(t, ""), Checks: retry.Checks(), Can: retrycheck.ProgramCan})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[retry.Verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		if r.Verdict == retry.Fail {
			t.Errorf("%s, %s: want %s, got %s", r.ID, r.Title, r.Expected, r.Observed)
		}
		if r.Verdict == retry.Inconclusive {
			t.Logf("%s is inconclusive: %s", r.ID, r.Observed)
		}
	}
	t.Log(counts)
	if passed := counts[retry.Pass]; passed+counts[retry.Inconclusive] < 100 {
		t.Errorf("%d checks passed, want at least 100", passed)
	}
}
