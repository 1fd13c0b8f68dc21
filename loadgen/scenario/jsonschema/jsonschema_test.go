package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"touchstone/loadgen/scenario"
	"touchstone/loadgen/scenario/jsonschema"
	"touchstone/loadgen/schema"
	"touchstone/proto/detect"
	"touchstone/proto/hello"
	"touchstone/server/source"
)

// NB: if TestCommitted fails, run `go test ./loadgen/scenario/jsonschema
// -update` and read the diff. Only commit the changes if you understand what
// caused them and if they are desired.
var update = flag.Bool("update", false, "write scenarios/scenario.schema.json anew")

func Example() {
	known := schema.FromFiles(hello.File_hello_hello_proto)
	text := string(jsonschema.Of(known))
	fmt.Println(strings.Contains(text, `"HelloService/SayHello"`), strings.Contains(text, `"greeting"`))
	// Output: true true
}

// committed is the schema that the files of scenarios/ name.
const committed = "../../../scenarios/scenario.schema.json"

func TestCommitted(t *testing.T) {
	if *update {
		if err := os.WriteFile(committed, jsonschema.Language(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(jsonschema.Language())); diff != "" {
		t.Errorf("%s is not up to date (-file +schema):\n%s", committed, diff)
	}
}

// compile compiles a schema.
func compile(t *testing.T, text []byte) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("scenario.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("scenario.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// corpus returns every scenario file of the project, by name, and those in the
// description of the language.
func corpus(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"../../../scenarios/*/*.yaml", "../testdata/tour.yaml", "../../cli/testdata/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no files, %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
	}
	page, err := os.ReadFile("../../../scenarios/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		text := block[1]
		if strings.HasPrefix(text, "- ") {
			text = "version: 1\nsteps:\n" + text
		}
		files[fmt.Sprintf("README block %d", i+1)] = text
	}
	return files
}

// TestScenariosNameTheirSchema makes sure that an editor finds the schema from
// every file of scenarios/.
func TestScenariosNameTheirSchema(t *testing.T) {
	for name, text := range corpus(t) {
		if !strings.HasPrefix(name, "../../../scenarios/") {
			continue
		}
		first, _, _ := strings.Cut(text, "\n")
		path, named := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		if !named {
			t.Errorf("%s: the first line does not name the schema", name)
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// parse returns a file as a tree.
func parse(t *testing.T, name, text string) *source.Node {
	t.Helper()
	root, err := source.ParseYAML(source.NewFile(name, text), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// data returns a tree as the validator wants it.
func data(n *source.Node) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(n.JSON()))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil
	}
	return value
}

func TestEveryScenarioIsValid(t *testing.T) {
	language := compile(t, jsonschema.Language())
	for name, text := range corpus(t) {
		if err := language.Validate(data(parse(t, name, text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMutants misspells every key of every file, and compares with the parser:
// the schema refuses each key that the parser does not know, and no file that
// the parser takes. Keys below those of the language, such as fields of
// messages, are the target's.
func TestMutants(t *testing.T) {
	language := compile(t, jsonschema.Language())
	refused, seen := 0, map[string]bool{}
	for name, text := range corpus(t) {
		root := parse(t, name, text)
		eachKey(root, func(key *string) {
			original := *key
			*key += "x"
			defer func() { *key = original }()
			text := root.JSON()
			if seen[text] {
				return
			}
			seen[text] = true
			_, parsing := scenario.Parse(name, []byte(text))
			validation := language.Validate(data(root))
			switch unknown := unknownKey(parsing); {
			case parsing == nil && validation != nil:
				t.Errorf("%s: the schema refuses %q for %q, the parser does not: %v", name, *key, original, validation)
			case unknown && validation == nil:
				t.Errorf("%s: the schema takes %q for %q, the parser does not: %v", name, *key, original, parsing)
			case unknown:
				refused++
			}
		})
	}
	if refused < 500 {
		t.Errorf("only %d misspelt keys were tried", refused)
	}
}

// eachKey visits every key of a tree, but for those within the actions of a
// fault plan, which the schema leaves to lint.
func eachKey(n *source.Node, visit func(*string)) {
	for _, item := range n.Items {
		eachKey(item, visit)
	}
	for i, f := range n.Fields {
		visit(&n.Fields[i].Key)
		if f.Key != "inject" {
			eachKey(f.Value, visit)
		}
	}
}

// unknownKey reports whether a file was refused for a key that the language
// does not have.
func unknownKey(err error) bool {
	mistakes, _ := errors.AsType[source.Errors](err)
	for _, m := range mistakes {
		if strings.HasPrefix(m.Msg, "unknown field") || strings.HasPrefix(m.Msg, "unknown operation") {
			return true
		}
	}
	return false
}

// TestParserMistakes holds the schema against the files that the parser's own
// tests refuse for a key.
func TestParserMistakes(t *testing.T) {
	language := compile(t, jsonschema.Language())
	names, err := filepath.Glob("../testdata/diag/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenario.Parse(name, text); !unknownKey(err) {
			continue
		}
		tried++
		if language.Validate(data(parse(t, name, string(text)))) == nil {
			t.Errorf("%s is valid", name)
		}
	}
	if tried < 3 {
		t.Errorf("%d files were tried", tried)
	}
}

// TestKeysAreThoseOfTheParser reads the parsers' source: what they ask a
// mapping for is what the schema has, and the other way round.
func TestKeysAreThoseOfTheParser(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(jsonschema.Language(), &root); err != nil {
		t.Fatal(err)
	}
	definitions := root["definitions"].(map[string]any)
	ofFaults := keysOf(definitions["faultRule"])
	delete(definitions, "faultRule")
	ofLanguage := keysOf(root)

	asked := keysAsked(t, "..")
	asked = append(asked, "send", "send_json", "recv", "recv_json", "recv_until", "recv_all", "recv_none", "half_close", "cancel", "sleep", "end", "repeat", // opKinds
		"constant", "poisson", "ramp", "steps", "spike", "sine", "trace", "closed", // arrivals
		"from", "to", "over", "rate", "base", "peak", "at", "lasts", "period") // needRate, needDuration
	slices.Sort(asked)
	if diff := cmp.Diff(slices.Compact(asked), ofLanguage); diff != "" {
		t.Errorf("keys of a scenario (-parser +schema):\n%s", diff)
	}
	plan := keysAsked(t, "../../../server/fault")
	for _, key := range ofFaults {
		if !slices.Contains(plan, key) {
			t.Errorf("no parser of fault plans asks for %q", key)
		}
	}
}

// keysOf returns the keys of all mappings within a schema, sorted.
func keysOf(schema any) []string {
	var keys []string
	switch s := schema.(type) {
	case []any:
		for _, item := range s {
			keys = append(keys, keysOf(item)...)
		}
	case map[string]any:
		for word, value := range s {
			properties, isObject := value.(map[string]any)
			if word == "properties" && isObject {
				for key := range properties {
					keys = append(keys, key)
				}
			}
			keys = append(keys, keysOf(value)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keysAsked returns the arguments of all calls of Take and Need in a package.
func keysAsked(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			method, isMethod := call.Fun.(*ast.SelectorExpr)
			literal, isLiteral := call.Args[0].(*ast.BasicLit)
			if isMethod && isLiteral && (method.Sel.Name == "Take" || method.Sel.Name == "Need") {
				key, _ := strconv.Unquote(literal.Value)
				keys = append(keys, key)
			}
			return true
		})
	}
	return keys
}

// TestOfTarget completes the fields of a target's messages, and refuses others.
func TestOfTarget(t *testing.T) {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../testdata"}})}
	files, err := compiler.Compile(t.Context(), "chat.proto")
	if err != nil {
		t.Fatal(err)
	}
	ofTarget := compile(t, jsonschema.Of(schema.FromFiles(files[0], detect.File_detect_detect_proto, hello.File_hello_hello_proto)))
	tour, err := os.ReadFile("../testdata/tour.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := ofTarget.Validate(data(parse(t, "tour.yaml", string(tour)))); err != nil {
		t.Errorf("tour.yaml: %v", err)
	}
	for _, test := range []struct {
		step  string
		valid bool
	}{
		{`{call: chat.v1.Chat/Login, send: {user: ada}}`, true},
		{`{call: /chat.v1.Chat/Login, send: {usr: ada}}`, false},
		{`{call: chat.v1.Chat.Login, send: "${env.LOGIN}"}`, true},
		{`{call: chat.v1.Chat/Logon}`, false},
		{`{call: chat.v1.Chat/Login, expect: {message: {user_id: "*"}}}`, true},
		{`{call: chat.v1.Chat/Login, expect: {message: {userId: {$re: a}}}}`, true},
		{`{call: chat.v1.Chat/Login, expect: {message: {user_idd: "*"}}}`, false},
		{`{call: chat.v1.Chat/Upload, send: [{open: {name: a}}, {repeat: 3, message: {chunk: {index: 1}}}]}`, true},
		{`{call: chat.v1.Chat/Upload, send: [{repeat: 3, message: {chunk: {indx: 1}}}]}`, false},
		{`{call: chat.v1.Chat/Talk, script: [{send: {join: {room: a}}}, {repeat: 2, do: [{recv: {said: {from: "*"}}}]}]}`, true},
		{`{call: chat.v1.Chat/Talk, script: [{send: {join: {rom: a}}}]}`, false},
		{`{call: chat.v1.Chat/Talk, script: [{repeat: 2, do: [{recv: {said: {frm: "*"}}}]}]}`, false},
	} {
		err := ofTarget.Validate(data(parse(t, "a.yaml", "{version: 1, steps: ["+test.step+"]}")))
		if (err == nil) != test.valid {
			t.Errorf("%s: valid %v, want %v: %v", test.step, err == nil, test.valid, err)
		}
	}
}
