package assert_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// twin is the slow and obvious matcher: it compares the JSON of a message with
// the JSON of a pattern, by field names as JSON has them. It knows partial and
// exact matching, and nothing else.
func twin(pattern, got any, exact bool) bool {
	switch pattern := pattern.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok || exact && len(fields) != len(pattern) {
			return false
		}
		for key, value := range pattern {
			if inner, ok := fields[key]; !ok || !twin(value, inner, exact) {
				return false
			}
		}
		return true
	case []any:
		items, ok := got.([]any)
		return ok && slices.EqualFunc(pattern, items, func(p, g any) bool { return twin(p, g, exact) })
	}
	return fmt.Sprint(pattern) == fmt.Sprint(got)
}

// decode reads JSON with exact numbers.
func decode(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// randomMessage returns an Everything as JSON, without values that are their
// field's default.
func randomMessage(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	set := func(name string, value any) {
		if r.IntN(3) == 0 {
			out[name] = value
		}
	}
	words := []string{"a", "b", "lobby", "你好"}
	set("flag", true)
	set("small", json.Number(fmt.Sprint(1+r.IntN(3))))
	set("large", fmt.Sprint(9007199254740992+int64(r.IntN(3))))
	set("ularge", fmt.Sprint(18446744073709551613+uint64(r.IntN(3))))
	set("real", json.Number(fmt.Sprint(0.5+float64(r.IntN(3)))))
	set("text", words[r.IntN(4)])
	set("data", []string{"YQ==", "YWI=", "YWJj"}[r.IntN(3)])
	set("level", []string{"LOW", "HIGH"}[r.IntN(2)])
	set("tags", []any{words[r.IntN(4)], words[r.IntN(4)]})
	set("counts", map[string]any{words[r.IntN(4)]: json.Number("1"), "z": json.Number(fmt.Sprint(2 + r.IntN(2)))})
	set("at", fmt.Sprintf("2024-01-01T00:00:0%dZ", r.IntN(3)))
	set("took", fmt.Sprintf("%ds", 1+r.IntN(3)))
	set("name", words[r.IntN(4)])
	if depth > 0 {
		set("nested", randomMessage(r, depth-1))
		set("said", []any{map[string]any{"text": words[r.IntN(4)], "seq": fmt.Sprint(1 + r.IntN(3))}})
	}
	return out
}

// thin returns a copy of a message without some of its fields.
func thin(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, key := range sortedKeys(v) {
			if r.IntN(4) > 0 {
				out[key] = thin(r, v[key])
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = thin(r, v[i])
		}
		return out
	}
	return v
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// TestTwin compares the matcher with its twin: on patterns that are parts of
// the message, and on mutants, which are parts of another message.
func TestTwin(t *testing.T) {
	b := newBench(t)
	verdicts := map[bool]int{}
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 1))
		msg := randomMessage(r, 2)
		pattern := thin(r, msg)
		if seed%2 == 1 {
			for _, key := range sortedKeys(pattern.(map[string]any)) {
				if other, ok := randomMessage(r, 2)[key]; ok && r.IntN(2) == 0 {
					pattern.(map[string]any)[key] = other
				}
			}
		}
		exact := seed%4 >= 2
		text, _ := json.Marshal(msg)
		patternText, _ := json.Marshal(pattern)
		m := b.message(string(text))
		want := twin(decode(t, string(patternText)), decode(t, dynamic.JSON(m, b.schema.Types())), exact)
		f := source.NewFile("pattern", string(patternText))
		n, err := source.ParseYAML(f, patternText)
		if err != nil {
			t.Fatal(err)
		}
		rep := &source.Reporter{File: f}
		p := b.scope.Message(rep, n, b.md, assert.PatternOptions{Exact: exact})
		if err := rep.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got := p.Match(b.vars, m, "message")
		if (len(got) == 0) != want {
			t.Fatalf("seed %d, exact %v: %s on %s: the twin says %v, mismatches %v", seed, exact, patternText, text, want, got)
		}
		verdicts[want]++
	}
	if verdicts[true] < 300 || verdicts[false] < 300 {
		t.Errorf("the test is lopsided: %v", verdicts)
	}
}

// TestUnpairedTwin compares the pairing with trying every permutation.
func TestUnpairedTwin(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		patterns, items := r.IntN(5), r.IntN(6)
		fit := make([][]bool, patterns)
		for p := range fit {
			for range items {
				fit[p] = append(fit[p], r.IntN(3) == 0)
			}
		}
		got := assert.Unpaired(patterns, items, func(p, i int) bool { return fit[p][i] })
		if want := patterns - mostPairs(fit, 0, make([]bool, items)); len(got) != want {
			t.Fatalf("seed %d: %v leaves %d, want %d", seed, fit, len(got), want)
		}
	}
}

// mostPairs returns the largest number of patterns from p on that can each have
// an item of their own.
func mostPairs(fit [][]bool, p int, used []bool) int {
	if p == len(fit) {
		return 0
	}
	best := mostPairs(fit, p+1, used)
	for i, ok := range fit[p] {
		if ok && !used[i] {
			used[i] = true
			best = max(best, 1+mostPairs(fit, p+1, used))
			used[i] = false
		}
	}
	return best
}

// FuzzTemplate checks that strings compile or are refused without a panic, with
// every mistake within the text, and that text without $ stands for itself.
func FuzzTemplate(f *testing.F) {
	b := newBench(f)
	for _, seed := range []string{"x", "${room}", "$${", "${", "${'}'}", "${{'a':1}}", "a ${index} b", "${room + 1}", "${json(room)}", "${[1,2].map(x, x)}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &source.Reporter{File: source.NewFile("f", text)}
		n := &source.Node{Kind: source.String, Pos: source.Pos{Line: 1, Col: 1}, Text: text}
		tree := b.scope.Tree(r, n)
		for _, e := range r.Errors() {
			if e.Pos.Line < 1 || e.Pos.Line > strings.Count(text, "\n")+1 || e.Pos.Col < 1 {
				t.Errorf("%q: position %v of %q", text, e.Pos, e.Msg)
			}
		}
		if strings.Contains(text, "$") {
			return
		}
		if got, err := tree.Node(b.vars); err != nil || got.Text != text {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	})
}
