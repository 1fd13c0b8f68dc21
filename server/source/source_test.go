package source_test

import (
	"fmt"
	"strings"
	"testing"

	"touchstone/server/source"
)

func parse(t *testing.T, text string) (*source.Node, error) {
	t.Helper()
	return source.ParseYAML(source.NewFile("f.yaml", text), []byte(text))
}

func ExampleReporter() {
	text := "name: login\nmetdata: {x: y}\n"
	file := source.NewFile("login.yaml", text)
	node, _ := source.ParseYAML(file, []byte(text))
	r := &source.Reporter{File: file}
	m := r.Mapping(node)
	r.Str(m.Take("name"))
	m.Take("metadata")
	m.Done()
	fmt.Println(r.Err())
	// Output:
	// login.yaml:2:1: unknown field "metdata"
	//     2 | metdata: {x: y}
	//       | ^
	// hint: did you mean "metadata"?
}

func TestValuesKeepTheirDigits(t *testing.T) {
	tests := []struct{ name, yaml, json string }{
		{"integers past float64 stay exact", "a: 9007199254740993", `{"a":9007199254740993}`},
		{"the largest uint64", "18446744073709551615", `18446744073709551615`},
		{"a decimal keeps its digits", "[1.50, -0.1]", `[1.50,-0.1]`},
		{"an exponent without a point", `[1e3, "1e3"]`, `[1e3,"1e3"]`},
		{"hexadecimal becomes decimal", "0x1F", `31`},
		{"quoted digits are a string", `"12"`, `"12"`},
		{"a block scalar", "a: |\n  x\n  y\n", `{"a":"x\ny\n"}`},
		{"html is not escaped", `"<b>&"`, `"<b>&"`},
		{"aliases stand for their anchor", "a: &x {b: 1}\nc: *x", `{"a":{"b":1},"c":{"b":1}}`},
		{"merge keys do not overwrite", "a: &x {b: 1, d: 3}\nc: {<<: *x, b: 2}", `{"a":{"b":1,"d":3},"c":{"b":2,"d":3}}`},
		{"nothing is null", "", `null`},
		{"JSON is YAML", `{"a": [true, null, "\u4f60"]}`, `{"a":[true,null,"你"]}`},
		{"keys are text whatever they look like", "1: a\ntrue: b", `{"1":"a","true":"b"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node, err := parse(t, test.yaml)
			if err != nil {
				t.Fatal(err)
			}
			if got := node.JSON(); got != test.json {
				t.Errorf("JSON(%q) = %s, want %s", test.yaml, got, test.json)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	node, err := parse(t, "# comment\nsteps:\n  - id: a\n    send: {x: 你, y: 2}\n")
	if err != nil {
		t.Fatal(err)
	}
	step := node.Get("steps").Items[0]
	for _, test := range []struct {
		what string
		got  source.Pos
		want source.Pos
	}{
		{"the first item, at its key", step.Pos, source.Pos{Line: 3, Col: 5}},
		{"a key", step.Fields[1].Pos, source.Pos{Line: 4, Col: 5}},
		{"a flow mapping, at its brace", step.Get("send").Pos, source.Pos{Line: 4, Col: 11}},
		{"after a wide character, in runes", step.Get("send").Get("y").Pos, source.Pos{Line: 4, Col: 21}},
	} {
		if test.got != test.want {
			t.Errorf("%s stands at %v, want %v", test.what, test.got, test.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"a key twice", "a: 1\na: 2", `f.yaml:2:1: `},
		{"not YAML", "a: [1, 2", `f.yaml:1:`},
		{"deep brackets", strings.Repeat("[", 300), "nested deeper"},
		{"deep dashes", strings.Repeat("- ", 300) + "x", "nested deeper"},
		{"an alias without anchor", "a: *b", `f.yaml:1:4: alias "b" has no anchor before it`},
		{"two documents", "a: 1\n---\nb: 2", "a second document"},
		{"a tag", "a: !!binary aGk=", `tag "!!binary" is not supported`},
		{"aliases that multiply", laughs(), "aliases expand"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(t, test.yaml); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseYAML(%.40q) = %v, want %q", test.yaml, err, test.want)
			}
		})
	}
}

// laughs returns a text of a few lines that expands to 10^8 values.
func laughs() string {
	text := "a0: &a0 x\n"
	for i := 1; i <= 8; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return text
}

func TestDidYouMean(t *testing.T) {
	fields := []string{"metadata", "timeout", "send", "expect"}
	for word, want := range map[string]string{
		"metdata": `did you mean "metadata"?`,
		"snd":     `did you mean "send"?`,
		"Expect":  `did you mean "expect"?`,
		"zebra":   "",
	} {
		if got := source.DidYouMean(word, fields); got != want {
			t.Errorf("DidYouMean(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestExcerptShowsNoEscapes(t *testing.T) {
	got := source.Excerpt("a\x1b[31mb你c", source.Pos{Line: 7, Col: 9})
	want := "    7 | a\uFFFD[31mb你c\n      |          ^"
	if got != want {
		t.Errorf("Excerpt = %q, want %q", got, want)
	}
}

// FuzzParseYAML checks that reading never panics, and that what was read
// prints as JSON that reads back to the same value.
func FuzzParseYAML(f *testing.F) {
	for _, seed := range []string{"a: 1", "- [x, {y: z}]", "a: |\n  b", "&a [*a]", "? x\n: y", "1.5e3", "\"\\u0000\"", "<<: {a: b}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		node, err := parse(t, text)
		if err != nil {
			return
		}
		again, err := parse(t, node.JSON())
		if err != nil {
			t.Skip("YAML libraries do not read all of JSON") // such as DEL within a string
		}
		if node.JSON() != again.JSON() {
			t.Errorf("%q reads as %s, which reads as %s", text, node.JSON(), again.JSON())
		}
	})
}
