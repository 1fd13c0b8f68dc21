package text

import "slices"

// automaton finds all occurrences of a set of phrases in one pass over a text
// (Aho and Corasick, 1975). The trie is a double array: the child of state s by
// symbol c is cell base[s]+c, if check of that cell says s. That is one load
// and one comparison a character, in about two cells a state, where a full
// matrix of states by thousands of Han characters would not fit a cache. An
// automaton is immutable.
type automaton struct {
	symbols []int32 // by character; 0 where no phrase has it
	base    []int32
	check   []int32 // parent state; -1: free
	fail    []int32 // the longest proper suffix of the state that is a state
	ends    [][]int32
}

// newAutomaton builds the automaton of the phrases, none of them empty. A
// phrase that occurs twice is found twice.
func newAutomaton(phrases [][]rune) *automaton {
	a := &automaton{}
	a.assignSymbols(phrases)
	t := newTrie(phrases, a.symbol)
	a.place(t)
	a.link(t)
	return a
}

// assignSymbols numbers the characters of the phrases from 1.
func (a *automaton) assignSymbols(phrases [][]rune) {
	var next int32
	for _, phrase := range phrases {
		for _, r := range phrase {
			if grow := int(r) + 1 - len(a.symbols); grow > 0 {
				a.symbols = append(a.symbols, make([]int32, grow)...)
			}
			if a.symbols[r] == 0 {
				next++
				a.symbols[r] = next
			}
		}
	}
}

func (a *automaton) symbol(r rune) int32 {
	if int(r) < len(a.symbols) {
		return a.symbols[r]
	}
	return 0
}

// step returns the state after reading r in state s. The start state is 0.
func (a *automaton) step(s int32, r rune) int32 {
	c := a.symbol(r)
	if c == 0 {
		return 0
	}
	for {
		if t := a.base[s] + c; a.check[t] == s {
			return t
		}
		if s == 0 {
			return 0
		}
		s = a.fail[s]
	}
}

// found returns the indices of the phrases that end in state s, longest first.
func (a *automaton) found(s int32) []int32 { return a.ends[s] }

// trie is the plain form that an automaton is built from. Nodes are in order
// of insertion, so a parent comes before its children.
type trie struct {
	edges []map[int32]int // by node: symbol to child
	ends  [][]int32       // by node: phrases that end there
}

func newTrie(phrases [][]rune, symbol func(rune) int32) *trie {
	t := &trie{}
	t.add()
	for i, phrase := range phrases {
		node := 0
		for _, r := range phrase {
			c := symbol(r)
			next, ok := t.edges[node][c]
			if !ok {
				next = t.add()
				t.edges[node][c] = next
			}
			node = next
		}
		t.ends[node] = append(t.ends[node], int32(i))
	}
	return t
}

func (t *trie) add() int {
	t.edges = append(t.edges, map[int32]int{})
	t.ends = append(t.ends, nil)
	return len(t.edges) - 1
}

// place gives every node its cell: the root cell 0, its children the cells
// from base[0] on, and so on in breadth-first order.
func (a *automaton) place(t *trie) {
	width := int(slices.Max(append(a.symbols, 0))) + 1 // cells that a state's symbols can reach
	a.reserve(2 * width)
	a.check[0] = 0
	cells := make([]int32, len(t.edges))
	lowest := 1
	for queue := []int{0}; len(queue) > 0; queue = queue[1:] {
		node := queue[0]
		symbols := sortedSymbols(t.edges[node])
		for lowest < len(a.check) && a.check[lowest] >= 0 {
			lowest++
		}
		// The lowest free cell suits only the first symbols and stays free, so
		// that a table searched from there alone would grow by its width for
		// most states: there is room where it grew last.
		base := a.fit(symbols, lowest, len(a.check)-width)
		a.reserve(int(base) + width + 1)
		a.base[cells[node]] = base
		for _, c := range symbols {
			child := t.edges[node][c]
			cells[child] = base + c
			a.check[base+c] = cells[node]
			a.ends[base+c] = t.ends[child]
			queue = append(queue, child)
		}
	}
}

func sortedSymbols(edges map[int32]int) []int32 {
	symbols := make([]int32, 0, len(edges))
	for c := range edges {
		symbols = append(symbols, c)
	}
	slices.Sort(symbols)
	return symbols
}

// reserve makes room for n cells.
func (a *automaton) reserve(n int) {
	for len(a.base) < n {
		a.base = append(a.base, 1)
		a.check = append(a.check, -1)
		a.fail = append(a.fail, 0)
		a.ends = append(a.ends, nil)
	}
}

// maxTries bounds the search for a base, so that building takes time in
// proportion to the phrases. What does not fit goes to the end.
const maxTries = 500

// fit returns a base whose cells for the symbols, which are sorted, are free.
// It looks behind each of the given cells.
func (a *automaton) fit(symbols []int32, behind ...int) int32 {
	if len(symbols) == 0 {
		return 1
	}
	for _, start := range behind {
		first := max(start, int(symbols[0])+1)
		for cell := first; cell < min(first+maxTries, len(a.check)); cell++ {
			base := int32(cell) - symbols[0]
			if !slices.ContainsFunc(symbols, func(c int32) bool { return a.used(base + c) }) {
				return base
			}
		}
	}
	return int32(len(a.check))
}

func (a *automaton) used(cell int32) bool { return int(cell) < len(a.check) && a.check[cell] >= 0 }

// link computes the failure links and, with them, the phrases that end in each
// state: its own, then those of its suffixes. Breadth-first order guarantees
// that a shorter state is finished before a longer one.
func (a *automaton) link(t *trie) {
	type visit struct {
		node int
		cell int32
	}
	for queue := []visit{{0, 0}}; len(queue) > 0; queue = queue[1:] {
		parent := queue[0]
		for _, c := range sortedSymbols(t.edges[parent.node]) {
			cell := a.base[parent.cell] + c
			a.fail[cell] = a.follow(parent.cell, c)
			a.ends[cell] = slices.Concat(a.ends[cell], a.ends[a.fail[cell]])
			queue = append(queue, visit{t.edges[parent.node][c], cell})
		}
	}
}

// follow returns the longest proper suffix of the child of s by symbol c.
func (a *automaton) follow(s, c int32) int32 {
	for s != 0 {
		s = a.fail[s]
		if t := a.base[s] + c; a.check[t] == s {
			return t
		}
	}
	return 0
}
