package assert

import (
	"fmt"

	"touchstone/server/source"
)

// list matches the items of a list: all of them, unless more is allowed.
func (x *matcher) list(path string, t target, n *source.Node, patterns []*source.Node, literal, unordered, more bool) {
	items, ok := t.list()
	if !ok {
		x.fail(n, path, show(n), t.show())
		return
	}
	if len(items) != len(patterns) && !more {
		x.fail(n, path, fmt.Sprintf("%d items", len(patterns)), fmt.Sprintf("%d items: %s", len(items), t.show()))
	}
	if unordered {
		x.unorderedList(path, items, patterns, literal)
		return
	}
	for i, item := range items[:min(len(items), len(patterns))] {
		x.match(fmt.Sprintf("%s[%d]", path, i), item, patterns[i], literal)
	}
}

// unorderedList finds an item of its own for as many patterns as possible, and
// reports the patterns that get none. A partial pattern may fit several items,
// so taking the first that fits is not enough: this is bipartite matching by
// augmenting paths.
func (x *matcher) unorderedList(path string, items []target, patterns []*source.Node, literal bool) {
	fits := func(p, i int) bool { return x.matches(items[i], patterns[p], literal) }
	for _, p := range Unpaired(len(patterns), len(items), fits) {
		x.complain(patterns[p], path, "no item (of its own) matches "+show(patterns[p]))
	}
}

// Unpaired assigns to each pattern an item of its own that fits it, to as many
// as possible, and returns the patterns that get none.
func Unpaired(patterns, items int, fits func(pattern, item int) bool) []int {
	pairs := pairing{owner: make([]int, items), known: map[[2]int]bool{}, fits: fits}
	for i := range pairs.owner {
		pairs.owner[i] = -1
	}
	var left []int
	for p := range patterns {
		if !pairs.place(p, make([]bool, items)) {
			left = append(left, p)
		}
	}
	return left
}

// pairing assigns items to patterns.
type pairing struct {
	owner []int // the pattern that each item is assigned to, -1 for none
	known map[[2]int]bool
	fits  func(pattern, item int) bool
}

// place finds an item for a pattern, moving other patterns if need be; tried
// are the items that were looked at for it.
func (a *pairing) place(pattern int, tried []bool) bool {
	for i := range a.owner {
		if tried[i] || !a.fit(pattern, i) {
			continue
		}
		tried[i] = true
		if a.owner[i] < 0 || a.place(a.owner[i], tried) {
			a.owner[i] = pattern
			return true
		}
	}
	return false
}

func (a *pairing) fit(pattern, item int) bool {
	key := [2]int{pattern, item}
	fits, ok := a.known[key]
	if !ok {
		fits = a.fits(pattern, item)
		a.known[key] = fits
	}
	return fits
}
