package retry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// attempts judges how many attempts each call made.
func attempts(want ...int) func(Observation) Result {
	return func(o Observation) Result {
		got := o.Attempts()
		return verdict(slices.Equal(got, want), fmt.Sprintf("n=%s", list(want)), fmt.Sprintf("n=%s", list(got)))
	}
}

// everyCall judges that all calls made n attempts, however many calls.
func everyCall(n int) func(Observation) Result {
	return func(o Observation) Result {
		odd := slices.DeleteFunc(o.Attempts(), func(g int) bool { return g == n })
		expected, observed := fmt.Sprintf("n=%d of every call", n), fmt.Sprintf("all %d", len(o.Calls))
		if len(odd) > 0 {
			observed = fmt.Sprintf("n=%s of %d among %d", list(odd), len(odd), len(o.Calls))
		}
		return verdict(len(o.Calls) > 0 && len(odd) == 0, expected, observed)
	}
}

// statuses judges what the application was told, call by call.
func statuses(want ...string) func(Observation) Result {
	return func(o Observation) Result {
		var got []string
		for _, c := range o.Calls {
			got = append(got, c.Status)
		}
		return verdict(slices.Equal(got, want), strings.Join(want, " "), strings.Join(got, " "))
	}
}

// everyStatus judges that the application was told the same of all calls.
func everyStatus(want string) func(Observation) Result {
	return func(o Observation) Result {
		for _, c := range o.Calls {
			if c.Status != want {
				return verdict(false, want, cmp.Or(c.Status, "nothing"))
			}
		}
		return verdict(len(o.Calls) > 0, want, want)
	}
}

// previous judges grpc-previous-rpc-attempts of the first call's attempts; ""
// stands for absent.
func previous(want ...string) func(Observation) Result {
	return func(o Observation) Result {
		var got []string
		if len(o.Calls) > 0 {
			for _, a := range o.Calls[0].Attempts {
				got = append(got, a.Previous())
			}
		}
		return verdict(slices.Equal(got, want), fmt.Sprintf("grpc-previous-rpc-attempts %q", want), fmt.Sprintf("%q", got))
	}
}

// list prints a few numbers, without brackets where there is one.
func list(ns []int) string {
	const most = 12
	texts := make([]string, 0, most+1)
	for i, n := range ns {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(ns)-most))
			break
		}
		texts = append(texts, fmt.Sprint(n))
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ",")
}

// Tolerances of measured gaps on loopback (retry-checks.md, "Worth knowing").
// What is too short by more than the machine's timers were late cannot be the
// machine's doing. By less it can: clients that read the clock once for a round
// of their event loop (C-core, libuv) take a backoff's start for earlier than
// it was when they were kept waiting in that round.
const (
	early     = 2 * time.Millisecond
	late      = 20 * time.Millisecond
	immediate = 10 * time.Millisecond // of gaps that should be none
)

// outliers is the share of gaps that a loaded machine may make too long before
// nothing can be said.
const outliers = 0.02

// gapsWithin judges the gaps of all calls: gap k lies in legal[k-1], as far as
// the tolerances and the machine's own overshoot go. Gaps that are too long
// while the machine's timers were late as well are inconclusive.
func gapsWithin(legal ...Interval) func(Observation) Result {
	return func(o Observation) Result {
		r := judgeGaps(o, legal)
		r.Legal = legal
		return r
	}
}

func judgeGaps(o Observation, legal []Interval) Result {
	t := tally{least: make([]time.Duration, len(legal)), gaps: make([]int, len(legal))}
	for _, c := range o.Calls {
		for _, g := range c.Gaps() {
			if g.After <= len(legal) {
				t.add(g, legal[g.After-1], o.Overshoot)
			}
		}
	}
	expected := "gaps " + intervals(legal)
	switch {
	case t.total == 0:
		return Result{Verdict: Fail, Expected: expected, Observed: "no gap"}
	case t.short+t.shortish+t.long == 0:
		return verdict(true, expected, fmt.Sprintf("all %d", t.total))
	}
	observed := fmt.Sprintf("%d too short and %d too long of %d, first: %s", t.short+t.shortish, t.long, t.total, t.first)
	stray := float64(t.long) <= outliers*float64(t.total)
	if t.short == 0 && !t.always(o) && (stray || t.worst <= o.lateness()) {
		return o.inconclusive(expected, observed)
	}
	return verdict(false, expected, observed)
}

// tally counts gaps that are not legal.
type tally struct {
	short, shortish, long, total int // shortish: by no more than the machine's timers were late
	first                        string
	worst                        time.Duration   // most above what is legal
	gaps                         []int           // by their number
	least                        []time.Duration // by the gap's number: how far even the shortest is above
}

func (t *tally) add(g Gap, in Interval, overshoot time.Duration) {
	n, above := g.After-1, g.Length-in.Max
	if t.gaps[n]++; t.gaps[n] == 1 || above < t.least[n] {
		t.least[n] = above
	}
	t.total++
	switch {
	case g.Length < in.Min-early-overshoot:
		t.short++
	case g.Length < in.Min-early:
		t.shortish++
	case above > late:
		t.long++
		t.worst = max(t.worst, above)
	default:
		return
	}
	if t.first == "" {
		t.first = fmt.Sprintf("gap %d is %v", g.After, round(g.Length))
	}
}

// always reports whether the gaps of one number were too long in all of several
// calls, by more than timers that are late explain. A busy machine makes some of
// them long, and a client that waits too long makes all.
func (t *tally) always(o Observation) bool {
	const several = 5
	for n, least := range t.least {
		if t.gaps[n] >= several && least > late+blame*o.Overshoot {
			return true
		}
	}
	return false
}

// blame is how much longer than its worst timer a machine may make a gap: what
// is later than that was meant so. A timer that sleeps most of the time is
// served sooner than a client that computes.
const blame = 10

// lateness is how late a client may be because of the machine: no later than
// tasks waited for a CPU in all, or where the machine does not say, many times
// as late as a timer was.
func (o *Observation) lateness() time.Duration { return max(blame*o.Overshoot, o.Waited) }

// inconclusive is the result where the machine may be to blame.
func (o *Observation) inconclusive(expected, observed string) Result {
	why := fmt.Sprintf("; timers of this machine were up to %v late, tasks waited %v for a CPU", round(o.Overshoot), round(o.Waited))
	return Result{Verdict: Inconclusive, Expected: expected, Observed: observed + why}
}

// backoffs returns the legal intervals of a policy's gaps.
func backoffs(p *Policy) []Interval {
	var legal []Interval
	for n := 1; n < p.Attempts(); n++ {
		legal = append(legal, p.Backoff(n))
	}
	return legal
}

// exactly is the interval of a gap without jitter.
func exactly(d time.Duration) Interval { return Interval{d, d} }

// intervals prints legal intervals.
func intervals(legal []Interval) string {
	texts := make([]string, len(legal))
	for i, in := range legal {
		texts[i] = fmt.Sprintf("%v-%v", round(in.Min), round(in.Max))
		if in.Min == in.Max {
			texts[i] = round(in.Min).String()
		}
	}
	return strings.Join(texts, ", ")
}

// round cuts a duration to what is worth reading.
func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// policyOf returns the default entry's policy of a config that a check states.
func policyOf(config string) *Policy {
	c, err := Parse("check", []byte(config))
	if err != nil || c.Method("", "") == nil {
		return nil
	}
	return c.Method("", "").Retry
}
