package fault

import (
	"math/rand/v2"
	"sync"
)

// CallID is the key of request metadata that ties the attempts of one call
// together. Clients need not send it; see [Decider].
const CallID = "touchstone-call-id"

// maxIDs bounds how many calls with a CallID are remembered.
const maxIDs = 8192

// Call is one attempt of a call, as it reaches the server.
type Call struct {
	Method   string // "pkg.Service/Method"
	Attempt  int    // from 1: grpc-previous-rpc-attempts + 1
	Number   int    // the call's ordinal from 1, if the caller knows it, else 0
	Metadata map[string][]string
}

// Decider applies a plan to the attempts of one run. It is safe for concurrent
// use. What it decides depends on nothing but plan, seed and the sequence of
// calls.
//
// A rule with call or every needs ordinals. Each rule counts for itself the
// calls that fit its method and metadata, whichever rule then decides; a first
// attempt takes the next ordinal. A retry belongs to the call that it retries,
// and has its ordinal. Nothing on the wire says which call that is, so a retry
// is taken to belong to the latest call: right for calls made one after the
// other, a guess for concurrent ones. Concurrent clients send [CallID] in
// their metadata, which is the same on every attempt and ties them (the last
// 8192 are remembered). Transparent retries look like first attempts, and
// count as calls unless there is a CallID.
type Decider struct {
	plan *Plan
	ids  bool // some rule needs ordinals

	mu    sync.Mutex       // guards what follows
	rand  []*rand.Rand     // by rule: its own sequence, so that rules do not shift each other
	calls []int            // by rule: calls counted
	hits  []int            // by rule
	known map[string][]int // CallID -> ordinals by rule
	order []string         // the keys of known in order of arrival, a ring
	next  int              // the place in order that is taken next
}

// NewDecider returns a decider for one run of the plan. A nil plan has no
// rules.
func NewDecider(p *Plan, seed uint64) *Decider {
	if p == nil {
		p = &Plan{}
	}
	d := &Decider{plan: p, calls: make([]int, len(p.Rules)), hits: make([]int, len(p.Rules)), known: map[string][]int{}}
	for i, rule := range p.Rules {
		d.rand = append(d.rand, rand.New(rand.NewPCG(seed, uint64(i))))
		d.ids = d.ids || rule.Match.ordinal()
	}
	return d
}

// ordinal reports whether the match asks for the ordinal of the call.
func (m Match) ordinal() bool { return m.Call != (Range{}) || m.Every > 1 }

// Decide returns the action of the first rule that fits, with its delay drawn:
// a fixed one. False means that the call goes through untouched.
func (d *Decider) Decide(c Call) (Action, bool) {
	if len(d.plan.Rules) == 0 {
		return Action{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ordinals := d.ordinals(c)
	for i := range d.plan.Rules {
		rule := &d.plan.Rules[i]
		if !d.fits(i, ordinals, c) {
			continue
		}
		d.hits[i]++
		action := rule.Action
		action.Rule = i
		action.Delay = action.Delay.draw(d.rand[i])
		return action, true
	}
	return Action{}, false
}

// fits evaluates a rule's conditions, the random one last: a draw is made only
// for attempts that fit all the rest, so that percent is a share of those.
func (d *Decider) fits(i int, ordinals []int, c Call) bool {
	m := &d.plan.Rules[i].Match
	if !m.MatchesMethod(c.Method) || !m.matchesMetadata(c.Metadata) || !m.Attempt.Contains(max(c.Attempt, 1)) {
		return false
	}
	if m.ordinal() && (!m.Call.Contains(ordinals[i]) || ordinals[i]%max(m.Every, 1) != 0) {
		return false
	}
	return m.Percent == 0 || d.rand[i].Float64()*100 < m.Percent
}

// ordinals returns the ordinal of the call under each rule, nil when no rule
// asks for one. The slice is valid while the lock is held.
func (d *Decider) ordinals(c Call) []int {
	if !d.ids {
		return nil
	}
	id := ""
	if values := c.Metadata[CallID]; len(values) > 0 && c.Number == 0 {
		id = values[0]
	}
	if ordinals, ok := d.known[id]; ok && id != "" {
		return ordinals
	}
	out := d.calls
	if id != "" || c.Number > 0 {
		out = make([]int, len(d.calls))
	}
	for i := range d.plan.Rules {
		out[i] = d.count(i, c)
	}
	if id != "" {
		d.remember(id, out)
	}
	return out
}

// count counts the call under rule i and returns its ordinal.
func (d *Decider) count(i int, c Call) int {
	m := &d.plan.Rules[i].Match
	switch {
	case c.Number > 0:
		return c.Number
	case !m.ordinal() || !m.MatchesMethod(c.Method) || !m.matchesMetadata(c.Metadata):
	case c.Attempt <= 1 || d.calls[i] == 0: // a retry may be the first that is seen of a call
		d.calls[i]++
	}
	return d.calls[i]
}

// remember keeps the ordinals of a call, in place of the oldest one's when
// there are too many.
func (d *Decider) remember(id string, ordinals []int) {
	if len(d.order) < maxIDs {
		d.order = append(d.order, id)
	} else {
		delete(d.known, d.order[d.next])
		d.order[d.next] = id
		d.next = (d.next + 1) % maxIDs
	}
	d.known[id] = ordinals
}

// Hits returns how many attempts each rule has decided. A check that rests on
// a rule without hits is inconclusive.
func (d *Decider) Hits() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]int(nil), d.hits...)
}
