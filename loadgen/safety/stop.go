package safety

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// StopRule is an error budget: more than a share of calls that fail, for some
// time, stop a run.
type StopRule struct {
	Share float64       // of the calls that ended
	For   time.Duration // looked at: a rule never stops a run before
}

// ParseStopRule reads a rule such as "error_rate > 5% for 10s".
func ParseStopRule(text string) (StopRule, error) {
	words := strings.Fields(text)
	wrong := fmt.Errorf("%q is no stop rule\nhint: write it as 'error_rate > 5%% for 10s'", text)
	if len(words) != 5 || words[0] != "error_rate" || words[1] != ">" || words[3] != "for" {
		return StopRule{}, wrong
	}
	number, percent := strings.CutSuffix(words[2], "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	window, errWindow := time.ParseDuration(words[4])
	if err != nil || errWindow != nil || !(share >= 0 && share < 1) || window < time.Second || window > time.Hour {
		return StopRule{}, wrong
	}
	return StopRule{share, window}, nil
}

// String returns the rule as it is written.
func (r StopRule) String() string {
	return fmt.Sprintf("error_rate > %v%% for %v", r.Share*100, r.For)
}

// budget follows a rule through a run. Time is in whole seconds of the run.
type budget struct {
	rule    StopRule
	seconds []struct{ ended, failed int } // a ring, by second
	now     int                           // the second it stands in
}

func newBudget(rule StopRule) *budget {
	n := int((rule.For + time.Second - 1) / time.Second)
	return &budget{rule: rule, seconds: make([]struct{ ended, failed int }, n)}
}

// add takes a call that ended so long after the start, and reports whether the
// budget is spent: the seconds before the present one, as many as the rule
// looks at, had too many failures.
func (b *budget) add(at time.Duration, failed bool) (spent bool) {
	second := int(at / time.Second)
	for b.now < second {
		spent = spent || b.spent()
		b.now++
		b.seconds[b.now%len(b.seconds)] = struct{ ended, failed int }{}
		if b.now < second-len(b.seconds) { // nothing ended for longer than the rule looks back
			b.now = second - len(b.seconds)
		}
	}
	slot := &b.seconds[b.now%len(b.seconds)]
	slot.ended++
	if failed {
		slot.failed++
	}
	return spent
}

// spent judges the seconds that have passed whole, the present one being the
// last of them.
func (b *budget) spent() bool {
	if b.now+1 < len(b.seconds) {
		return false
	}
	ended, failed := 0, 0
	for _, s := range b.seconds {
		ended += s.ended
		failed += s.failed
	}
	return float64(failed) > b.rule.Share*float64(ended)
}
