package diff

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
)

// list compares two lists. Their items are aligned by the key that a rule
// names, or by what they have in common.
func (w *walk) list(want, got []*node) {
	first := w.first
	w.first = 0 // lists within the items begin at 0
	r := w.rules.list(w.method, w.path)
	var pairs []pair
	switch {
	case r != nil && r.key != nil:
		pairs = alignKeys(w.keys(want, r.key), w.keys(got, r.key))
	case r != nil:
		pairs = alignSets(w.prints(want), w.prints(got))
	case len(want) == len(got) && w.alike(want, got):
		return
	default:
		pairs = align(w.prints(want), w.prints(got))
	}
	for _, p := range pairs {
		i := p.want
		if i < 0 {
			i = p.got
		}
		w.within(indexed(first+i), func() { w.pair(want, got, p, r != nil && r.unordered) })
	}
}

// alike reports whether items are equal one by one, which most lists are. It
// keeps what rules ignore on the way there.
func (w *walk) alike(want, got []*node) bool {
	trial := walk{Comparer: w.Comparer, method: w.method, path: w.path}
	for i := range want {
		trial.within(indexed(i), func() { trial.compare(want[i], got[i]) })
		if len(trial.Differences) > 0 {
			return false
		}
	}
	w.Ignored += trial.Ignored
	return true
}

// pair compares two items that belong together, or reports one that is alone.
func (w *walk) pair(want, got []*node, p pair, unordered bool) {
	switch {
	case p.got < 0:
		w.either(want[p.want], nil)
	case p.want < 0:
		w.either(nil, got[p.got])
	default:
		if p.moved && !unordered {
			w.add(Reordered, fmt.Sprintf("at %d: %s", p.want, want[p.want]), fmt.Sprintf("at %d: %s", p.got, got[p.got]))
		}
		w.compare(want[p.want], got[p.got])
	}
}

// keys returns the keys of items as texts. Items without one have a key that
// no other has, so that they are missing or extra.
func (w *walk) keys(items []*node, key path) []string {
	out := make([]string, len(items))
	for i, item := range items {
		if n := item.find(key); n != nil {
			out[i] = n.String()
		}
	}
	return out
}

// find returns the value at a path below a node, nil when there is none.
func (n *node) find(p path) *node {
	if n.kind == isText {
		if inner := n.within(); inner != nil {
			n = inner
		}
	}
	if len(p) == 0 {
		return n
	}
	if p[0].kind == isIndex {
		if i := p[0].at; i >= 0 && i < len(n.items) {
			return n.items[i].find(p[1:])
		}
		return nil
	}
	for _, f := range n.fields {
		if f.name == p[0].name {
			return f.value.find(p[1:])
		}
	}
	return nil
}

// prints returns a fingerprint of each item. Items that differ only in what
// need not be equal have the same one.
func (w *walk) prints(items []*node) []string {
	out := make([]string, len(items))
	for i, item := range items {
		h := fnv.New128a()
		w.within(indexed(i), func() { w.print(h, item) })
		out[i] = string(h.Sum(nil))
	}
	return out
}

// print writes a value such that equal ones are written equally.
func (w *walk) print(out io.Writer, n *node) {
	if n.kind == isText {
		if inner := n.within(); inner != nil {
			n = inner
		}
	}
	fmt.Fprintf(out, "%d %d %s ", n.kind, len(n.typ), n.typ)
	step := named
	switch n.kind {
	case isList:
		fmt.Fprintf(out, "%d ", len(n.items))
		for i, item := range n.items {
			w.within(indexed(i), func() { w.print(out, item) })
		}
	case isMap:
		step = keyed
		fallthrough
	case isObject:
		w.printFields(out, n, step)
	default:
		if !w.rules.loose(w.method, w.path) {
			said := n.said()
			fmt.Fprintf(out, "%d %s ", len(said), said)
		}
	}
}

// said is a scalar's text, the same for the same number.
func (n *node) said() string {
	if n.kind != isNumber {
		return n.text
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil {
		return n.text
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// printFields leaves fields out that are as if they were not there.
func (w *walk) printFields(out io.Writer, n *node, step func(string) segment) {
	for _, f := range n.fields {
		if f.zero != nil && f.zero.kind == f.value.kind && f.zero.text == f.value.text && len(f.value.items)+len(f.value.fields) == 0 {
			continue
		}
		w.within(step(f.name), func() {
			if w.rules.ignores(w.method, w.path, Missing) && w.rules.ignores(w.method, w.path, Extra) {
				return
			}
			fmt.Fprintf(out, "%d %s ", len(f.name), f.name)
			w.print(out, f.value)
		})
	}
	io.WriteString(out, "} ")
}

// pair is an item of each side that belong together, or -1 for one that is not
// there.
type pair struct {
	want, got int
	moved     bool // it is at another place among the others
}

// maxTable bounds the work of an alignment: the product of the numbers of
// items that differ. Longer lists are aligned by position.
const maxTable = 1 << 22

// align pairs the items of two sequences such that as many equal ones as
// possible keep their order. Equal items that do not are moved. What is left
// between two pairs belongs together in its order, as long as both sides have
// some.
func align(want, got []string) []pair {
	low := 0
	for low < min(len(want), len(got)) && want[low] == got[low] {
		low++
	}
	high := 0
	for high < min(len(want), len(got))-low && want[len(want)-1-high] == got[len(got)-1-high] {
		high++
	}
	partner, taken := unpaired(len(want)), make([]bool, len(got))
	join := func(i, j int) { partner[i], taken[j] = j, true }
	for i := range low {
		join(i, i)
	}
	for i := range high {
		join(len(want)-1-i, len(got)-1-i)
	}
	common(want[low:len(want)-high], got[low:len(got)-high], func(i, j int) { join(low+i, low+j) })
	moved := findMoved(want, got, partner, taken)
	return fill(partner, taken, moved)
}

// common calls join with the pairs of a longest common subsequence.
func common(want, got []string, join func(i, j int)) {
	n, m := len(want), len(got)
	if n == 0 || m == 0 {
		return
	}
	if n > maxTable/m {
		commonFirst(want, got, join)
		return
	}
	length := make([]int32, (n+1)*(m+1)) // of the rest from i and j on
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if want[i] == got[j] {
				length[i*(m+1)+j] = length[(i+1)*(m+1)+j+1] + 1
			} else {
				length[i*(m+1)+j] = max(length[(i+1)*(m+1)+j], length[i*(m+1)+j+1])
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case want[i] == got[j]:
			join(i, j)
			i, j = i+1, j+1
		case length[(i+1)*(m+1)+j] >= length[i*(m+1)+j+1]:
			i++
		default:
			j++
		}
	}
}

// commonFirst is common for long sequences: it pairs the n-th of equal items
// with the n-th, and calls join with those of them that keep their order. The
// subsequence may not be the longest where items are equal.
func commonFirst(want, got []string, join func(i, j int)) {
	pairs := findMoved(want, got, unpaired(len(want)), make([]bool, len(got)))
	var from, to []int
	for i := range want {
		if j, ok := pairs[i]; ok {
			from, to = append(from, i), append(to, j)
		}
	}
	stay := increasing(to)
	for k, j := range to {
		if _, in := slices.BinarySearch(stay, j); in {
			join(from[k], j)
		}
	}
}

// unpaired returns the partners of n items that have none yet.
func unpaired(n int) []int {
	partner := make([]int, n)
	for i := range partner {
		partner[i] = -1
	}
	return partner
}

// findMoved pairs equal items that are left over, in their order.
func findMoved(want, got []string, partner []int, taken []bool) map[int]int {
	left := map[string][]int{}
	for j, item := range got {
		if !taken[j] {
			left[item] = append(left[item], j)
		}
	}
	moved := map[int]int{}
	for i, item := range want {
		if places := left[item]; partner[i] < 0 && len(places) > 0 {
			moved[i] = places[0]
			taken[places[0]] = true
			left[item] = places[1:]
		}
	}
	return moved
}

// fill turns partners into pairs, and pairs what is left between them.
func fill(partner []int, taken []bool, moved map[int]int) []pair {
	var pairs []pair
	j := 0
	free := func(until int) int { // the next item of got that is left, -1 for none before until
		for ; j < until; j++ {
			if !taken[j] {
				j++
				return j - 1
			}
		}
		return -1
	}
	until := nextPartners(partner, len(taken))
	for i := range partner {
		if to, ok := moved[i]; ok {
			pairs = append(pairs, pair{i, to, true})
			continue
		}
		if partner[i] >= 0 {
			for rest := free(partner[i]); rest >= 0; rest = free(partner[i]) {
				pairs = append(pairs, pair{-1, rest, false})
			}
			pairs = append(pairs, pair{i, partner[i], false})
			continue
		}
		pairs = append(pairs, pair{i, free(until[i]), false})
	}
	for rest := free(len(taken)); rest >= 0; rest = free(len(taken)) {
		pairs = append(pairs, pair{-1, rest, false})
	}
	return pairs
}

// nextPartners returns, for each item, the partner of the next one after it
// that has one, and end after the last of them.
func nextPartners(partner []int, end int) []int {
	next := make([]int, len(partner))
	for i := len(partner) - 1; i >= 0; i-- {
		next[i] = end
		if partner[i] >= 0 {
			end = partner[i]
		}
	}
	return next
}

// alignSets pairs equal items wherever they are, then what is left in its
// order.
func alignSets(want, got []string) []pair {
	partner, taken := unpaired(len(want)), make([]bool, len(got))
	moved := findMoved(want, got, partner, taken)
	return fill(partner, taken, moved)
}

// alignKeys pairs items by their keys, the n-th of a key with the n-th. Those
// that are not in the order of most others are moved. Items without a key
// stand alone.
func alignKeys(want, got []string) []pair {
	taken := make([]bool, len(got))
	pairs := findMoved(want, got, unpaired(len(want)), taken)
	var out []pair
	var order []int // of the paired, in the order of want: their places in got
	for i, key := range want {
		j, ok := pairs[i]
		if !ok || key == "" {
			out = append(out, pair{i, -1, false})
			continue
		}
		out = append(out, pair{i, j, true})
		order = append(order, j)
	}
	stay := increasing(order)
	for k := range out {
		if out[k].got >= 0 {
			_, in := slices.BinarySearch(stay, out[k].got)
			out[k].moved = !in
		}
	}
	for j, key := range got {
		if !taken[j] || key == "" {
			out = append(out, pair{-1, j, false})
		}
	}
	return out
}

// increasing returns a longest increasing subsequence.
func increasing(seq []int) []int {
	var tails []int // places in seq: the least last item of each length
	before := make([]int, len(seq))
	for i, v := range seq {
		k, _ := slices.BinarySearchFunc(tails, v, func(t, v int) int { return seq[t] - v })
		before[i] = -1
		if k > 0 {
			before[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	out := make([]int, len(tails))
	if len(tails) == 0 {
		return out
	}
	for i, at := len(tails)-1, tails[len(tails)-1]; i >= 0; i-- {
		out[i] = seq[at]
		at = before[at]
	}
	return out
}
