package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/retry"
	"touchstone/loadgen/retrycheck"
	"touchstone/server/proxy"
)

// retryWatchFlags are those of `loadgen retry watch`.
type retryWatchFlags struct {
	path           pathFlags
	policy, method string
}

// newRetryWatchCommand makes `loadgen retry watch`.
func newRetryWatchCommand(e *env) *cobra.Command {
	var flags retryWatchFlags
	c := &cobra.Command{
		Use:   "watch --upstream ADDR --policy FILE",
		Short: "Judge the retries of real clients as they pass",
		Long: `watch stands between clients and their server, and judges every retry that
passes by the policy that the clients should have: its number, the gap before
it, the status it follows, its deadline. It judges until it is interrupted, and
exits with 1 when something was wrong.

Nothing on the wire says which attempts belong to one call. A retry is held
against the failed attempt that it fits best, so clients that keep to the
policy are never accused. Clients that send the metadata touchstone-call-id are
told apart by it.`,
		Example: `  loadgen retry watch --upstream localhost:50051 --policy service-config.json
  loadgen retry watch --listen :8012 --upstream localhost:8011 --policy service-config.json --faults outage.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if flags.policy == "" {
				return usage("retry watch needs --policy FILE", "the policy is a service config, as clients have it")
			}
			if err := flags.path.validate("retry watch"); err != nil {
				return err
			}
			return flags.run(c.Context(), e)
		},
	}
	flags.path.register(c.Flags())
	c.Flags().StringVar(&flags.policy, "policy", "", "service config `file` that the clients should have")
	c.Flags().StringVar(&flags.method, "method", "", "judge by the entry for this `Service/Method` (default: the entry for all methods)")
	return c
}

// run watches until ctx ends.
func (f *retryWatchFlags) run(ctx context.Context, e *env) error {
	policy, err := f.readPolicy(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	j := &watchJudge{meter: retrycheck.StartMeter(ctx, &tasks), out: printableText{e.stdout}, watch: retry.Watch{Policy: policy}, watcher: retrycheck.NewWatcher(time.Now())}
	if err := f.path.serve(ctx, e, proxy.Config{Attempts: j.add}); err != nil {
		return err
	}
	return j.end()
}

// readPolicy returns the policy to judge by, nil for none.
func (f *retryWatchFlags) readPolicy(e *env) (*retry.Policy, error) {
	text, err := readPolicy(e, f.policy)
	if err != nil {
		return nil, err
	}
	config, err := retry.Parse(f.policy, []byte(text))
	if err != nil {
		return nil, err
	}
	service, method, _ := strings.Cut(f.method, "/")
	if entry := config.Method(service, method); entry != nil {
		return entry.Retry, nil
	}
	return nil, nil
}

// watchJudge judges attempts as the proxy reports them.
type watchJudge struct {
	out     io.Writer
	watcher *retrycheck.Watcher
	meter   *retrycheck.Meter

	mu    sync.Mutex // guards what follows: the proxy reports from many goroutines
	watch retry.Watch
	wrong int
}

func (j *watchJudge) add(a proxy.Attempt) {
	seen := j.watcher.Convert(a)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watch.Overshoot = j.meter.Worst()
	for _, complaint := range j.watch.Add(seen) {
		j.wrong++
		fmt.Fprintf(j.out, "fail  %8.3fs  connection %d stream %d  %s: %s\n", seen.Start.Seconds(), a.Conn, a.Stream, a.Method, complaint)
	}
}

// end says what was seen in all.
func (j *watchJudge) end() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, "%d attempts, %d of them retries, %d of these followed, %d mistakes\n", j.watch.Seen, j.watch.Retries, j.watch.Matched, j.wrong)
	if name, ok := j.watch.Model(); ok {
		fmt.Fprintf(j.out, "jitter: %s\n", name)
	}
	if j.wrong > 0 {
		return withCode(exitFailed, nil)
	}
	return nil
}
