package compare

import (
	"fmt"
	"maps"
	"slices"

	"touchstone/loadgen/report"
)

// Difference is a fact about the runs that is not the same in all of them.
type Difference struct {
	What string   `json:"what"`
	Old  []string `json:"old"`
	New  []string `json:"new"`
	// Tested says that it is what the runs may well be meant to differ in: the
	// target. Everything else makes a comparison say less.
	Tested bool `json:"tested,omitempty"`
}

// fact is something that all runs should have in common.
type fact struct {
	name   string
	tested bool
	of     func(*report.Report) string
}

// facts are what is looked at, the machine first.
var facts = []fact{
	{"CPU model", false, func(r *report.Report) string { return r.Tool.CPUModel }},
	{"CPUs", false, func(r *report.Report) string { return fmt.Sprint(r.Tool.CPUs) }},
	{"GOMAXPROCS", false, func(r *report.Report) string { return number(r.Tool.MaxProcs) }},
	{"memory", false, func(r *report.Report) string { return gibibytes(r.Tool.MemoryMB) }},
	{"system", false, func(r *report.Report) string { return r.Tool.OS }},
	{"kernel", false, func(r *report.Report) string { return r.Tool.Kernel }},
	{"loadgen", false, func(r *report.Report) string { return r.Tool.Version }},
	{"Go", false, func(r *report.Report) string { return r.Tool.Go }},
	{"grpc-go", false, func(r *report.Report) string { return r.Tool.GRPC }},
	{"target", true, func(r *report.Report) string {
		if r.Target.Embedded { // its port is a new one each time
			return "reference server"
		}
		return r.Target.Address
	}},
}

// loadFacts are those of each load.
var loadFacts = []struct {
	name string
	of   func(*report.Load) string
}{
	{"method", func(l *report.Load) string { return l.Method }},
	{"transport", func(l *report.Load) string { return l.Transport }},
	{"arrival", func(l *report.Load) string { return l.Arrival }},
	{"connections", func(l *report.Load) string { return number(l.Connections) }},
}

// number writes a number, "" for one that is not known.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// gibibytes writes a size so that what a kernel keeps for itself makes no
// difference.
func gibibytes(mb float64) string {
	if mb == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", mb/1024)
}

// environment returns the facts in which the runs differ. What a run does not
// know differs from nothing.
func environment(older, newer []*report.Report) []Difference {
	var out []Difference
	add := func(name string, tested bool, old, now []string) {
		if !slices.Equal(old, now) && len(old) > 0 && len(now) > 0 || len(old) > 1 || len(now) > 1 {
			out = append(out, Difference{What: name, Old: old, New: now, Tested: tested})
		}
	}
	for _, f := range facts {
		add(f.name, f.tested, distinct(older, f.of), distinct(newer, f.of))
	}
	old, names := byName(older)
	now, _ := byName(newer)
	for _, name := range names {
		if len(now[name]) == 0 {
			continue
		}
		for _, f := range loadFacts {
			add(f.name+" of "+name, false, distinct(old[name], f.of), distinct(now[name], f.of))
		}
	}
	return out
}

// distinct returns the values that a fact has among all, sorted, "" left out.
func distinct[T any](all []T, of func(T) string) []string {
	seen := map[string]bool{}
	for _, one := range all {
		seen[of(one)] = true
	}
	delete(seen, "")
	return slices.Sorted(maps.Keys(seen))
}

// SameEnvironment reports whether the runs differ in nothing but the target.
func (r *Result) SameEnvironment() bool {
	return !slices.ContainsFunc(r.Environment, func(d Difference) bool { return !d.Tested })
}
