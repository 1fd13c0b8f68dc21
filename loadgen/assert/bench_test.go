package assert_test

import (
	"testing"

	"touchstone/loadgen/assert"
)

// BenchmarkNewEnv is the price of a target's types, paid once a target.
func BenchmarkNewEnv(b *testing.B) {
	s := chat(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := assert.NewEnv(s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCondition is the price of one assertion on one message.
func BenchmarkCondition(b *testing.B) {
	w := newBench(b)
	r, n := node(b, `'msg.text == "x" && msg.small == index + 1'`)
	x := w.scope.Condition(r, n)
	v := w.vars.Child(map[string]any{"msg": w.message("{text: x, small: 3}")})
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := x.Holds(v); !holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}

// BenchmarkCompile is the price of one expression.
func BenchmarkCompile(b *testing.B) {
	w := newBench(b)
	r, n := node(b, `'msg.text == "x" && msg.small == index + 1'`)
	b.ReportAllocs()
	for b.Loop() {
		w.scope.Condition(r, n)
	}
}

// BenchmarkMatch is the price of one pattern on one message.
func BenchmarkMatch(b *testing.B) {
	w := newBench(b)
	r, n := node(b, `{text: x, small: 3, nested: {level: HIGH}, tags: [a, b]}`)
	p := w.scope.Message(r, n, w.md, assert.PatternOptions{})
	m := w.message(`{text: x, small: 3, nested: {level: HIGH}, tags: [a, b]}`)
	b.ReportAllocs()
	for b.Loop() {
		if got := p.Match(w.vars, m, "message"); got != nil {
			b.Fatal(got)
		}
	}
}
