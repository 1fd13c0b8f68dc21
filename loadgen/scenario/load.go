package scenario

import (
	"strconv"
	"strings"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/report"
	"touchstone/server/source"
)

// loadDecl is a load block: its figures, and the steps that it calls.
type loadDecl struct {
	load  Load
	steps []*StepDecl // of load.Parts; nil where there is no such step
	pair  *pairDecl
}

func parseLoads(r *source.Reporter, f *File, n *source.Node) []*loadDecl {
	var loads []*loadDecl
	for _, item := range r.List(n) {
		loads = append(loads, parseLoad(r, f, item))
	}
	return loads
}

func parseLoad(r *source.Reporter, f *File, n *source.Node) *loadDecl {
	m := r.Mapping(n)
	l := &loadDecl{load: Load{
		Pos:      n.Pos,
		Name:     r.Str(m.Take("name")),
		Arrival:  parseArrival(r, m.Need("arrival")),
		Duration: r.Duration(m.Take("duration")),
		Warmup:   r.Duration(m.Take("warmup")),
		Cooldown: r.Duration(m.Take("cooldown")),
	}}
	l.parseWork(r, f, n, m)
	l.load.Requests = optionalCount(r, m.Take("requests"))
	l.load.MaxInFlight = optionalCount(r, m.Take("max_in_flight"))
	l.load.Connections = optionalCount(r, m.Take("connections"))
	l.load.Transport = parseTransport(r, m.Take("transport"))
	l.load.Assert = parseAssert(r, m.Take("assert"))
	l.pair = parsePair(r, m.Take("round_trip"))
	l.load.Thresholds = parseThresholds(r, m.Take("thresholds"))
	l.load.AbortOn = parseAbortOn(r, m.Take("abort_on"))
	m.Done()
	if n.Kind == source.Object {
		l.checkBounds(r)
	}
	return l
}

// parseWork reads what is called: a step, a mix of steps, or the whole file.
func (l *loadDecl) parseWork(r *source.Reporter, f *File, n *source.Node, m *source.Mapping) {
	step, mix, session := m.Take("step"), m.Take("mix"), m.Take("session")
	given := 0
	for _, one := range []*source.Node{step, mix, session} {
		if one != nil {
			given++
		}
	}
	if given != 1 && n.Kind == source.Object {
		r.Errorf(n.Pos, "a load needs one of step, mix and session").Hint = "write step: ID, mix: [{step: ID, weight: 3}, ...], or session: true"
	}
	name := "session"
	switch {
	case step != nil:
		found := findStep(r, f, step)
		l.add(found, 1)
		if found != nil {
			name = found.ID
		}
	case mix != nil:
		name = "mix"
		l.parseMix(r, f, mix)
	case session != nil:
		if l.load.Session = r.Bool(session); session.Kind == source.Bool && !l.load.Session {
			r.Errorf(session.Pos, "leave session out, or write session: true")
		}
	}
	if l.load.Name == "" {
		l.load.Name = name
	}
}

// parseMix reads the steps of a mix with their weights.
func (l *loadDecl) parseMix(r *source.Reporter, f *File, n *source.Node) {
	items := r.List(n)
	if len(items) < 2 {
		r.Errorf(n.Pos, "a mix has at least two steps").Hint = "write step: ID for one"
	}
	for _, item := range items {
		m := r.Mapping(item)
		step, weight := findStep(r, f, m.Need("step")), m.Take("weight")
		m.Done()
		w := 1.0
		if weight != nil {
			if w = r.Float(weight); !(w > 0) && (weight.Kind == source.Int || weight.Kind == source.Float) {
				r.Errorf(weight.Pos, "a weight is more than 0")
			}
		}
		l.add(step, w)
	}
}

func (l *loadDecl) add(step *StepDecl, weight float64) {
	l.steps = append(l.steps, step)
	l.load.Parts = append(l.load.Parts, Part{Weight: weight})
}

// checkBounds makes sure that the load ends, and that its fields go together.
func (l *loadDecl) checkBounds(r *source.Reporter) {
	a := &l.load.Arrival
	ends := len(a.Stages) > 0 || len(a.Offsets) > 0 || a.trace != nil
	switch {
	case l.load.Duration > 0 && l.load.Requests > 0, l.load.Duration == 0 && l.load.Requests == 0 && !ends:
		r.Errorf(l.load.Pos, "a load has either a duration or a number of requests").Hint = "write duration: 30s, or requests: 1000"
	case l.load.Session && l.load.Assert > 0:
		r.Errorf(l.load.Pos, "the expectations of a session are always checked").Hint = "leave assert out"
	case l.load.Session && l.load.Transport == "wire":
		r.Errorf(l.load.Pos, "a session makes its calls by the channel transport").Hint = "leave transport out"
	}
}

func optionalCount(r *source.Reporter, n *source.Node) int {
	if n == nil {
		return 0
	}
	return r.Int(n, 1, maxCount)
}

func findStep(r *source.Reporter, f *File, n *source.Node) *StepDecl {
	if n == nil {
		return nil
	}
	id := r.Str(n)
	var ids []string
	for _, s := range f.Steps {
		if s.ID == id {
			return s
		}
		ids = append(ids, s.ID)
	}
	if id != "" {
		r.Errorf(n.Pos, "there is no step %q", id).Hint = source.DidYouMean(id, ids)
	}
	return nil
}

func parseTransport(r *source.Reporter, n *source.Node) string {
	name := r.Str(n)
	if n == nil {
		return "channel"
	}
	if n.Kind == source.String && name != "channel" && name != "wire" {
		r.Errorf(n.Pos, "transport %q does not exist: there are channel and wire", name).Hint = source.DidYouMean(name, []string{"channel", "wire"})
	}
	return name
}

// parseAssert reads full, off or {sampled: 5%}, as a share of the calls.
func parseAssert(r *source.Reporter, n *source.Node) float64 {
	switch {
	case n == nil, n.Kind == source.String && n.Text == "off", n.Kind == source.Bool && n.Text == "false":
		return 0
	case n.Kind == source.String && n.Text == "full":
		return 1
	case n.Kind == source.Object:
		m := r.Mapping(n)
		sampled := m.Need("sampled")
		m.Done()
		if sampled == nil {
			return 0
		}
		percent, isPercent := strings.CutSuffix(sampled.Text, "%")
		v, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err == nil && isPercent && v > 0 && v <= 100 {
			return v / 100
		}
		r.Errorf(sampled.Pos, "want a percentage above 0, got %s", sampled.JSON()).Hint = "write {sampled: 5%}"
		return 0
	}
	r.Errorf(n.Pos, "assert: want full, off or {sampled: 5%%}, got %s", n.JSON())
	return 0
}

// parseAbortOn checks the syntax of the conditions that end a load.
func parseAbortOn(r *source.Reporter, n *source.Node) []report.Abort {
	var out []report.Abort
	for _, item := range r.List(n) {
		a, err := report.ParseAbort(r.Str(item))
		if err != nil && item.Kind == source.String {
			reportThreshold(r, item, err)
		}
		out = append(out, a)
	}
	return out
}

// parseThresholds checks the syntax of thresholds.
func parseThresholds(r *source.Reporter, n *source.Node) []Threshold {
	var thresholds []Threshold
	for _, item := range r.List(n) {
		text := r.Str(item)
		if _, err := report.ParseThreshold(text); err != nil && item.Kind == source.String {
			reportThreshold(r, item, err)
		}
		thresholds = append(thresholds, Threshold{Pos: item.Pos, Expression: text})
	}
	return thresholds
}

// reportThreshold moves an error within an expression to its place in the file.
func reportThreshold(r *source.Reporter, n *source.Node, err error) {
	at, ok := err.(*source.Error)
	if !ok {
		r.Errorf(n.Pos, "%v", err)
		return
	}
	r.Errorf(assert.Locate(r.File, n, at.Pos.Col-1), "%s", at.Msg).Hint = at.Hint
}
