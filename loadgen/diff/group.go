package diff

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"touchstone/loadgen/report"
)

// Limits of what is kept of a run.
const (
	maxGroups = 1000   // distinct differences
	maxSets   = 10_000 // sets of them that calls show
)

// Groups puts together the differences of all calls of a run. Its memory is
// bounded by the number of distinct differences. The zero Groups is empty; it
// is not safe for concurrent use.
type Groups struct {
	calls, ignored int
	ids            map[groupKey]int
	groups         []group
	noise          map[groupKey]int // how often the baseline differed from itself
	sets           map[string]int   // number of calls by the set of their groups
	unknown        int              // calls that show only differences beyond the limits
}

type groupKey struct {
	method, path string
	kind         Kind
}

type group struct {
	groupKey
	count, occurrences int
	example            report.DiffExample
}

// Add takes the outcome of the comparison of a call, by its number in the
// fixture.
func (g *Groups) Add(method string, number int, r Result) {
	g.calls++
	g.ignored += r.Ignored
	var set []int
	for _, d := range r.Differences {
		id, ok := g.id(groupKey{method, d.Group, d.Kind})
		if !ok {
			continue
		}
		one := &g.groups[id]
		one.occurrences++
		if slices.Contains(set, id) {
			continue
		}
		set = append(set, id)
		if one.count++; one.count == 1 {
			one.example = report.DiffExample{Call: number, Want: d.Want, Got: d.Got}
		}
	}
	g.note(set, len(r.Differences) > 0)
}

// AddNoise takes how the baseline differs from itself in a call.
func (g *Groups) AddNoise(method string, r Result) {
	if g.noise == nil {
		g.noise = map[groupKey]int{}
	}
	for _, d := range r.Differences {
		key := groupKey{method, d.Group, d.Kind}
		if _, known := g.noise[key]; known || len(g.noise) < maxGroups {
			g.noise[key]++
		}
	}
}

// id returns the number of a group, a new one while there is room.
func (g *Groups) id(key groupKey) (int, bool) {
	id, known := g.ids[key]
	if known {
		return id, true
	}
	if len(g.groups) >= maxGroups {
		return 0, false
	}
	if g.ids == nil {
		g.ids = map[groupKey]int{}
	}
	g.ids[key] = len(g.groups)
	g.groups = append(g.groups, group{groupKey: key})
	return len(g.groups) - 1, true
}

// note counts a call by the set of its groups, so that it is known at the end
// whether it differs in more than noise.
func (g *Groups) note(set []int, different bool) {
	if !different {
		return
	}
	slices.Sort(set)
	words := make([]string, len(set))
	for i, id := range set {
		words[i] = strconv.Itoa(id)
	}
	key := strings.Join(words, " ")
	if _, known := g.sets[key]; key == "" || !known && len(g.sets) >= maxSets {
		g.unknown++
		return
	}
	if g.sets == nil {
		g.sets = map[string]int{}
	}
	g.sets[key]++
}

// Report returns what the run shows: groups by the number of calls, the
// greatest first. Groups in which the baseline differs from itself are left
// out, and counted as noise.
func (g *Groups) Report() *report.Diff {
	out := &report.Diff{Calls: g.calls, Ignored: g.ignored}
	counts := make([]bool, len(g.groups))
	for id, one := range g.groups {
		if g.noise[one.groupKey] > 0 {
			out.Noise += one.occurrences
			continue
		}
		counts[id] = true
		out.Groups = append(out.Groups, report.DiffGroup{
			Method: one.method, Path: one.path, Kind: string(one.kind), Count: one.count,
			Example: one.example, Ignore: one.method + " " + one.path + " " + string(one.kind),
		})
	}
	slices.SortStableFunc(out.Groups, func(a, b report.DiffGroup) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Method, b.Method), strings.Compare(a.Path, b.Path), strings.Compare(a.Kind, b.Kind))
	})
	out.Different = g.unknown
	for _, set := range slices.Sorted(maps.Keys(g.sets)) {
		if slices.ContainsFunc(strings.Fields(set), func(word string) bool { id, _ := strconv.Atoi(word); return counts[id] }) {
			out.Different += g.sets[set]
		}
	}
	return out
}
