// Package retrycheck runs the checks of package retry against a client: it
// gives the client a target to call, stands in the path with a fault plan, and
// hands what it saw to the check's judge.
package retrycheck

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"touchstone/loadgen/retry"
	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// Job is what a client is asked to do.
type Job struct {
	Target       string // host:port, plaintext
	Method       string // one of the methods of package retry
	Calls        int
	Parallel     int           // calls at a time, each on a channel of its own
	Deadline     time.Duration // of each call; 0: none
	Cancel       time.Duration // each call is cancelled after it; 0: never
	RequestBytes int           // of each request in all; 0: a few
	Metadata     string        // "name: value", sent with each call; "" for none
	Config       string        // service config; "" for the client's own policy
	Option       string        // see retry.Check
}

// Outcome is what a client said.
type Outcome struct {
	Statuses []string // of the calls, as names such as UNAVAILABLE
	Rejected string   // why it refused the config
	Crashed  string   // how its process died
}

// Subject is a client under test.
type Subject interface {
	// Run makes the calls of a job and returns when all have ended. An error
	// means that the client could not be run at all.
	Run(ctx context.Context, job Job) (Outcome, error)
}

// Config says what is checked, and how.
type Config struct {
	Subject  Subject
	Checks   []retry.Check   // in the order of the results
	Can      []retry.Need    // what the client can do
	Policy   string          // the service config that the client has built in, when it reads none; "" for none
	Register *retry.Register // the client's known deviations; nil: none
	Parallel int             // checks at a time; 0 for 6
	Done     func(retry.Result)
}

// checkTimeout bounds one check.
const checkTimeout = 60 * time.Second

// Run runs the checks and returns their results, in order. Checks that may
// kill the client run last, one at a time, and so do those again that a busy
// machine left inconclusive. Done is called from one goroutine at a time.
func Run(ctx context.Context, cfg Config) ([]retry.Result, error) {
	target, err := startTarget()
	if err != nil {
		return nil, err
	}
	defer target.stop()
	r := &runner{cfg: cfg, target: target, results: make([]retry.Result, len(cfg.Checks))}
	safe, alone := r.plan()
	if err := r.together(ctx, safe); err != nil {
		return nil, err
	}
	for _, i := range safe {
		if r.results[i].Verdict == retry.Inconclusive {
			alone = append(alone, i)
		} else {
			r.done(i)
		}
	}
	for _, i := range alone {
		if err := r.check(ctx, i); err != nil {
			return nil, err
		}
		r.done(i)
	}
	return r.results, nil
}

// runner is one run of the checks.
type runner struct {
	cfg     Config
	target  *target
	results []retry.Result // each written by the one goroutine that runs its check
}

// plan skips what cannot be run, and returns the indexes of checks that may
// run side by side, and of those that may not.
func (r *runner) plan() (safe, alone []int) {
	for i := range r.cfg.Checks {
		c := &r.cfg.Checks[i]
		reason := cmp.Or(c.Skip, r.unmet(c))
		switch {
		case reason != "":
			r.results[i] = retry.Result{ID: c.ID, Title: c.Title, Verdict: retry.Skipped, Observed: reason}
			r.done(i)
		case c.Dangerous:
			alone = append(alone, i)
		default:
			safe = append(safe, i)
		}
	}
	return safe, alone
}

// unmet says which need of a check the client does not meet, "" for none.
func (r *runner) unmet(c *retry.Check) string {
	for _, need := range c.Requires() {
		if need == retry.NeedConfig && r.cfg.Policy != "" {
			return "needs another policy than the client's own"
		}
		if !slices.Contains(r.cfg.Can, need) {
			return fmt.Sprintf("the client can not: %s", need)
		}
	}
	return ""
}

// together runs checks side by side.
func (r *runner) together(ctx context.Context, indexes []int) error {
	var (
		tasks sync.WaitGroup
		mu    sync.Mutex // guards first
		first error
		slots = make(chan struct{}, cmp.Or(r.cfg.Parallel, 6))
	)
	for _, i := range indexes {
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			if err := r.check(ctx, i); err != nil {
				mu.Lock()
				first = cmp.Or(first, err)
				mu.Unlock()
			}
		})
	}
	tasks.Wait()
	return first
}

func (r *runner) done(i int) {
	if r.cfg.Done != nil {
		r.cfg.Done(r.results[i])
	}
}

// check runs one check and keeps its result.
func (r *runner) check(ctx context.Context, i int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c := &r.cfg.Checks[i]
	o, err := r.observe(ctx, c)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.ID, err)
	}
	r.results[i] = r.cfg.Register.Apply(c.Evaluate(o))
	return nil
}

// observe puts a proxy with the check's plan before the target and lets the
// client call it.
func (r *runner) observe(ctx context.Context, c *retry.Check) (retry.Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	plan, err := fault.Parse(c.ID, []byte(cmp.Or(c.Plan, "[]")))
	if err != nil {
		return retry.Observation{}, err
	}
	decider := fault.NewDecider(plan, 1)
	watcher := NewWatcher(time.Now())
	between, err := proxy.New(proxy.Config{Dial: r.target.dial, Decider: decider, Attempts: watcher.Add, KeepRequest: 4 << 10})
	if err != nil {
		return retry.Observation{}, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return retry.Observation{}, err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { between.Serve(serving, listener) })
	meter := StartMeter(serving, &tasks)

	job := r.job(c, listener.Addr().String())
	outcome, err := r.cfg.Subject.Run(ctx, job)
	stop()
	tasks.Wait()
	if err != nil {
		return retry.Observation{}, err
	}
	return retry.Observation{
		Calls:     retry.Group(watcher.Attempts(), outcome.Statuses, grouping(job), fault.CallID),
		Hits:      decider.Hits(),
		Overshoot: meter.Worst(),
		Waited:    meter.Waited(),
		Rejected:  outcome.Rejected,
		Crashed:   outcome.Crashed,
	}, nil
}

func (r *runner) job(c *retry.Check, target string) Job {
	job := Job{
		Target: target, Method: cmp.Or(c.Method, retry.Unary), Calls: max(c.Calls, 1), Parallel: max(c.Parallel, 1),
		Deadline: c.Deadline, Cancel: c.Cancel, RequestBytes: c.RequestBytes, Metadata: c.Metadata, Config: c.Config, Option: c.Option,
	}
	if job.Config == "" && r.cfg.Policy == "" {
		job.Config = retry.DefaultConfig
	}
	return job
}

// grouping says what ties attempts to calls in a job.
func grouping(job Job) retry.Grouping {
	switch {
	case job.Calls == 1:
		return retry.OneCall
	case job.Option == oneChannel:
		return retry.ByID
	case job.Parallel == job.Calls:
		return retry.ByConnection
	}
	return retry.ByHeader
}

// Watcher collects the attempts that a proxy reports. It is safe for
// concurrent use.
type Watcher struct {
	start time.Time

	mu       sync.Mutex // guards attempts
	attempts []retry.Attempt
}

// NewWatcher returns a watcher for which attempts start at an offset from start.
func NewWatcher(start time.Time) *Watcher { return &Watcher{start: start} }

// Add takes an attempt of the proxy.
func (w *Watcher) Add(a proxy.Attempt) {
	out := w.Convert(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, out)
}

// Convert returns an attempt of the proxy as checks see it.
func (w *Watcher) Convert(a proxy.Attempt) retry.Attempt {
	out := retry.Attempt{
		Conn: a.Conn, Stream: a.Stream,
		Start: w.since(a.Headers), HalfClose: w.since(a.EndStream), Fault: w.since(a.Fault), Reset: w.since(a.Reset), End: w.since(a.End),
		Messages: a.Messages, Bytes: a.Bytes, Request: a.Request,
		Status: a.GRPCStatus, Pushback: a.Pushback, ResetCode: a.ResetCode, Ended: string(a.Ended), How: a.How, Rule: a.Rule,
	}
	for _, h := range a.Header {
		out.Header = append(out.Header, retry.Header(h))
	}
	return out
}

// since is the offset of a time, negative for one that did not happen.
func (w *Watcher) since(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return max(t.Sub(w.start), 0)
}

// Attempts returns what was seen so far, in order of the attempts' start.
func (w *Watcher) Attempts() []retry.Attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.attempts, func(a, b retry.Attempt) int { return cmp.Compare(a.Start, b.Start) })
	return slices.Clone(w.attempts)
}
