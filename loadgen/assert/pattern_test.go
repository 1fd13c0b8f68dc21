package assert_test

import (
	"strings"
	"testing"

	"touchstone/loadgen/assert"
	"touchstone/server/source"
)

// match matches a pattern with an Everything, and returns the mismatches, one a
// line, or what was wrong with the pattern.
func (b *bench) match(pattern, msg string, opts assert.PatternOptions) string {
	b.t.Helper()
	r, n := node(b.t, pattern)
	p := b.scope.Message(r, n, b.md, opts)
	if err := r.Err(); err != nil {
		return err.Error()
	}
	var lines []string
	for _, m := range p.Match(b.vars, b.message(msg), "message") {
		if m.Pos.IsZero() {
			b.t.Errorf("mismatch without a position: %s", m)
		}
		lines = append(lines, m.String())
	}
	return strings.Join(lines, "\n")
}

func TestPatternsThatMatch(t *testing.T) {
	b := newBench(t)
	var partial, exact, unordered, json = assert.PatternOptions{}, assert.PatternOptions{Exact: true}, assert.PatternOptions{Unordered: true}, assert.PatternOptions{JSON: true}
	tests := []struct {
		name, pattern, msg string
		opts               assert.PatternOptions
	}{
		{"nothing matches everything", `{}`, `{text: x}`, partial},
		{"fields that are not mentioned do not count", `{text: x}`, `{text: x, small: 1}`, partial},
		{"every scalar", `{flag: true, small: -1, single: 0.1, real: 1e-3, text: x, data: YWI=}`, `{flag: true, small: -1, single: 0.1, real: 0.001, text: x, data: YWI=}`, partial},
		{"64 bits as a number", `{large: 9007199254740993}`, `{large: 9007199254740993}`, partial},
		{"64 bits as a string", `{ularge: "18446744073709551615"}`, `{ularge: "18446744073709551615"}`, partial},
		{"an integer in other words", `{small: 1.5e1, large: 20.0}`, `{small: 15, large: 20}`, partial},
		{"the other alphabet of base64", `{data: "-_8"}`, `{data: "+/8="}`, partial},
		{"an enum by name and by number", `{level: HIGH, levels: [1, HIGH]}`, `{level: 2, levels: [LOW, 2]}`, partial},
		{"a default matches an unset field without presence", `{small: 0, text: "", flag: false, level: LEVEL_UNSPECIFIED}`, `{}`, partial},
		{"null is unset", `{text: null, nested: null, maybe: null, tags: null, counts: null, at: null}`, `{}`, partial},
		{"present and empty on purpose", `{maybe: "*"}`, `{maybe: 0}`, partial},
		{"present", `{text: "*", nested: "*", tags: "*", counts: "*", at: "*"}`, `{text: x, nested: {flag: true}, tags: [a], counts: {a: 1}, at: "2024-01-01T00:00:00Z"}`, partial},
		{"JSON names", `{byId: {"7": {text: x}}}`, `{by_id: {7: {text: x}}}`, partial},
		{"list items are partial", `{said: [{seq: 1}, {}]}`, `{said: [{seq: 1, text: a}, {seq: 2}]}`, partial},
		{"the same instant elsewhere", `{at: "2024-01-01T02:00:00+02:00"}`, `{at: "2024-01-01T00:00:00Z"}`, partial},
		{"the same length of time", `{took: 1500ms}`, `{took: 1.5s}`, partial},
		{"wrappers", `{name: x, number: 5}`, `{name: x, number: 5}`, partial},
		{"a wrapper of nothing is there", `{name: ""}`, `{name: ""}`, partial},
		{"a struct", `{object: {a: [1, {b: true}]}, value: x}`, `{object: {a: [1, {b: true, c: 1}]}, value: x}`, partial},
		{"a field mask", `{mask: "text,large"}`, `{mask: "text,large"}`, partial},
		{"an Any", `{detail: {"@type": chat.v1.Said, seq: 1}}`, `{detail: {"@type": type.googleapis.com/chat.v1.Said, seq: 1, text: x}}`, partial},
		{"an Any of a well-known type", `{detail: {"@type": google.protobuf.Duration, value: 1s}}`, `{detail: {"@type": type.googleapis.com/google.protobuf.Duration, value: 1s}}`, partial},
		{"NaN", `{real: NaN, single: Infinity}`, `{real: NaN, single: Infinity}`, partial},
		{"exact", `{text: x, nested: {small: 1}}`, `{text: x, nested: {small: 1}}`, exact},
		{"exact within", `{nested: {$exact: {small: 1}}}`, `{text: x, nested: {small: 1}}`, partial},
		{"any order", `{tags: [a, b, c]}`, `{tags: [c, a, b]}`, unordered},
		{"any order, when the first fit is not the right one", `{said: [{}, {seq: 1}]}`, `{said: [{seq: 1}, {seq: 2}]}`, unordered},
		{"any order within", `{tags: {$unordered: [b, a]}}`, `{tags: [a, b]}`, partial},
		{"contains", `{tags: {$contains: [c, a]}, levels: {$contains: HIGH}}`, `{tags: [a, b, c], levels: [LOW, HIGH]}`, partial},
		{"a regular expression", `{text: {$re: "^a+$"}, level: {$re: ^H}, large: {$re: "^12"}, tags: [{$re: x}]}`, `{text: aaa, level: HIGH, large: 123, tags: [xx]}`, partial},
		{"not", `{text: {$not: x}, nested: {$not: "*"}, tags: {$not: {$contains: z}}}`, `{text: y, tags: [a]}`, partial},
		{"JSON in a string", `{text: {$json: {a: [1, "*"], b: null}}}`, `{text: '{"a":[1.0,2],"c":9007199254740993}'}`, partial},
		{"JSON in JSON", `{text: {$json: {a: {$json: [1]}}}}`, `{text: '{"a":"[1]"}'}`, partial},
		{"JSON numbers are exact", `{text: {n: 9007199254740993}}`, `{text: '{"n":9007199254740993}'}`, json},
		{"JSON in every text field", `{text: [1], tags: [{a: 1}], nested: {data: true}, small: 1}`, `{text: "[1]", tags: ['{"a":1}'], nested: {data: dHJ1ZQ==}, small: 1}`, json},
		{"an expression", `{text: "${room}", small: "${index + 1}", tags: ["${room}s"]}`, `{text: lobby, small: 3, tags: [lobbys]}`, partial},
		{"an expression with several values", `{tags: "${row.tags}"}`, `{tags: [a, b]}`, partial},
		{"a number in a text field", `{text: "${index}"}`, `{text: "2"}`, partial},
		{"the value of an expression is literal", `{text: "${'*'}"}`, `{text: "*"}`, partial},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			if got := b.match(test.pattern, test.msg, test.opts); got != "" {
				t.Errorf("%s on %s:\n%s", test.pattern, test.msg, got)
			}
		})
	}
}

func TestPatternsThatDoNotMatch(t *testing.T) {
	b := newBench(t)
	var partial, exact, unordered, json = assert.PatternOptions{}, assert.PatternOptions{Exact: true}, assert.PatternOptions{Unordered: true}, assert.PatternOptions{JSON: true}
	tests := []struct {
		name, pattern, msg string
		opts               assert.PatternOptions
		want               string
	}{
		{"a string", `{text: x}`, `{text: y}`, partial, `message.text: want "x", got "y"`},
		{"the last digit of 64 bits", `{large: 9007199254740993}`, `{large: 9007199254740992}`, partial, `message.large: want 9007199254740993, got 9007199254740992`},
		{"all of them", `{text: x, nested: {small: 1}, tags: [a, b]}`, `{tags: [a, c]}`, partial, "message.text: want \"x\", got \"\"\nmessage.nested: want {\"small\":1}, got nothing\nmessage.tags[1]: want \"b\", got \"c\""},
		{"an enum by name", `{level: LOW}`, `{level: HIGH}`, partial, `message.level: want "LOW", got HIGH`},
		{"the length of a list", `{tags: [a]}`, `{tags: [a, b]}`, partial, `message.tags: want 1 items, got 2 items: ["a","b"]`},
		{"empty text is not present", `{text: "*", tags: "*"}`, `{}`, partial, `message.text: want "*" (present and not empty), got ""`},
		{"something where null is", `{text: null, maybe: null}`, `{text: x, maybe: 0}`, partial, "message.text: want null (unset), got \"x\"\nmessage.maybe: want null (unset), got 0"},
		{"an unset field with presence is not its default", `{maybe: 0}`, `{}`, partial, `message.maybe: want 0, got nothing`},
		{"a map's entry", `{counts: {a: 1, b: 2}}`, `{counts: {a: 2}}`, partial, "message.counts.a: want 1, got 2\nmessage.counts.b: want 2, got nothing"},
		{"a key that is no identifier", `{counts: {"a b": 1}}`, `{}`, partial, `message.counts["a b"]: want 1, got nothing`},
		{"an instant", `{at: "2024-01-01T00:00:00Z"}`, `{at: "2024-01-01T00:00:00.000000001Z"}`, partial, `message.at: want "2024-01-01T00:00:00Z", got "2024-01-01T00:00:00.000000001Z"`},
		{"a duration", `{took: 1s}`, `{took: 1.000000001s}`, partial, `got "1.000000001s"`},
		{"the type of an Any", `{detail: {"@type": chat.v1.Said}}`, `{detail: {"@type": type.googleapis.com/chat.v1.Chunk}}`, partial, `message.detail["@type"]: want "chat.v1.Said", got "type.googleapis.com/chat.v1.Chunk"`},
		{"exact", `{text: x}`, `{text: x, small: 1, nested: {}}`, exact, "message.nested: want unset (exact), got {}\nmessage.small: want unset (exact), got 1"},
		{"exact within", `{nested: {$exact: {small: 1}}}`, `{nested: {small: 1, text: a}}`, partial, `message.nested.text: want unset (exact), got "a"`},
		{"exact in items", `{said: [{seq: 1}]}`, `{said: [{seq: 1, text: a}]}`, exact, `message.said[0].text: want unset (exact), got "a"`},
		{"any order", `{tags: [a, a, b]}`, `{tags: [a, b, b]}`, unordered, `message.tags: no item (of its own) matches "a"`},
		{"contains", `{tags: {$contains: [a, z]}}`, `{tags: [a, b]}`, partial, `message.tags: no item (of its own) matches "z"`},
		{"a regular expression", `{text: {$re: ^a}}`, `{text: b}`, partial, `message.text: want a match of ^a, got "b"`},
		{"not", `{text: {$not: x}}`, `{text: x}`, partial, `message.text: want not "x", got "x"`},
		{"JSON", `{text: {$json: {a: [1, 2]}}}`, `{text: '{"a":[1,3]}'}`, partial, `message.text.a[1]: want 2, got 3`},
		{"a JSON string is not a number", `{text: {a: 1}}`, `{text: '{"a":"1"}'}`, json, `message.text.a: want 1, got "1"`},
		{"what is not JSON", `{text: {a: 1}}`, `{text: hello}`, json, `message.text: want {"a":1}, got text that is not JSON: "hello"`},
		{"what is not JSON, with the operator", `{text: {$json: {a: 1}}}`, `{text: hello}`, partial, `message.text: "hello" is not JSON`},
		{"an expression", `{text: "${room}"}`, `{text: x}`, partial, `message.text: want "lobby", got "x"`},
		{"an expression that fails", `{text: "${env.NOPE}"}`, `{text: x}`, partial, `message.text: environment variable NOPE is not set`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			if got := b.match(test.pattern, test.msg, test.opts); !strings.Contains(got, test.want) || got == "" {
				t.Errorf("%s on %s:\n%s\nwant\n%s", test.pattern, test.msg, got, test.want)
			}
		})
	}
}

func TestTexts(t *testing.T) {
	b := newBench(t)
	tests := []struct {
		name, pattern, text string
		want                bool
	}{
		{"the same", `eu`, "eu", true},
		{"another", `eu`, "us", false},
		{"a number is its text", `3`, "3", true},
		{"a number is its text only", `3.0`, "3", false},
		{"present", `"*"`, "x", true},
		{"empty is not present", `"*"`, "", false},
		{"a regular expression", `{$re: "^e"}`, "eu", true},
		{"not", `{$not: {$re: "^e"}}`, "us", true},
		{"JSON", `{$json: {a: 1}}`, `{"a":1,"b":2}`, true},
		{"an expression", `"${room}!"`, "lobby!", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, n := node(t, test.pattern)
			p := b.scope.Text(r, n)
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			if got := p.MatchText(b.vars, test.text, "header.x"); (len(got) == 0) != test.want {
				t.Errorf("%s on %q: %v", test.pattern, test.text, got)
			}
		})
	}
}

func TestAbsence(t *testing.T) {
	b := newBench(t)
	for pattern, want := range map[string]bool{`null`: true, `{$not: "*"}`: true, `"*"`: false, `x`: false} {
		r, n := node(t, pattern)
		if got := b.scope.Text(r, n).MatchAbsent(b.vars, "header.x"); (len(got) == 0) != want {
			t.Errorf("%s on nothing: %v", pattern, got)
		}
	}
}

func TestMismatchesStandWhereTheyAreExpected(t *testing.T) {
	b := newBench(t)
	r, n := node(t, "text: x\nnested:\n  tags: [a,\n    b]\n")
	p := b.scope.Message(r, n, b.md, assert.PatternOptions{})
	got := p.Match(b.vars, b.message(`{text: x, nested: {tags: [a, c]}}`), "message")
	if len(got) != 1 || got[0].Pos != (source.Pos{Line: 4, Col: 5}) {
		t.Errorf("Match = %v", got)
	}
}
