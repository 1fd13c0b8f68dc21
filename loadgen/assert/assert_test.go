package assert_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/assert"
	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// chat returns the schema of ../scenario/testdata/chat.proto.
func chat(t testing.TB) *schema.Schema {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		ImportPaths: []string{"../scenario/testdata"},
	})}
	files, err := compiler.Compile(t.Context(), "chat.proto")
	if err != nil {
		t.Fatal(err)
	}
	return schema.FromFiles(files[0])
}

// bench is what a test of this package works with: the type Everything, and a
// scope in which msg is one.
type bench struct {
	t      testing.TB
	schema *schema.Schema
	env    *assert.Env
	md     protoreflect.MessageDescriptor
	scope  *assert.Scope
	vars   *assert.Vars
}

func newBench(t testing.TB) *bench {
	t.Helper()
	s := chat(t)
	env, err := assert.NewEnv(s)
	if err != nil {
		t.Fatal(err)
	}
	mt, err := s.Types().FindMessageByName("chat.v1.Everything")
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { return "secret", name == "PW" }
	return &bench{
		t: t, schema: s, env: env, md: mt.Descriptor(),
		scope: env.Scope("chat.v1").
			With("msg", assert.Message(mt.Descriptor())).
			With("room", assert.TypeOf("")).
			With("index", assert.TypeOf(0)).
			With("row", assert.Dynamic()).
			With("env", assert.TypeOf(map[string]string(nil))),
		vars: env.NewVars(lookup, 1).Child(map[string]any{"room": "lobby", "index": 2, "row": map[string]any{"id": int64(7), "tags": []any{"a", "b"}}}),
	}
}

// node reads one YAML value.
func node(t testing.TB, text string) (*source.Reporter, *source.Node) {
	t.Helper()
	f := source.NewFile("f.yaml", text)
	n, err := source.ParseYAML(f, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &source.Reporter{File: f}, n
}

// message builds an Everything.
func (b *bench) message(text string) proto.Message {
	b.t.Helper()
	r, n := node(b.t, text)
	m := dynamic.Build(r, b.md, n, b.schema.Types())
	if err := r.Err(); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// eval evaluates an expression on a message, and returns its value as JSON or
// its error.
func (b *bench) eval(expr, msg string) string {
	b.t.Helper()
	r, n := node(b.t, "'"+strings.ReplaceAll(expr, "'", "''")+"'")
	x := b.scope.Expr(r, n)
	if x == nil {
		return r.Err().Error()
	}
	_, tn := node(b.t, `"${result}"`)
	value, err := x.Eval(b.vars.Child(map[string]any{"msg": b.message(msg)}))
	if err != nil {
		return err.Error()
	}
	tree := b.scope.With("result", assert.Dynamic()).Tree(r, tn)
	out, err := tree.Node(b.vars.Child(map[string]any{"result": value}))
	if err != nil {
		return err.Error()
	}
	return out.JSON()
}

func TestExpressions(t *testing.T) {
	b := newBench(t)
	tests := []struct{ name, expr, msg, want string }{
		{"a string field", `msg.text == room`, `{text: lobby}`, `true`},
		{"an unsigned field needs no suffix", `msg.ularge == 65536 && msg.usmall - 1 == index`, `{ularge: 65536, usmall: 3}`, `true`},
		{"beyond int64 an unsigned field still compares", `msg.ularge > msg.large`, `{ularge: "18446744073709551615", large: 5}`, `true`},
		{"64 bits are exact", `msg.large == 9007199254740993`, `{large: "9007199254740993"}`, `true`},
		{"an enum by its constant", `msg.level == Level.HIGH`, `{level: HIGH}`, `true`},
		{"an enum by its full name", `msg.level == chat.v1.Level.HIGH`, `{level: HIGH}`, `true`},
		{"an enum by its number", `msg.level == 2`, `{level: HIGH}`, `true`},
		{"a JSON name", `msg.byId[7].text`, `{by_id: {7: {text: x}}}`, `"x"`},
		{"an unset message reads as empty", `msg.nested.nested.text`, `{}`, `""`},
		{"presence", `has(msg.maybe)`, `{maybe: 0}`, `true`},
		{"presence of what is not set", `has(msg.nested)`, `{}`, `false`},
		{"a timestamp", `msg.at - timestamp("2024-01-01T00:00:00Z") == duration("1h")`, `{at: "2024-01-01T01:00:00Z"}`, `true`},
		{"a duration", `msg.took`, `{took: 1.5s}`, `"1.500000000s"`},
		{"a wrapper", `msg.name == "x" && msg.number == 5`, `{name: x, number: 5}`, `true`},
		{"an unset wrapper is null", `msg.name == null`, `{}`, `true`},
		{"a struct", `msg.object.a.b[1]`, `{object: {a: {b: [1, x]}}}`, `"x"`},
		{"an Any is what it holds", `msg.detail.text`, `{detail: {"@type": chat.v1.Said, text: x}}`, `"x"`},
		{"a list of messages", `msg.said.filter(s, s.seq > 1).map(s, s.text)`, `{said: [{seq: 1}, {seq: 2, text: b}]}`, `["b"]`},
		{"a map", `msg.counts["a"] + msg.counts.b`, `{counts: {a: 1, b: 2}}`, `3`},
		{"JSON in a string", `json(msg.text).a[0].b == 9007199254740993`, `{text: '{"a":[{"b":9007199254740993}]}'}`, `true`},
		{"a message is built", `Said{text: room, seq: 3}`, `{}`, `{"seq":"3","text":"lobby"}`},
		{"messages compare", `msg.nested == Everything{text: "x"}`, `{nested: {text: x}}`, `true`},
		{"the environment", `env.PW + env["PW"]`, `{}`, `"secretsecret"`},
		{"a default for the environment", `has(env.NO) ? env.NO : "none"`, `{}`, `"none"`},
		{"the length of random bytes", `size(bytes(10))`, `{}`, `10`},
		{"bytes still converts", `bytes("abc") == b"abc"`, `{}`, `true`},
		{"base64", `base64(b"abc") + base64("abc")`, `{}`, `"YWJjYWJj"`},
		{"a uuid", `uuid().matches("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")`, `{}`, `true`},
		{"a row", `row.tags[1] + string(row.id)`, `{}`, `"b7"`},
		{"string functions", `"a,b".split(",").join("-").upperAscii()`, `{}`, `"A-B"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			if got := b.eval(test.expr, test.msg); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(test.want, " ", "") && got != test.want {
				t.Errorf("%s on %s is\n%s, want %s", test.expr, test.msg, got, test.want)
			}
		})
	}
}

func TestExpressionMistakes(t *testing.T) {
	b := newBench(t)
	tests := []struct{ name, expr, want string }{
		{"a field that is not there", `msg.txet == room`, "f.yaml:1:5: unknown field \"txet\"\n    1 | 'msg.txet == room'\n      |     ^\nhint: did you mean \"text\"?"},
		{"a variable that is not there", `size(rom) > 1`, `1:7: unknown name "rom"`},
		{"quotes count double in the position", `"it's" + rom == ""`, `1:12: unknown name "rom"`},
		{"a string and a number", `msg.text == 5`, `operator == does not take string and int`},
		{"a double and an integer", `msg.real == 1`, `hint: write the number with a decimal point`},
		{"the u of standard CEL", `msg.ularge == 5u`, `hint: leave the u away`},
		{"two mistakes are two errors", `msg.a == msg.b`, `unknown field "b"`},
		{"not an expression", `msg.text ==`, `not an expression`},
		{"an unset environment variable", `env.NOPE`, `environment variable NOPE is not set`},
		{"no end to it", `lists.range(100000).map(x, lists.range(100000).map(y, x * y))`, `cost limit`},
		{"too many bytes", `bytes(1000000000)`, `not within 0 and`},
		{"a wrong argument of our own function", `bytes(true)`, `bytes() does not take (bool)`},
		{"not JSON", `json(msg.text)`, `is not JSON`},
		{"a bad regular expression", `msg.text.matches("(")`, `1:19: not a regular expression`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			if got := b.eval(test.expr, "{text: x}"); !strings.Contains(got, test.want) {
				t.Errorf("%s:\n%s\nwant %q", test.expr, got, test.want)
			}
		})
	}
}

func TestWhyConditionsFail(t *testing.T) {
	b := newBench(t)
	for expr, want := range map[string]string{
		`msg.small == index + 1`:                  "msg.small is 1, index + 1 is 3",
		`msg.flag == false && msg.text == "nope"`: `msg.text is "x"`,
		`msg.text.startsWith("y")`:                `msg.text is "x"`,
		`!(msg.small > 0)`:                        "msg.small > 0 is true",
	} {
		r, n := node(t, "'"+expr+"'")
		x := b.scope.Condition(r, n)
		if x == nil {
			t.Fatal(r.Err())
		}
		v := b.vars.Child(map[string]any{"msg": b.message("{small: 1, text: x}")})
		if holds, err := x.Holds(v); holds || err != nil {
			t.Errorf("%s = %v, %v", expr, holds, err)
		}
		if got := x.Why(v); got != want {
			t.Errorf("why is %s false? %q, want %q", expr, got, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	b := newBench(t)
	tests := []struct{ name, template, want string }{
		{"no expression", `"plain $ {x}"`, `"plain $ {x}"`},
		{"in the midst of text", `"to ${room}!"`, `"to lobby!"`},
		{"a single one keeps its type", `"${index + 1}"`, `3`},
		{"within text it is text", `"n=${index + 1}"`, `"n=3"`},
		{"braces within", `"${ {'a': {'b': '}'}}.a.b }"`, `"}"`},
		{"escaped", `"$${room} ${room}"`, `"${room} lobby"`},
		{"bytes are base64", `"${b'abc'}"`, `"YWJj"`},
		{"a map", `"${row}"`, `{"id":7,"tags":["a","b"]}`},
		{"anywhere below", `{a: ["${room}", {b: "${index}"}]}`, `{"a":["lobby",{"b":2}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, n := node(t, test.template)
			tree := b.scope.Tree(r, n)
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			got, err := tree.Node(b.vars)
			if err != nil {
				t.Fatal(err)
			}
			if got.JSON() != test.want {
				t.Errorf("%s = %s, want %s", test.template, got.JSON(), test.want)
			}
		})
	}
}

func TestTemplateMistakesStandWhereTheyAre(t *testing.T) {
	b := newBench(t)
	tests := []struct{ name, template, want string }{
		{"in double quotes with escapes", `"\t你 ${rom}"`, `f.yaml:1:8: unknown name "rom"`},
		{"plain", `a: x ${rom}`, `f.yaml:1:8: unknown name "rom"`},
		{"in a block", "a: |\n  one\n  two ${rom}\n", `f.yaml:3:9: unknown name "rom"`},
		{"never closed", `a: "x ${room"`, `f.yaml:1:7: ${ without a closing }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, n := node(t, test.template)
			b.scope.Tree(r, n)
			if err := r.Err(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Tree(%q): %v, want %s", test.template, err, test.want)
			}
		})
	}
}

func TestRandomValuesRepeat(t *testing.T) {
	b := newBench(t)
	r, n := node(t, `"${uuid()} ${random(1000000)} ${bytes(8)}"`)
	tree := b.scope.Tree(r, n)
	text := func(v *assert.Vars) string {
		node, err := tree.Node(v)
		if err != nil {
			t.Fatal(err)
		}
		return node.Text
	}
	first, second := b.env.NewVars(nil, 5), b.env.NewVars(nil, 5)
	if a, b := text(first), text(second); a != b {
		t.Errorf("the same seed gives %s and %s", a, b)
	}
	if a, b := text(first), text(first); a == b {
		t.Errorf("the same value twice: %s", a)
	}
	if a, b := text(first.Fork(3, nil)), text(second.Fork(3, nil)); a != b {
		t.Errorf("the same fork gives %s and %s", a, b)
	}
	if a, b := text(first.Fork(3, nil)), text(first.Fork(4, nil)); a == b {
		t.Errorf("two forks give %s", a)
	}
	if a, b := text(b.env.NewVars(nil, 6)), text(b.env.NewVars(nil, 7)); a == b {
		t.Errorf("two seeds give %s", a)
	}
}

func TestWhatIsSetIsSeenOutside(t *testing.T) {
	b := newBench(t)
	root := b.env.NewVars(nil, 1)
	root.Child(map[string]any{"i": 0}).Set("token", "x")
	if got, _ := root.Get("token"); got != "x" {
		t.Errorf("token = %v", got)
	}
	fork := root.Fork(0, nil)
	fork.Set("token", "y")
	if got, _ := root.Get("token"); got != "x" {
		t.Errorf("a fork changed its origin: token = %v", got)
	}
}

func ExampleScope() {
	file := source.NewFile("lobby.yaml", `msg.rom == "lobby"`)
	env, _ := assert.NewEnv(schema.FromFiles())
	scope := env.Scope("").With("msg", assert.TypeOf("")).With("room", assert.TypeOf(""))
	r := &source.Reporter{File: file}
	scope.Condition(r, &source.Node{Kind: source.String, Pos: source.Pos{Line: 1, Col: 1}, Text: `rom == "lobby"`})
	fmt.Println(r.Errors()[0].Msg, "-", r.Errors()[0].Hint)
	// Output: unknown name "rom" - did you mean "room"?
}
