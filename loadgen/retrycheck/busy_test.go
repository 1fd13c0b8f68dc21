package retrycheck_test

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"touchstone/loadgen/retry"
	"touchstone/loadgen/retrycheck"
)

// asNeighbour makes the test binary a process that keeps cores busy.
const asNeighbour = "TOUCHSTONE_TEST_NEIGHBOUR"

// keepBusy computes on every core until stdin ends.
func keepBusy() {
	var over atomic.Bool
	for range runtime.NumCPU() {
		go func() {
			for !over.Load() {
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin)
	over.Store(true)
}

// startNeighbour keeps the machine busy until the test ends.
func startNeighbour(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), asNeighbour+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
}

// busyRuns is how often the checks of backoff are run beside a busy process,
// unless TOUCHSTONE_BACKOFF_RUNS says.
const busyRuns = 3

// TestBackoffBesideBusyProcess runs the checks of timing on a machine that is
// kept busy: a sound client never fails them, though nothing may be said of it;
// and one with another jitter never passes.
func TestBackoffBesideBusyProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("timing is judged by make test")
	}
	runs := busyRuns
	if text := os.Getenv("TOUCHSTONE_BACKOFF_RUNS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		runs = n
	}
	startNeighbour(t)
	run := func(subject retrycheck.Subject, wrong retry.Verdict) map[retry.Verdict]int {
		counts := map[retry.Verdict]int{}
		results, err := retrycheck.Run(t.Context(), retrycheck.Config{
			Subject: subject, Checks: checksOf(t, "BO-1", "BO-2", "BO-3"), Can: retrycheck.BuiltinCan, Parallel: 3,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			counts[r.Verdict]++
			if r.Verdict == wrong {
				t.Errorf("%s is %s: want %s, got %s", r.ID, r.Verdict, r.Expected, r.Observed)
			}
		}
		return counts
	}
	total := map[retry.Verdict]int{}
	for range runs {
		for verdict, n := range run(retrycheck.Builtin{}, retry.Fail) {
			total[verdict] += n
		}
	}
	t.Logf("%d runs of a sound client: %v", runs, total)
	t.Logf("a client with full jitter: %v", run(client(t, "full jitter"), retry.Pass))
}
