package diff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Any two sequences: each item stands in one pair, pairs that are not moved
// keep their order, and as many items stay as the slow twin says.
func TestAlignIsAnEditScript(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		want, got := letters(random), letters(random)
		pairs := align(want, got)
		checkPairs(t, pairs, len(want), len(got))
		stay, last := 0, -1
		for _, p := range pairs {
			if p.want < 0 || p.got < 0 || p.moved {
				continue
			}
			if p.got <= last {
				t.Fatalf("align(%q, %q) = %v: pairs cross", want, got, pairs)
			}
			last = p.got
			if want[p.want] == got[p.got] {
				stay++
			}
		}
		if slow := longest(want, got); stay != slow {
			t.Fatalf("align(%q, %q) keeps %d, want %d: %v", want, got, stay, slow, pairs)
		}
		checkPairs(t, alignSets(want, got), len(want), len(got))
		checkPairs(t, alignKeys(want, got), len(want), len(got))
	}
}

func letters(random *rand.Rand) []string {
	out := make([]string, random.IntN(8))
	for i := range out {
		out[i] = string(rune('a' + random.IntN(4)))
	}
	return out
}

func checkPairs(t *testing.T, pairs []pair, n, m int) {
	t.Helper()
	var wants, gots []int
	for _, p := range pairs {
		if p.want >= 0 {
			wants = append(wants, p.want)
		}
		if p.got >= 0 {
			gots = append(gots, p.got)
		}
	}
	slices.Sort(wants)
	slices.Sort(gots)
	for i := range max(n, m) {
		if i < n && (len(wants) != n || wants[i] != i) || i < m && (len(gots) != m || gots[i] != i) {
			t.Fatalf("pairs %v do not cover %d and %d items once", pairs, n, m)
		}
	}
}

// longest is the length of a longest common subsequence, by trying all.
func longest(a, b []string) int {
	switch {
	case len(a) == 0 || len(b) == 0:
		return 0
	case a[0] == b[0]:
		return 1 + longest(a[1:], b[1:])
	}
	return max(longest(a[1:], b), longest(a, b[1:]))
}

// Long streams with one message missing and two exchanged are aligned too.
func TestAlignLong(t *testing.T) {
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprint(i))
	}
	got := slices.Delete(slices.Clone(want), 100, 101)
	got[4000], got[4500] = got[4500], got[4000]
	got = append([]string{"new"}, got...)
	got[len(got)-1] = "last"
	var moved, alone int
	for _, p := range align(want, got) {
		switch {
		case p.moved:
			moved++
		case p.want < 0 || p.got < 0:
			alone++
		}
	}
	if moved != 2 || alone != 2 {
		t.Errorf("%d moved and %d alone, want 2 and 2", moved, alone)
	}
}

// Whatever the bytes are, an answer does not differ from itself, and paths of
// differences can be written as rules that silence them.
func FuzzCompare(f *testing.F) {
	md, types := orderType(f)
	for _, seed := range [][2]string{
		{`{"id":"a","stock":{"x":1},"items":[{"sku":"a"}]}`, `{"data":"{\"a\":[1,{\"b c\":null}]}"}`},
		{`{"data":"[1e999]","extra":{"@type":"x/Item","sku":"a"}}`, `{"data":"[1e-999]","created":"2026-01-01T00:00:00Z"}`},
	} {
		f.Add(encode(f, md, types, seed[0]), encode(f, md, types, seed[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		c := comparer(t, Rules{})
		c.Types = types
		other := append(slices.Clone(a), a...) // a message sent twice is merged
		for _, data := range [][]byte{a, b} {
			again := Call{Method: "S/M", Output: md, Streams: true, Want: Answer{Messages: [][]byte{data, other}}, Got: Answer{Messages: [][]byte{slices.Clone(data), other}}}
			w := walk{Comparer: c, method: "S/M"}
			if n := c.message(md, data); len(c.Compare(&again).Differences) > 0 {
				t.Fatalf("%x differs from itself", data)
			} else if w.compare(n, c.message(md, data)); len(w.Differences) > 0 {
				t.Fatalf("%x decoded twice differs: %v", data, lines(w.Result))
			}
		}
		result := c.Compare(&Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{a}}, Got: Answer{Messages: [][]byte{b}}})
		for _, d := range result.Differences {
			for _, text := range []string{d.Path, d.Group} {
				p, ok := parsePath(text)
				if !ok || p.String() != text {
					t.Fatalf("path %q reads back as %q (%v)", text, p, ok)
				}
			}
		}
	})
}
