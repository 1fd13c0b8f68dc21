package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/report"
	"touchstone/loadgen/retry"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// How far a gap may be off beyond the jitter of the policy: timers are late,
// and clocks are read a moment apart.
const (
	early = 2 * time.Millisecond
	late  = 20 * time.Millisecond
)

// policyOf returns the retry policy of a method under a service config, nil
// for none. Whether the config is valid was judged when it was connected with.
func policyOf(config string, md protoreflect.MethodDescriptor) *retry.Policy {
	parsed, err := retry.Parse("service config", []byte(config))
	if err != nil {
		return nil
	}
	if mc := parsed.Method(string(md.Parent().FullName()), string(md.Name())); mc != nil {
		return mc.Retry
	}
	return nil
}

// retriedCode returns the status that a policy retries; p may be nil.
func retriedCode(p *retry.Policy) codes.Code {
	if p == nil {
		return codes.Unknown
	}
	return transport.OnlyCode(p.Codes)
}

// attemptJudge compares the attempts of a call with what was expected.
type attemptJudge struct {
	attempts []report.Attempt
	found    []scenario.Finding
}

// judgeAttempts returns what is wrong with the attempts of a call. p is its
// retry policy, nil for none.
func judgeAttempts(want *scenario.Attempts, attempts []report.Attempt, p *retry.Policy) []scenario.Finding {
	j := &attemptJudge{attempts: attempts}
	if want.Count != nil && !want.Count.Contains(len(attempts)) {
		j.add(want.Pos, "attempts.count", want.Count.String(), strconv.Itoa(len(attempts)))
	}
	if n := j.transparent(); want.Transparent != nil && !want.Transparent.Contains(n) {
		j.add(want.Pos, "attempts.transparent", want.Transparent.String(), strconv.Itoa(n))
	}
	if want.Previous != nil {
		if got := j.previous(); !slices.Equal(want.Previous, got) {
			j.add(want.Pos, "attempts.previous", fmt.Sprint(want.Previous), fmt.Sprint(got))
		}
	}
	if want.Backoff != nil {
		j.backoff(want.Backoff, p)
	}
	return j.found
}

// add adds a finding; its message lists the attempts.
func (j *attemptJudge) add(pos source.Pos, field, want, got string) {
	j.found = append(j.found, scenario.Finding{Pos: pos, Field: field, Want: want, Got: got,
		Message: fmt.Sprintf("want %s, got %s; the attempts: %s", want, got, j)})
}

// String lists the attempts: their statuses, and the gaps between them.
func (j *attemptJudge) String() string {
	var parts []string
	for i, a := range j.attempts {
		text := a.Status
		if a.Transparent {
			text += " (transparent)"
		}
		if i > 0 {
			text = fmt.Sprintf("after %.0f ms %s", a.GapMS, text)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// transparent counts the attempts that were transparent retries.
func (j *attemptJudge) transparent() int {
	n := 0
	for _, a := range j.attempts {
		if a.Transparent {
			n++
		}
	}
	return n
}

// previous returns what grpc-previous-rpc-attempts says on each attempt, 0 for
// no such header: how many attempts came before, transparent ones left out.
// That is how grpc-go counts it; the header itself is not seen on this side.
func (j *attemptJudge) previous() []int {
	out := make([]int, len(j.attempts))
	n := -1
	for i, a := range j.attempts {
		if !a.Transparent {
			n++
		}
		out[i] = n
	}
	return out
}

// backoff judges the gaps before the retries that are not transparent, and
// notes beside each what it may be, for the report.
func (j *attemptJudge) backoff(want *scenario.Backoff, p *retry.Policy) {
	n := 0 // retries so far
	for i, a := range j.attempts {
		if i == 0 || a.Transparent {
			continue
		}
		n++
		field := fmt.Sprintf("attempts.backoff[%d]", n-1)
		legal, ok := legalGap(want, p, n)
		if !ok {
			j.add(want.Pos, field, "no retry", "one")
			continue
		}
		j.attempts[i].LegalMinMS, j.attempts[i].LegalMaxMS = new(report.Milliseconds(legal.Min)), new(report.Milliseconds(legal.Max))
		low, high := max(legal.Min-early, 0), legal.Max+late
		if gap := time.Duration(a.GapMS * float64(time.Millisecond)); gap < low || gap > high {
			j.add(want.Pos, field, fmt.Sprintf("%v to %v", low, high), gap.Round(time.Microsecond).String())
		}
	}
	if !want.Policy && n < len(want.Gaps) {
		j.add(want.Pos, "attempts.backoff", fmt.Sprintf("%d gaps", len(want.Gaps)), strconv.Itoa(n))
	}
}

// legalGap returns the range of the gap before retry n, counted from 1; false
// when there should be no such retry. Gaps that the file gives are nominal, as
// those of a policy are: both are jittered.
func legalGap(want *scenario.Backoff, p *retry.Policy, n int) (retry.Interval, bool) {
	switch {
	case want.Policy && p != nil:
		return p.Backoff(n), n < p.Attempts()
	case !want.Policy && n <= len(want.Gaps):
		d := float64(want.Gaps[n-1])
		return retry.Interval{Min: time.Duration(d * (1 - retry.Jitter)), Max: time.Duration(d * (1 + retry.Jitter))}, true
	}
	return retry.Interval{}, false
}
