package mutant

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"touchstone/loadgen/retry"
)

// behaviour is what a client does where A6 leaves no choice: the mutants change
// one thing each.
type behaviour struct {
	attempts func(*retry.Policy) int // at most, by policy
	backoff  func(p *retry.Policy, n int) time.Duration
	jitter   func() float64 // a factor of the backoff
	retries  func(p *retry.Policy, code uint32) bool

	pushback func(values []string) (d time.Duration, told, stop bool)
	pushed   func(pushback, backoff time.Duration) time.Duration
	resets   bool // backoffs start again after a pushback

	header func(*progress) string // grpc-previous-rpc-attempts; "" for absent
	order  func(requests [][]byte, sent int, again bool) [][]byte

	transparent      int // retries of a call that no server has seen
	transparentDelay time.Duration

	refill                    float64 // share of tokenRatio that a success brings
	stopCosts, committedCosts bool    // tokens: A6 wants both

	// Defects that are on or off.
	anyConfig, goAwayEndsAll, informationalCommits, retriesCommitted bool
	deadlineEach, sameTimeout, sleepsDeaf, noReset                   bool
	buffersAll, losesHalfClose, losesMetadata, emptyResponse         bool
	transparentCounts, transparentCosts, allCost, unthrottled        bool
	blocks                                                           bool
}

// sound is the behaviour of A6.
func sound() behaviour {
	return behaviour{
		attempts: (*retry.Policy).Attempts,
		backoff: func(p *retry.Policy, n int) time.Duration {
			if n == 1 { // maxBackoff does not cut the first one (A6:113)
				return p.InitialBackoff
			}
			return p.Nominal(n)
		},
		jitter:         func() float64 { return 1 - retry.Jitter + 2*retry.Jitter*rand.Float64() },
		retries:        (*retry.Policy).Retries,
		pushback:       func(values []string) (time.Duration, bool, bool) { return parsePushback(values, 32) },
		pushed:         func(pushback, _ time.Duration) time.Duration { return pushback },
		resets:         true,
		header:         func(p *progress) string { return numbered(p.previous, 1) },
		order:          func(requests [][]byte, _ int, _ bool) [][]byte { return requests },
		transparent:    1,
		refill:         1,
		stopCosts:      true,
		committedCosts: true,
	}
}

// parsePushback reads grpc-retry-pushback-ms: no value, a time to wait, or
// anything else, which asks for no retry.
func parsePushback(values []string, bits int) (d time.Duration, told, stop bool) {
	if len(values) == 0 {
		return 0, false, false
	}
	ms, err := strconv.ParseInt(values[0], 10, bits)
	if err != nil || ms < 0 {
		return 0, true, true
	}
	return time.Duration(ms) * time.Millisecond, true, false
}

// numbered prints n from least on, and nothing below.
func numbered(n, least int) string {
	if n < least {
		return ""
	}
	return strconv.Itoa(n)
}

// Defects returns the names of the mutants.
func Defects() []string { return slices.Sorted(maps.Keys(defects)) }

// defects are the mutants: what each does to sound behaviour.
var defects = map[string]func(*behaviour){
	"three attempts":     func(b *behaviour) { b.attempts = func(p *retry.Policy) int { return min(p.Attempts(), 3) } },
	"six attempts":       func(b *behaviour) { b.attempts = func(p *retry.Policy) int { return p.Attempts() + 1 } },
	"no cap of attempts": func(b *behaviour) { b.attempts = func(p *retry.Policy) int { return p.MaxAttempts } },
	"retries nothing":    func(b *behaviour) { b.retries = func(*retry.Policy, uint32) bool { return false } },
	"retries INTERNAL": func(b *behaviour) {
		b.retries = func(p *retry.Policy, code uint32) bool { return p.Retries(code) || p != nil && code == internal }
	},
	"retries every status":  func(b *behaviour) { b.retries = func(p *retry.Policy, code uint32) bool { return p != nil } },
	"retries after headers": func(b *behaviour) { b.retriesCommitted = true },
	"takes 103 for headers": func(b *behaviour) { b.informationalCommits = true },
	"OK without a message":  func(b *behaviour) { b.emptyResponse = true },

	"no backoff": func(b *behaviour) { b.backoff = func(*retry.Policy, int) time.Duration { return 0 } },
	"linear backoff": func(b *behaviour) {
		b.backoff = func(p *retry.Policy, n int) time.Duration {
			return min(p.InitialBackoff*time.Duration(n), p.MaxBackoff)
		}
	},
	"constant backoff": func(b *behaviour) { b.backoff = func(p *retry.Policy, _ int) time.Duration { return p.InitialBackoff } },
	"backoff one step ahead": func(b *behaviour) {
		b.backoff = func(p *retry.Policy, n int) time.Duration { return p.Nominal(n + 1) }
	},
	"no maxBackoff": func(b *behaviour) {
		b.backoff = func(p *retry.Policy, n int) time.Duration {
			return time.Duration(float64(p.InitialBackoff) * math.Pow(p.Multiplier, float64(n-1)))
		}
	},
	"first backoff cut":   func(b *behaviour) { b.backoff = (*retry.Policy).Nominal },
	"full jitter":         func(b *behaviour) { b.jitter = rand.Float64 },
	"no jitter":           func(b *behaviour) { b.jitter = func() float64 { return 1 } },
	"jitter only upwards": func(b *behaviour) { b.jitter = func() float64 { return 1 + retry.Jitter*rand.Float64() } },
	"backoffs in turn":    func(b *behaviour) { b.blocks = true },

	"pushback ignored": func(b *behaviour) {
		b.pushback = func([]string) (time.Duration, bool, bool) { return 0, false, false }
	},
	"pushback added to backoff": func(b *behaviour) {
		b.pushed = func(pushback, backoff time.Duration) time.Duration { return pushback + backoff }
	},
	"pushback jittered": func(b *behaviour) {
		b.pushed = func(pushback, _ time.Duration) time.Duration {
			return time.Duration(float64(pushback) * sound().jitter())
		}
	},
	"pushback in seconds": func(b *behaviour) {
		b.pushed = func(pushback, _ time.Duration) time.Duration { return pushback * 1000 }
	},
	"negative pushback retried": func(b *behaviour) {
		b.pushback = func(values []string) (time.Duration, bool, bool) {
			d, told, stop := parsePushback(values, 32)
			negative := stop && len(values[0]) > 0 && values[0][0] == '-'
			return d, told && !negative, stop && !negative
		}
	},
	"bad pushback retried": func(b *behaviour) {
		b.pushback = func(values []string) (time.Duration, bool, bool) {
			d, told, stop := parsePushback(values, 32)
			bad := stop && (len(values[0]) == 0 || values[0][0] != '-')
			return d, told && !bad, stop && !bad
		}
	},
	"pushback of 64 bits": func(b *behaviour) {
		b.pushback = func(values []string) (time.Duration, bool, bool) { return parsePushback(values, 64) }
	},
	"backoff not reset by pushback": func(b *behaviour) { b.resets = false },
	"pushback lifts the cap": func(b *behaviour) {
		pushback := b.pushback
		told := false
		b.pushback = func(values []string) (d time.Duration, is, stop bool) {
			d, is, stop = pushback(values)
			told = is
			return d, is, stop
		}
		b.attempts = func(p *retry.Policy) int {
			if told {
				return p.Attempts() + 3
			}
			return p.Attempts()
		}
	},

	"no previous-attempts header":  func(b *behaviour) { b.header = func(*progress) string { return "" } },
	"previous attempts off by one": func(b *behaviour) { b.header = func(p *progress) string { return numbered(p.previous+1, 2) } },
	"previous attempts from 0":     func(b *behaviour) { b.header = func(p *progress) string { return numbered(p.previous, 0) } },
	"metadata lost on retries":     func(b *behaviour) { b.losesMetadata = true },
	"grpc-timeout not shrunk":      func(b *behaviour) { b.sameTimeout = true },
	"a deadline for each attempt":  func(b *behaviour) { b.deadlineEach = true },
	"sleeps through cancellation":  func(b *behaviour) { b.sleepsDeaf = true },
	"no reset when cancelled":      func(b *behaviour) { b.noReset = true },

	"messages replayed out of order": func(b *behaviour) {
		b.order = func(requests [][]byte, _ int, again bool) [][]byte {
			if !again {
				return requests
			}
			backwards := slices.Clone(requests)
			slices.Reverse(backwards)
			return backwards
		}
	},
	"messages not replayed": func(b *behaviour) {
		b.order = func(requests [][]byte, sent int, again bool) [][]byte {
			if !again {
				return requests
			}
			return requests[min(sent, len(requests)-1):]
		}
	},
	"half-close lost on replay": func(b *behaviour) { b.losesHalfClose = true },
	"buffers without limit":     func(b *behaviour) { b.buffersAll = true },

	"no transparent retry":          func(b *behaviour) { b.transparent = 0 },
	"transparent retries for ever":  func(b *behaviour) { b.transparent = 20 },
	"transparent retry counted":     func(b *behaviour) { b.transparentCounts = true },
	"transparent retry delayed":     func(b *behaviour) { b.transparentDelay = 100 * time.Millisecond },
	"transparent retry costs":       func(b *behaviour) { b.transparentCosts = true },
	"GOAWAY ends all streams":       func(b *behaviour) { b.goAwayEndsAll = true },
	"throttling ignored":            func(b *behaviour) { b.unthrottled = true },
	"success brings no tokens":      func(b *behaviour) { b.refill = 0 },
	"every failure costs a token":   func(b *behaviour) { b.allCost = true },
	"pushback -1 costs no token":    func(b *behaviour) { b.stopCosts = false },
	"committed failures cost none":  func(b *behaviour) { b.committedCosts = false },
	"invalid config taken for none": func(b *behaviour) { b.anyConfig = true },
}
