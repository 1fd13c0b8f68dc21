package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// part is a load of one shard.
type part struct {
	*Load
	shift float64 // seconds from the start of the first shard to this one's, whole
}

// loads merges the loads of one name, in the order in which they first stand.
func (m *merger) loads() ([]Load, error) {
	var names []string
	parts := map[string][]part{}
	for _, s := range m.shards {
		shift := math.Round(s.Started.Sub(m.start).Seconds())
		own := map[string]bool{}
		for i := range s.Loads {
			l := &s.Loads[i]
			if own[l.Name] {
				return nil, fmt.Errorf("a shard has two loads of the name %q", l.Name)
			}
			own[l.Name] = true
			names = appendNew(names, l.Name)
			parts[l.Name] = append(parts[l.Name], part{l, shift})
		}
	}
	var out []Load
	for _, name := range names {
		merged, err := m.load(parts[name])
		if err != nil {
			return nil, fmt.Errorf("load %q: %w", name, err)
		}
		out = append(out, merged)
	}
	return out, nil
}

// load merges the parts of one load. One that a single shard has stays as it is.
func (m *merger) load(parts []part) (Load, error) {
	if len(parts) == 1 {
		return *parts[0].Load, nil
	}
	first := parts[0]
	for _, p := range parts[1:] {
		if err := sameLoad(first.Load, p.Load); err != nil {
			return Load{}, err
		}
	}
	out := Load{
		Name: first.Name, Method: first.Method, Kind: first.Kind, Transport: first.Transport,
		Arrival: arrivals(parts), Phases: m.phases(parts), CPU: CPU{}, Statuses: map[string]int64{},
	}
	out.add(parts)
	out.rates(parts)
	m.process(&out, parts)
	var err error
	if err = m.distributions(&out, parts); err != nil {
		return Load{}, err
	}
	if out.Methods, err = m.methods(parts); err != nil {
		return Load{}, err
	}
	out.Windows = m.windows(parts)
	for _, p := range parts {
		for _, mark := range p.Marks {
			mark.T += p.shift
			out.Marks = append(out.Marks, mark)
		}
		if p.Aborted != "" && out.Aborted == "" {
			out.Aborted = p.Aborted
		}
	}
	slices.SortStableFunc(out.Marks, func(a, b Mark) int { return cmp.Compare(a.T, b.T) })
	out.Calls = m.calls(parts)
	return out, nil
}

// sameLoad returns an error unless both can be parts of one load.
func sameLoad(a, b *Load) error {
	switch {
	case a.Method != b.Method:
		return fmt.Errorf("methods %s and %s", a.Method, b.Method)
	case a.Kind != b.Kind:
		return fmt.Errorf("kinds %s and %s", a.Kind, b.Kind)
	case a.Transport != b.Transport:
		return fmt.Errorf("transports %s and %s", a.Transport, b.Transport)
	case a.Sent > 0 && b.Sent > 0 && a.Closed() != b.Closed():
		return fmt.Errorf("an open loop, %s, and a closed one, %s", a.Arrival, b.Arrival)
	}
	return nil
}

// arrivals names what the shards did together.
func arrivals(parts []part) string {
	var names []string
	for _, p := range parts {
		names = appendNew(names, p.Arrival)
	}
	if len(names) > 1 {
		return fmt.Sprintf("%d shards of %s and others", len(parts), names[0])
	}
	return fmt.Sprintf("%d shards of %s", len(parts), names[0])
}

// add adds up what is counted.
func (l *Load) add(parts []part) {
	attempts := 0.0
	for _, p := range parts {
		l.Scheduled += p.Scheduled
		l.Sent += p.Sent
		l.Completed += p.Completed
		l.Cancelled += p.Cancelled
		l.Dropped += p.Dropped
		l.Connections += p.Connections
		for code, n := range p.Statuses {
			l.Statuses[code] += n
		}
		// The report has the mean; a whole number of attempts led to it.
		attempts += math.Round(p.AttemptsPerCall * float64(p.Completed))
	}
	l.AttemptsPerCall = share64(attempts, l.Completed)
}

// share64 returns x for each of n, 0 when there is none.
func share64(x float64, n int64) float64 {
	if n == 0 {
		return 0
	}
	return x / float64(n)
}

// rates derives the rates from the counts and the longest of the shards, as a
// single run does.
func (l *Load) rates(parts []part) {
	var offered, achieved float64 // seconds
	for _, p := range parts {
		if p.OfferedRPS > 0 {
			offered = max(offered, float64(p.Scheduled)/p.OfferedRPS)
		}
		achieved = max(achieved, p.span())
	}
	if offered > 0 {
		l.OfferedRPS = float64(l.Scheduled) / offered
	}
	if achieved > 0 {
		l.AchievedRPS = float64(l.Completed) / achieved
	}
}

// span returns how many seconds a load took, as far as its rate tells.
func (l *Load) span() float64 {
	if l.AchievedRPS == 0 {
		return 0
	}
	return float64(l.Completed) / l.AchievedRPS
}

// process adds up what the shards' processes used.
func (m *merger) process(l *Load, parts []part) {
	gc := GC{}
	for _, p := range parts {
		l.CPU.UserS += p.CPU.UserS
		l.CPU.SystemS += p.CPU.SystemS
		l.MaxRSSMB = max(l.MaxRSSMB, p.MaxRSSMB)
		if busy := p.CPU.MachineBusy; busy != nil && (l.CPU.MachineBusy == nil || *busy > *l.CPU.MachineBusy) {
			l.CPU.MachineBusy = busy
		}
		if p.GC != nil {
			l.GC = &gc
			gc.Cycles += p.GC.Cycles
			gc.PauseMaxMS = max(gc.PauseMaxMS, p.GC.PauseMaxMS)
			gc.PauseTotalMS += p.GC.PauseTotalMS
			gc.CPUShare = max(gc.CPUShare, p.GC.CPUShare)
		}
	}
	l.CPU.USPerCall = share64((l.CPU.UserS+l.CPU.SystemS)*1e6, l.Completed)
	m.warn("memory, garbage collection's share and how busy the machine was are those of the shard with the most: they do not add up")
}

// methods merges the methods of a mix by their name.
func (m *merger) methods(parts []part) ([]Method, error) {
	var out []Method
	for _, p := range parts {
		for _, one := range p.Methods {
			at := slices.IndexFunc(out, func(o Method) bool { return o.Method == one.Method })
			if at < 0 {
				one.Statuses = maps.Clone(one.Statuses)
				out = append(out, one)
				continue
			}
			if err := out[at].merge(&one); err != nil {
				return nil, fmt.Errorf("method %s: %w", one.Method, err)
			}
		}
	}
	return out, nil
}

// merge adds other to a.
func (a *Method) merge(other *Method) error {
	a.Sent += other.Sent
	a.Completed += other.Completed
	a.Cancelled += other.Cancelled
	a.Dropped += other.Dropped
	for code, n := range other.Statuses {
		if a.Statuses == nil {
			a.Statuses = map[string]int64{}
		}
		a.Statuses[code] += n
	}
	return mergeAll([]*Latency{&a.Response, &a.Service, &a.Lag}, []*Latency{&other.Response, &other.Service, &other.Lag})
}

// phases returns the phases of the load, which all shards have in common.
func (m *merger) phases(parts []part) []Phase {
	for _, p := range parts[1:] {
		if !slices.Equal(p.Phases, parts[0].Phases) {
			m.warn("%s: the shards had different phases: those shown are the first's", p.Name)
		}
	}
	return parts[0].Phases
}

// calls keeps as many calls of each sort as the shard with the most has, and
// of those the ones that took longest. Their numbers are those in their shard.
func (m *merger) calls(parts []part) []Call {
	byWhy, most := map[string][]Call{}, map[string]int{}
	for _, p := range parts {
		own := map[string]int{}
		for _, c := range p.Calls {
			c.DueMS += p.shift * Milliseconds(time.Second)
			byWhy[c.Why] = append(byWhy[c.Why], c)
			own[c.Why]++
			most[c.Why] = max(most[c.Why], own[c.Why])
		}
	}
	var out []Call
	for _, why := range slices.Sorted(maps.Keys(byWhy)) {
		calls := byWhy[why]
		slices.SortStableFunc(calls, func(a, b Call) int { return cmp.Compare(b.DoneMS, a.DoneMS) })
		out = append(out, calls[:most[why]]...)
	}
	if len(out) > 0 {
		m.warn("the numbers of calls shown as examples are those within their shard")
	}
	return out
}
