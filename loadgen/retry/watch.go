package retry

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Watch judges the attempts of clients that nobody told what to do: all that
// passes a proxy. The zero Watch has no policy, and takes every retry as a
// mistake. It is not safe for concurrent use.
//
// Nothing on the wire says which attempts belong to one call. A retry, which
// has grpc-previous-rpc-attempts, is taken to follow the attempt that it fits
// best: one of the same method and client with one attempt less before it,
// that failed, has no other successor, and ended closest to the backoff that
// the policy asks for. So a gap is judged only as far as no other pairing
// explains it: a client that keeps to its policy is never accused.
type Watch struct {
	Policy *Policy

	// Overshoot is how late the machine's own timers have been, at worst: gaps
	// that are off by no more than that much are not held against a client.
	Overshoot time.Duration

	waiting []Attempt // failed, and not yet followed by a retry; by end
	Seen    int       // attempts
	Retries int       // attempts that have a number
	Matched int       // retries whose predecessor was found
	Gaps    []float64 // of matched retries, as a share of the nominal backoff
}

// maxWaiting bounds how many failed attempts are remembered.
const maxWaiting = 10_000

// Add takes the next attempt that has ended and returns what is wrong with it.
func (w *Watch) Add(a Attempt) []string {
	w.Seen++
	defer w.remember(a)
	text, numbered := a.Get("grpc-previous-rpc-attempts")
	if !numbered {
		return nil
	}
	w.Retries++
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || text != strconv.Itoa(number) {
		return []string{fmt.Sprintf("grpc-previous-rpc-attempts is %q, not a number from 1", text)}
	}
	var wrong []string
	if most := w.Policy.Attempts(); number >= most {
		wrong = append(wrong, fmt.Sprintf("attempt %d, and the policy allows %d", number+1, most))
	}
	if w.Policy == nil {
		return wrong
	}
	return append(wrong, w.follow(a, number)...)
}

// follow pairs a retry with the attempt that it follows, and judges the two.
func (w *Watch) follow(a Attempt, number int) []string {
	best, bestOff := -1, time.Duration(0)
	for i, before := range w.waiting {
		if !follows(before, a, number) {
			continue
		}
		off := (a.Start - before.Over() - w.Policy.Nominal(number)).Abs()
		if best < 0 || off < bestOff {
			best, bestOff = i, off
		}
	}
	if best < 0 {
		return []string{fmt.Sprintf("retry %d follows no attempt that failed before it", number)}
	}
	before := w.waiting[best]
	w.waiting = slices.Delete(w.waiting, best, best+1)
	w.Matched++
	return w.pair(before, a, number)
}

// follows reports whether a retry may be that of an attempt.
func follows(before, retry Attempt, number int) bool {
	earlier, _ := strconv.Atoi(before.Previous()) // absent: 0
	return earlier == number-1 && before.Over() <= retry.Start &&
		slices.Equal(identity(before), identity(retry))
}

// identity is what the attempts of one call have in common.
func identity(a Attempt) []string {
	var id []string
	for _, name := range []string{":path", ":authority", "user-agent", "touchstone-call-id"} {
		value, _ := a.Get(name)
		id = append(id, value)
	}
	return id
}

// pair judges a retry against the attempt before it.
func (w *Watch) pair(before, a Attempt, number int) []string {
	var wrong []string
	code, err := strconv.ParseUint(before.Status, 10, 32)
	if before.Status != "" && err == nil && !w.Policy.Retries(uint32(code)) {
		wrong = append(wrong, fmt.Sprintf("retry %d after %s, which the policy does not retry", number, CodeName(uint32(code))))
	}
	if before.How == "trailers" {
		wrong = append(wrong, fmt.Sprintf("retry %d after response headers, which commit the call", number))
	}
	gap, legal := a.Start-before.Over(), w.Policy.Backoff(number)
	w.Gaps = append(w.Gaps, float64(gap)/float64(w.Policy.Nominal(number)))
	switch {
	case before.Pushback != "": // the server's word is the interval
	case gap < legal.Min-early-w.Overshoot:
		wrong = append(wrong, fmt.Sprintf("gap %d is %v, below %v", number, round(gap), legal.Min))
	case gap > legal.Max+late+blame*w.Overshoot:
		wrong = append(wrong, fmt.Sprintf("gap %d is %v, above %v", number, round(gap), legal.Max))
	}
	first, hasFirst := before.Timeout()
	second, hasSecond := a.Timeout()
	if hasFirst && hasSecond && second >= first {
		wrong = append(wrong, fmt.Sprintf("grpc-timeout is %v on retry %d, and was %v before", second, number, first))
	}
	return wrong
}

// remember keeps a failed attempt for the retry that may follow, and forgets
// those for which none can come any more.
func (w *Watch) remember(a Attempt) {
	if w.Policy == nil || a.Status == "0" || a.Ended == "client" {
		return
	}
	longest := time.Duration(float64(w.Policy.MaxBackoff)*(1+Jitter)) + time.Minute
	w.waiting = slices.DeleteFunc(w.waiting, func(old Attempt) bool { return old.Over()+longest < a.Start })
	if len(w.waiting) >= maxWaiting {
		w.waiting = slices.Delete(w.waiting, 0, 1)
	}
	w.waiting = append(w.waiting, a)
}

// Model names the jitter of the gaps that were matched; false when there are
// too few to tell.
func (w *Watch) Model() (string, bool) {
	return model(w.Gaps), len(w.Gaps) >= enough
}
