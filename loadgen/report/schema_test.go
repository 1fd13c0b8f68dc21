package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"touchstone/loadgen/report"
)

// Look at the difference before you commit what -update has written: readers
// of reports rely on the schema.
var update = flag.Bool("update", false, "write reports/report.schema.json again")

const schemaFile = "../../reports/report.schema.json"

// enums are the fields, by type and JSON name, that have one of a few values.
var enums = map[string][]string{
	"Report.schema":     {report.Schema},
	"Scenario.status":   {"passed", "failed", "error", "skipped", "known_failing"},
	"Retry.verdict":     {"pass", "fail", "deviation", "inconclusive", "skipped"},
	"Message.direction": {"send", "recv", "skip"},
}

// object is a JSON object. Its keys are written in the order of the alphabet.
type object = map[string]any

// generator writes JSON Schema for Go types.
type generator struct {
	comments map[string]string // by type and field
	defs     object
}

// schemaText returns the schema of the types of today.
func schemaText(t *testing.T) []byte {
	t.Helper()
	g := &generator{comments: fieldComments(t), defs: object{}}
	root := g.of(reflect.TypeFor[report.Report]())
	schema := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://touchstone.invalid/report.schema.json",
		"title": report.Schema, "description": "report.json of loadgen. Within version 1 fields are only added. README.md in this folder tells more.",
		"$ref": root["$ref"], "$defs": g.defs,
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// of returns the schema of a type.
func (g *generator) of(typ reflect.Type) object {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case typ.Kind() == reflect.Struct:
		if _, known := g.defs[typ.Name()]; !known {
			g.defs[typ.Name()] = nil // a type may hold itself
			g.defs[typ.Name()] = g.fields(typ)
		}
		return object{"$ref": "#/$defs/" + typ.Name()}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return g.of(typ.Elem())
	case reflect.Slice:
		return object{"type": []string{"array", "null"}, "items": g.of(typ.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": g.of(typ.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	}
	panic("no schema for " + typ.String())
}

// fields returns the schema of a struct. Fields that it does not name are
// allowed: later versions add some.
func (g *generator) fields(typ reflect.Type) object {
	properties, required := object{}, []string{}
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		one := g.of(field.Type)
		if values := enums[typ.Name()+"."+name]; values != nil {
			one["enum"] = values
		}
		if text := g.comments[typ.Name()+"."+field.Name]; text != "" {
			one["description"] = text
		}
		properties[name] = one
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// fieldComments returns what the source says of each field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for node := range ast.Preorder(file) {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				continue
			}
			if typ, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range typ.Fields.List {
					text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
					for _, name := range field.Names {
						out[spec.Name.Name+"."+name.Name] = text
					}
				}
			}
		}
	}
	return out
}

// TestSchemaIsOfTheTypes: the schema that is published is that of the types.
func TestSchemaIsOfTheTypes(t *testing.T) {
	want := schemaText(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not that of the types: go test ./loadgen/report -update writes it again", schemaFile)
	}
}

// validator is the published schema.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// document returns a JSON text as the validator takes it.
func document(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestReportsFitTheSchema writes reports with nothing, with everything, and
// merged ones.
func TestReportsFitTheSchema(t *testing.T) {
	merged, err := report.Merge(shards(1, samples(1, 500), 2))
	if err != nil {
		t.Fatal(err)
	}
	schema := validator(t)
	for name, r := range map[string]*report.Report{
		"empty": {}, "full": full(), "merged": merged, "sample": {Loads: []report.Load{sample()}, Scenarios: []report.Scenario{{Status: report.Failed}}},
	} {
		if name != "merged" {
			for i := range r.Scenarios {
				r.Scenarios[i].Status = report.Failed
			}
			for i := range r.Retry {
				r.Retry[i].Verdict = "fail"
			}
		}
		var b bytes.Buffer
		if err := report.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document(t, b.Bytes())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses: a validator that takes anything would show nothing.
func TestSchemaRefuses(t *testing.T) {
	schema := validator(t)
	var b bytes.Buffer
	if err := report.Write(&b, full()); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"schema": "touchstone.report/v1"`, `"schema": "touchstone.report/v2"`},
		{`"seed": `, `"seeds": `},
		{`"exit_code": `, `"exit_code": 0.`},
		{`"verdict": "fail"`, `"verdict": "failed"`},
		{`"sent": `, `"sent": "x", "sent_": `},
	} {
		text := bytes.Replace(b.Bytes(), []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(text, b.Bytes()) {
			t.Fatalf("the report has no %s", change[0])
		}
		if err := schema.Validate(document(t, text)); err == nil {
			t.Errorf("%s was taken", change[1])
		}
	}
}

// full returns a report in which every field has a value.
func full() *report.Report {
	r := &report.Report{}
	fill(reflect.ValueOf(r).Elem())
	r.Schema, r.Started = report.Schema, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range r.Scenarios {
		r.Scenarios[i].Status = report.Failed
	}
	for i := range r.Retry {
		r.Retry[i].Verdict = "fail"
	}
	for i := range r.Scenarios[0].Steps {
		r.Scenarios[0].Steps[i].Exchange[0].Direction = "send"
	}
	return r
}

// fill gives a value, and everything in it, something other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.SetMapIndex(reflect.ValueOf("OK"), value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	}
}

// TestGoldenReportsLoad: reports that version 1 has once been written with load
// for ever, with every field that they have. A golden file is never written
// again and never taken away; new fields get a new file.
func TestGoldenReportsLoad(t *testing.T) {
	names, err := filepath.Glob("testdata/v1/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden reports: %v", err)
	}
	schema := validator(t)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r, err := report.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := report.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		for _, path := range lost("", document(t, text), document(t, b.Bytes())) {
			t.Errorf("%s: %s is lost, or is another value", name, path)
		}
		for _, l := range r.Loads {
			if _, err := report.Merge([]*report.Report{r, r}); err != nil {
				t.Errorf("%s: load %q: %v", name, l.Name, err)
			}
		}
	}
}

// lost returns the paths of what is in old and not, or not the same, in now.
func lost(path string, old, now any) []string {
	var out []string
	switch old := old.(type) {
	case map[string]any:
		now, _ := now.(map[string]any)
		for key, value := range old {
			out = append(out, lost(path+"."+key, value, now[key])...)
		}
	case []any:
		now, _ := now.([]any)
		for i, value := range old {
			if i >= len(now) {
				return append(out, path)
			}
			out = append(out, lost(path+"[]", value, now[i])...)
		}
	default:
		if !reflect.DeepEqual(old, now) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// TestLostSeesAMissingField: the check of golden reports sees what it is for.
func TestLostSeesAMissingField(t *testing.T) {
	old := document(t, []byte(`{"a": [{"b": 1, "c": null}], "d": "x"}`))
	now := document(t, []byte(`{"a": [{"c": null}], "d": "y", "e": 1}`))
	if got := lost("", old, now); !slices.Equal(got, []string{".a[].b", ".d"}) {
		t.Errorf("lost: %q", got)
	}
}
