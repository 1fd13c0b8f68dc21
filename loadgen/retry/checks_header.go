package retry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// headerChecks are those of section 4: grpc-previous-rpc-attempts, and what
// else the headers of retries say.
func headerChecks() []Check {
	return []Check{
		{ID: "HDR-1", Title: "grpc-previous-rpc-attempts is absent, then 1, 2, 3, 4", Source: "A6:316",
			Plan: fails(14), Judge: all(attempts(5), previous("", "1", "2", "3", "4"))},
		{ID: "HDR-2", Title: "a transparent retry is not numbered", Source: "A6:308",
			Plan: "- inject: {refused: true}", Judge: all(attempts(6), previous("", "", "1", "2", "3", "4"))},
		{ID: "HDR-3", Title: "the application's own grpc-previous-rpc-attempts: unspecified", Source: "-", Option: "own header",
			Plan: fails(14), Judge: recordPrevious},
		{ID: "HDR-4", Title: "retries add grpc-previous-rpc-attempts to what the application receives: optional", Source: "A6:316",
			Skip: "what the application receives is not seen in the path"},
		{ID: "HDR-5", Title: "grpc-timeout of each attempt is what remains of the deadline", Source: "A6:101", Deadline: 5 * time.Second,
			Plan: fails(14), Judge: all(attempts(5), shrinking(5*time.Second))},
		{ID: "HDR-6", Title: "all other headers are the same on each attempt", Source: "A6, Buffering", Metadata: "x-check: kept",
			Plan: fails(14), Judge: all(attempts(5), carries("x-check", "kept"), sameHeaders)},
	}
}

func recordPrevious(o Observation) Result {
	var got []string
	for _, c := range o.Calls {
		for _, a := range c.Attempts {
			got = append(got, a.Previous())
		}
	}
	return verdict(len(got) >= 1 && len(got) <= 5, "unspecified: 1 to 5 attempts", fmt.Sprintf("%q", got))
}

// timeoutSlack is how far grpc-timeout may be from what remains: it is rounded
// to 8 digits, and the client reads its clock before the headers are on the
// wire.
const timeoutSlack = 25 * time.Millisecond

// connecting is how much of a deadline a client may spend before its first
// attempt is on the wire.
const connecting = time.Second

// shrinking judges that each attempt's grpc-timeout is that of the first, less
// the time that has passed since, and that the first is what connecting left of
// the deadline.
func shrinking(deadline time.Duration) func(Observation) Result {
	return func(o Observation) Result {
		slack := timeoutSlack + o.Overshoot
		expected := fmt.Sprintf("what remains of %v, give or take %v", deadline, timeoutSlack)
		var seen []string
		for _, c := range o.Calls {
			var first time.Duration
			for i, a := range c.Attempts {
				got, ok := a.Timeout()
				if i == 0 {
					first = got
				}
				want := first - (a.Start - c.Attempts[0].Start)
				switch {
				case !ok:
					return verdict(false, expected, fmt.Sprintf("attempt %d has none", i+1))
				case first > deadline+slack || first < deadline-connecting:
					return verdict(false, expected, fmt.Sprintf("%v on the first attempt", got))
				case (got - want).Abs() > slack:
					return verdict(false, expected, fmt.Sprintf("attempt %d: %v where %v remain", i+1, got, round(want)))
				}
				seen = append(seen, round(got).String())
			}
		}
		return verdict(len(seen) > 0, expected, strings.Join(seen, ", "))
	}
}

// sameHeaders judges that retries repeat the headers of the first attempt, but
// for those that have to differ.
func sameHeaders(o Observation) Result {
	const expected = "the headers of the first attempt"
	differ := []string{"grpc-previous-rpc-attempts", "grpc-timeout"}
	stable := func(a Attempt) []Header {
		return slices.DeleteFunc(slices.Clone(a.Header), func(h Header) bool { return slices.Contains(differ, h.Name) })
	}
	for _, c := range o.Calls {
		for i, a := range c.Attempts {
			if first := stable(c.Attempts[0]); !slices.Equal(stable(a), first) {
				return verdict(false, expected, fmt.Sprintf("attempt %d has %v, the first %v", i+1, stable(a), first))
			}
		}
	}
	return verdict(len(o.Calls) > 0, expected, "the same")
}
