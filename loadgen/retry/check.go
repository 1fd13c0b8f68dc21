package retry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is the outcome of a check.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Deviation    Verdict = "deviation"    // a failure that the register of deviations explains
	Inconclusive Verdict = "inconclusive" // the stimulus did not come about, or the machine was too slow to tell
	Skipped      Verdict = "skipped"
)

// Need is something that a client must be able to do for a check.
type Need string

// The needs. A check with needs that a client does not meet is skipped.
const (
	NeedConfig    Need = "config"    // reads SERVICE_CONFIG
	NeedDeadline  Need = "deadline"  // reads DEADLINE_MS
	NeedParallel  Need = "parallel"  // reads PARALLEL
	NeedSize      Need = "size"      // reads REQUEST_BYTES
	NeedCancel    Need = "cancel"    // reads CANCEL_MS
	NeedMetadata  Need = "metadata"  // reads METADATA
	NeedStreaming Need = "streaming" // serves METHODs other than the unary one
	NeedHedging   Need = "hedging"   // implements hedgingPolicy
	NeedNoHedging Need = "no-hedging"
	NeedBuiltin   Need = "builtin" // the API of grpc-go
)

// The methods of the reference target that checks call.
const (
	Unary        = "HelloService/SayHello"
	ClientStream = "HelloService/LotsOfGreetings"
	ServerStream = "HelloService/LotsOfReplies"
	Bidi         = "HelloService/BidiHello"
)

// DefaultConfig is the service config of checks that name none: the policy of
// the seed.
const DefaultConfig = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",` +
	`"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// Check gives a client a stimulus and judges the attempts that it makes.
type Check struct {
	ID     string // such as ATT-1
	Title  string // what a sound client does, in a few words
	Source string // where that is written, such as "A6:99"
	Skip   string // why the check cannot be run at all; "" when it can

	Config string // service config; "" for DefaultConfig
	Plan   string // fault plan, as YAML; "" for none
	Method string // "" for Unary

	Calls    int // 0 for 1
	Parallel int // calls at a time, each on a channel of its own; 0 for 1

	Deadline     time.Duration // of each call; 0: none
	Cancel       time.Duration // the application cancels after it; 0: never
	RequestBytes int           // 0: a few
	Metadata     string        // "name: value", sent with each call; "" for none
	Needs        []Need        // beside what Config, Deadline, Cancel, RequestBytes, Metadata and Method imply
	Option       string        // of the built-in client: an API that no variable names
	Dangerous    bool          // the stimulus is known to kill some clients
	Unhit        bool          // rules without a hit do not make it inconclusive

	Judge func(Observation) Result
}

// Requires returns all that a client must be able to do for the check.
func (c *Check) Requires() []Need {
	needs := append([]Need(nil), c.Needs...)
	for need, is := range map[Need]bool{
		NeedConfig:    c.Config != "",
		NeedDeadline:  c.Deadline > 0,
		NeedCancel:    c.Cancel > 0,
		NeedSize:      c.RequestBytes > 0,
		NeedMetadata:  c.Metadata != "",
		NeedParallel:  c.Parallel > 1,
		NeedStreaming: c.Method != "" && c.Method != Unary,
		NeedBuiltin:   c.Option != "",
	} {
		if is {
			needs = append(needs, need)
		}
	}
	return needs
}

// Result is the outcome of a check.
type Result struct {
	ID       string
	Title    string
	Verdict  Verdict
	Expected string
	Observed string
	Notes    []string   // what else was noticed: the jitter model, the reason of a deviation
	Calls    []Call     // what was seen, for a picture
	Legal    []Interval // of the gaps, in order; nil where gaps were not judged
}

// Worst returns the call with the gap that is furthest from its legal interval;
// the first one, when gaps were not judged. There must be a call.
func (r *Result) Worst() Call {
	worst, most := r.Calls[0], time.Duration(0)
	for _, c := range r.Calls {
		for _, g := range c.Gaps() {
			if g.After > len(r.Legal) {
				break
			}
			legal := r.Legal[g.After-1]
			if off := max(legal.Min-g.Length, g.Length-legal.Max); off > most {
				worst, most = c, off
			}
		}
	}
	return worst
}

// Evaluate judges an observation: first whether the stimulus came about, then
// what the client made of it.
func (c *Check) Evaluate(o Observation) Result {
	r := c.evaluate(o)
	r.ID, r.Title = c.ID, c.Title
	if r.Calls == nil {
		r.Calls = o.Calls
	}
	return r
}

func (c *Check) evaluate(o Observation) Result {
	if o.Crashed != "" {
		return Result{Verdict: Fail, Expected: "the client survives", Observed: o.Crashed}
	}
	hit, missed := c.hits(o)
	if missed > 0 && !hit {
		return unmet(missed)
	}
	r := c.Judge(o)
	switch {
	case r.Verdict == Pass && missed > 0:
		// A client that does not get as far as a later fault has failed; one
		// that passes without it has shown nothing.
		return unmet(missed)
	case r.Verdict == Fail && c.pressed(&o):
		return o.inconclusive(r.Expected, r.Observed)
	}
	return r
}

// pressed reports whether the time that the client was given may have passed
// without it: lateness takes a good part of it.
func (c *Check) pressed(o *Observation) bool {
	limit := cmp.Or(c.Cancel, c.Deadline)
	return limit > 0 && limit < time.Second && o.lateness() > limit/4
}

// hits reports whether any rule of the plan was hit, and the number of the
// first that was not, 0 when all were that have to be.
func (c *Check) hits(o Observation) (any bool, missed int) {
	if c.Unhit || o.Rejected != "" {
		return true, 0
	}
	for i, hits := range o.Hits {
		if hits > 0 {
			any = true
		} else if missed == 0 {
			missed = i + 1
		}
	}
	return any, missed
}

func unmet(rule int) Result {
	return Result{Verdict: Inconclusive, Expected: "every fault of the plan is met", Observed: fmt.Sprintf("rule %d was never hit", rule)}
}

// passed and failed make results. Lists of observed values are cut, since a
// check may make many calls.
func verdict(ok bool, expected, observed string) Result {
	v := Pass
	if !ok {
		v = Fail
	}
	return Result{Verdict: v, Expected: expected, Observed: observed}
}

// all is the conjunction of judgements: the first one that does not pass, or
// the last one, with all that was expected.
func all(judges ...func(Observation) Result) func(Observation) Result {
	return func(o Observation) Result {
		var out Result
		var expected, observed []string
		for _, judge := range judges {
			r := judge(o)
			out.Notes = append(out.Notes, r.Notes...)
			if r.Verdict != Pass {
				r.Notes = out.Notes
				return r
			}
			expected, observed = append(expected, r.Expected), append(observed, r.Observed)
			if r.Legal != nil {
				out.Legal = r.Legal
			}
		}
		out.Verdict, out.Expected, out.Observed = Pass, strings.Join(expected, "; "), strings.Join(observed, "; ")
		return out
	}
}

// Checks returns all checks, section by section.
func Checks() []Check {
	return slices.Concat(attemptChecks(), backoffChecks(), pushbackChecks(), headerChecks(), commitChecks(),
		transparentChecks(), throttleChecks(), deadlineChecks(), streamChecks(), configChecks(), hedgingChecks())
}
