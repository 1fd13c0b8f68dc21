package dynamic_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// compile turns proto sources, by path, into a schema.
func compile(t testing.TB, sources map[string]string) *schema.Schema {
	t.Helper()
	dir, err := os.MkdirTemp("", "protos")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg := schema.Config{ImportPaths: []string{dir}}
	for name, text := range sources {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		cfg.Protos = append(cfg.Protos, name)
	}
	s, err := schema.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all has a field of every type.
const all = `syntax = "proto3"; package p;
import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Color { NONE = 0; RED = 1; DARK_RED = 2; }
message Inner { string name = 1; Inner next = 2; }
message All {
  int32 i32 = 1; sint32 s32 = 2; sfixed32 f32 = 3; uint32 u32 = 4; fixed32 x32 = 5;
  int64 i64 = 6; sint64 s64 = 7; sfixed64 f64 = 8; uint64 u64 = 9; fixed64 x64 = 10;
  float float = 11; double double = 12; bool bool = 13; string string = 14; bytes bytes = 15;
  Color color = 16; Inner inner = 17; repeated int32 numbers = 18; repeated Inner inners = 19;
  map<string, int32> counts = 20; map<int32, Inner> by_number = 21; map<bool, string> by_bool = 22; map<uint64, Color> colors = 23;
  oneof choice { string text = 24; Inner message = 25; google.protobuf.Value any_value = 26; }
  optional int32 maybe = 27; string snake_case_name = 28; string renamed = 29 [json_name = "other"];
  google.protobuf.Timestamp at = 30; google.protobuf.Duration for = 31; google.protobuf.Struct struct = 32;
  google.protobuf.Value value = 33; google.protobuf.ListValue list = 34; google.protobuf.FieldMask mask = 35;
  google.protobuf.Any any = 36; google.protobuf.Empty empty = 37; google.protobuf.NullValue null = 38;
  google.protobuf.Int64Value w64 = 39; google.protobuf.StringValue wtext = 40; google.protobuf.BytesValue wbytes = 41;
  google.protobuf.BoolValue wbool = 42; google.protobuf.DoubleValue wdouble = 43; google.protobuf.UInt32Value w32 = 44;
  repeated google.protobuf.Value values = 45; repeated google.protobuf.Any anys = 46;
}`

// old has what proto2 and editions have.
const old = `edition = "2023"; package old;
option features.enum_type = CLOSED;
enum Size { SMALL = 1; LARGE = 2; }
message Base {
  string id = 1 [features.field_presence = LEGACY_REQUIRED]; Size size = 2; Part part = 3 [features.message_encoding = DELIMITED];
  int32 implicit = 4 [features.field_presence = IMPLICIT];
  extensions 100 to 199;
  message Part { int32 n = 1 [features.field_presence = LEGACY_REQUIRED]; }
}
extend Base { string note = 100; repeated Base.Part parts = 101; }
message Other { extensions 1; } extend Other { bool flag = 1; }`

// proto2 has a group.
const proto2 = `syntax = "proto2"; package two; message M { optional group Box = 1 { optional int32 side = 1; } repeated group Item = 2 { required string name = 1; } }`

func sources() map[string]string {
	return map[string]string{"all.proto": all, "old.proto": old, "two.proto": proto2}
}

func message(t testing.TB, s *schema.Schema, name string) protoreflect.MessageDescriptor {
	t.Helper()
	mt, err := s.Types().FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return mt.Descriptor()
}

// read parses a text as YAML.
func read(t testing.TB, text string) (*source.Reporter, *source.Node) {
	t.Helper()
	file := source.NewFile("f.yaml", text)
	node, err := source.ParseYAML(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &source.Reporter{File: file}, node
}

func TestBuild(t *testing.T) {
	s := compile(t, sources())
	tests := []struct{ name, message, text, want string }{
		{"nothing", "p.All", `{}`, `{}`},
		{"integers as numbers", "p.All", `{i32: -2147483648, s32: 2147483647, f32: -1, u32: 4294967295, x32: 0}`, `{"i32":-2147483648,"s32":2147483647,"f32":-1,"u32":4294967295}`},
		{"64-bit integers keep every digit", "p.All", `{i64: -9223372036854775808, s64: 9007199254740993, f64: 9223372036854775807, u64: 18446744073709551615, x64: "18446744073709551615"}`,
			`{"i64":"-9223372036854775808","s64":"9007199254740993","f64":"9223372036854775807","u64":"18446744073709551615","x64":"18446744073709551615"}`},
		{"integers as strings, and written as floats", "p.All", `{i32: "12", u32: 1.0, i64: 1e3, u64: "1.8446744073709551615e19", s32: -0.0, s64: 1500e-2}`, `{"i32":12,"u32":1,"i64":"1000","s64":"15","u64":"18446744073709551615"}`},
		{"floats", "p.All", `{float: 0.1, double: 0.1}`, `{"float":0.1,"double":0.1}`},
		{"floats that are no numbers", "p.All", `{float: NaN, double: -Infinity}`, `{"float":"NaN","double":"-Infinity"}`},
		{"floats as YAML writes them", "p.All", `{float: .inf, double: .nan}`, `{"float":"Infinity","double":"NaN"}`},
		{"floats as strings, and the smallest", "p.All", `{float: "1.5", double: 5e-324}`, `{"float":1.5,"double":5e-324}`},
		{"bytes in either alphabet, padded or not", "p.All", `{bytes: "-_8="}`, `{"bytes":"+/8="}`},
		{"bytes without padding", "p.All", `{bytes: "+/8"}`, `{"bytes":"+/8="}`},
		{"enum by name", "p.All", `{color: DARK_RED}`, `{"color":"DARK_RED"}`},
		{"enum by number", "p.All", `{color: 1}`, `{"color":"RED"}`},
		{"an open enum takes numbers without name", "p.All", `{color: 77}`, `{"color":77}`},
		{"names in both forms", "p.All", `{snakeCaseName: a, other: b}`, `{"snakeCaseName":"a","other":"b"}`},
		{"proto names", "p.All", `{snake_case_name: a, renamed: b}`, `{"snakeCaseName":"a","other":"b"}`},
		{"null leaves a field unset", "p.All", `{i32: null, inner: ~, numbers: null, counts: null, any: null, at: null}`, `{}`},
		{"presence is kept", "p.All", `{maybe: 0, text: ""}`, `{"text":"","maybe":0}`},
		{"nested", "p.All", `{inner: {next: {next: {name: x}}}}`, `{"inner":{"next":{"next":{"name":"x"}}}}`},
		{"lists", "p.All", `{numbers: [1, "2", 3.0], inners: [{}, {name: a}]}`, `{"numbers":[1,2,3],"inners":[{},{"name":"a"}]}`},
		{"maps in the order of their keys", "p.All", `{counts: {b: 2, a: 1}, by_number: {10: {}, 9: {name: x}}, by_bool: {true: t, false: f}, colors: {18446744073709551615: RED}}`,
			`{"counts":{"a":1,"b":2},"byNumber":{"9":{"name":"x"},"10":{}},"byBool":{"false":"f","true":"t"},"colors":{"18446744073709551615":"RED"}}`},
		{"one of a oneof", "p.All", `{text: a, message: null}`, `{"text":"a"}`},
		{"time", "p.All", `{at: "2026-01-31T12:00:00.5Z", for: 1.5s}`, `{"at":"2026-01-31T12:00:00.500Z","for":"1.500s"}`},
		{"struct, value and list", "p.All", `{struct: {a: [1, {b: null}]}, value: null, list: [a, true], values: [null, 1]}`, `{"struct":{"a":[1,{"b":null}]},"value":null,"list":["a",true],"values":[null,1]}`},
		{"null within a oneof is a value where there is one", "p.All", `{any_value: null}`, `{"anyValue":null}`},
		{"null as an enum", "p.All", `{null: null}`, `{}`},
		{"field mask, empty", "p.All", `{mask: "a.bC,d", empty: {}}`, `{"mask":"a.bC,d","empty":{}}`},
		{"wrappers", "p.All", `{w64: "9007199254740993", wtext: x, wbytes: aGk=, wbool: true, wdouble: 1.5, w32: 7}`, `{"w64":"9007199254740993","wtext":"x","wbytes":"aGk=","wbool":true,"wdouble":1.5,"w32":7}`},
		{"any", "p.All", `{any: {"@type": type.googleapis.com/p.Inner, name: x}}`, `{"any":{"@type":"type.googleapis.com/p.Inner","name":"x"}}`},
		{"any by the bare name", "p.All", `{any: {"@type": p.Inner}}`, `{"any":{"@type":"type.googleapis.com/p.Inner"}}`},
		{"any of a well-known type", "p.All", `{any: {"@type": google.protobuf.Duration, value: 3s}}`, `{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}}`},
		{"any within any", "p.All", `{any: {"@type": google.protobuf.Any, value: {"@type": p.Inner, name: x}}}`, `{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/p.Inner","name":"x"}}}`},
		{"an empty any", "p.All", `{any: {}}`, `{"any":{}}`},
		{"any of unknown type as bytes", "p.All", `{any: {"@type": x/y.Z, "@value": aGk=}}`, `{"any":{"@type":"x/y.Z","@value":"aGk="}}`},
		{"a well-known type at the top", "google.protobuf.Duration", `3s`, `"3s"`},
		{"required, closed enum, delimited", "old.Base", `{id: x, size: LARGE, part: {n: 0}}`, `{"id":"x","size":"LARGE","part":{"n":0}}`},
		{"extensions", "old.Base", `{id: x, "[old.note]": hi, "[old.parts]": [{n: 1}]}`, `{"id":"x","[old.note]":"hi","[old.parts]":[{"n":1}]}`},
		{"groups", "two.M", `{box: {side: 3}, Item: [{name: a}]}`, `{"box":{"side":3},"item":[{"name":"a"}]}`},
		{"strings beyond ASCII, quotes, html", "p.All", `{string: "你\u0000\"<b>\u2028"}`, `{"string":"你\u0000\"<b>\u2028"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, node := read(t, test.text)
			m := dynamic.Build(r, message(t, s, test.message), node, s.Types())
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			if got := dynamic.JSON(m, s.Types()); got != test.want {
				t.Errorf("Build(%s) =\n%s, want\n%s", test.text, got, test.want)
			}
			dynamic.Check(r, message(t, s, test.message), node, s.Types())
			if err := r.Err(); err != nil {
				t.Errorf("Check: %v", err)
			}
			agreesWithProtojson(t, s, m)
		})
	}
}

// agreesWithProtojson checks that the library reads our JSON as the same
// message: the slow, obvious twin.
func agreesWithProtojson(t *testing.T, s *schema.Schema, m *dynamicpb.Message) {
	t.Helper()
	text := dynamic.JSON(m, s.Types())
	if strings.Contains(text, "@value") {
		return // our own form
	}
	again := dynamicpb.NewMessage(m.Descriptor())
	if err := (protojson.UnmarshalOptions{Resolver: s.Types()}).Unmarshal([]byte(text), again); err != nil {
		t.Fatalf("protojson does not read %s: %v", text, err)
	}
	if diff := cmp.Diff(m, again, protocmp.Transform(protocmp.MessageTypeResolver(s.Types())), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("protojson reads %s differently:\n%s", text, diff)
	}
}

func TestMistakes(t *testing.T) {
	s := compile(t, sources())
	tests := []struct {
		name, message, text string
		want                []string // position and part of the message or hint
	}{
		{"an unknown field, with a hint", "p.All", `{strng: a}`, []string{`1:2: unknown field "strng" of p.All`, `did you mean "string"?`}},
		{"an unknown field, with all names", "p.Inner", `{zzzzzzzzzzz: a}`, []string{`1:2: unknown field`, `the fields are name, next`}},
		{"a field of a message without fields", "google.protobuf.Empty", `{a: 1}`, []string{`1:1: google.protobuf.Empty`, "write {}"}},
		{"a field by both names", "p.All", `{snake_case_name: a, snakeCaseName: b}`, []string{`1:22: field "snakeCaseName" is given twice, also as "snake_case_name"`}},
		{"two of a oneof", "p.All", `{text: a, message: {}}`, []string{`1:11: "text" and "message" exclude each other: both are of oneof "choice"`}},
		{"int32 too large", "p.All", `{i32: 2147483648}`, []string{`1:7: int32 "i32": 2147483648 is not within -2147483648 and 2147483647`}},
		{"uint32 below zero", "p.All", `{u32: -1}`, []string{`1:7: uint32 "u32": -1 is not within 0 and 4294967295`}},
		{"uint64 one too large", "p.All", `{u64: "18446744073709551616"}`, []string{`is not within 0 and 18446744073709551615`}},
		{"int64 one too small", "p.All", `{i64: -9223372036854775809}`, []string{`1:7: int64 "i64"`}},
		{"half an integer", "p.All", `{i32: 1.5}`, []string{`1:7: int32 "i32": "1.5" is not an integer`}},
		{"words for an integer", "p.All", `{i32: one}`, []string{`"one" is not an integer`}},
		{"an exponent without end", "p.All", `{i32: 1e999999999, s32: "1e-999999999"}`, []string{`1:7: int32`, `1:25: sint32`}},
		{"true for an integer", "p.All", `{i32: true}`, []string{`1:7: int32 "i32": want an integer, got a boolean`}},
		{"a float past its range", "p.All", `{float: 1e39, double: 1e309}`, []string{`1:9: float "float": 1e39 is out of range`, `1:23: double "double": 1e309 is out of range`}},
		{"hexadecimal text for a float", "p.All", `{double: "0x1p3"}`, []string{`1:10: double "double": want a number`}},
		{"a number for a string", "p.All", `{string: 12}`, []string{`1:10: string "string": want a string, got an integer`, `write "12" in quotes`}},
		{"a string for a boolean", "p.All", `{bool: "true"}`, []string{`1:8: bool "bool": want true or false, got a string`}},
		{"bytes that are not base64", "p.All", `{bytes: "a*b"}`, []string{`1:9: bytes "bytes": not base64`}},
		{"an enum name, with a hint", "p.All", `{color: DARKRED}`, []string{`1:9: enum p.Color has no value "DARKRED"`, `did you mean "DARK_RED"?`}},
		{"a number that a closed enum lacks", "old.Base", `{id: a, size: 3}`, []string{`1:15: enum old.Size has no value 3`, `the values are SMALL, LARGE`}},
		{"a scalar for a message", "p.All", `{inner: x}`, []string{`1:9: want a message of type p.Inner, got a string`}},
		{"a message for a list", "p.All", `{inners: {}}`, []string{`1:10: field "inners" is repeated: want a list, got a mapping`}},
		{"a list for a map", "p.All", `{counts: []}`, []string{`1:10: field "counts" is a map: want a mapping, got a list`}},
		{"null in a list", "p.All", `{numbers: [1, null]}`, []string{`1:15: null cannot be an item of list "numbers"`}},
		{"null in a map", "p.All", `{counts: {a: null}}`, []string{`1:14: null cannot be a value of map "counts"`}},
		{"a map key of the wrong type", "p.All", `{by_number: {a: {}}, by_bool: {1: x}}`, []string{`1:14: int32 "key": "a" is not an integer`, `1:32: bool "key": want true or false`}},
		{"a map key twice", "p.All", `{by_number: {1: {}, 1.0: {}}}`, []string{`1:21: key "1.0" of map "by_number" is given twice`}},
		{"a time that is none", "p.All", `{at: yesterday}`, []string{`1:6: google.protobuf.Timestamp: invalid`, `RFC 3339`}},
		{"a duration without unit", "p.All", `{for: 5}`, []string{`1:7: google.protobuf.Duration`, `write seconds: "1.5s"`}},
		{"a required field, absent or null", "old.Base", `{part: {n: null}, id: ~}`, []string{`1:1: required field "id" of old.Base is missing`, `1:8: required field "n" of old.Base.Part is missing`}},
		{"an extension of another message", "old.Base", `{id: a, "[old.flag]": true}`, []string{`1:9: unknown extension "[old.flag]" of old.Base`}},
		{"an extension that is none", "old.Base", `{id: a, "[old.Base]": true, "[": 1}`, []string{`1:9: unknown extension`, `1:29: unknown extension "["`}},
		{"any without type", "p.All", `{any: {name: x}}`, []string{`1:7: an Any needs "@type"`}},
		{"any of unknown type", "p.All", `{any: {"@type": p.Nobody}}`, []string{`1:17: the target does not know type "type.googleapis.com/p.Nobody"`}},
		{"any with a wrong field", "p.All", `{any: {"@type": p.Inner, nam: x}}`, []string{`1:26: unknown field "nam" of p.Inner`}},
		{"any of a well-known type without value", "p.All", `{any: {"@type": google.protobuf.Duration, seconds: 3}}`, []string{`1:43: unknown field "seconds"`, `needs "value"`}},
		{"any of another kind", "p.All", `{any: 3, anys: [{"@type": 3}]}`, []string{`1:7: want an Any, got an integer`, `1:27: "@type": want the URL of a type, got 3`}},
		{"null for the whole", "p.All", ``, []string{`1:1: want a message of type p.All, got null`, `write {} for an empty message`}},
		{"all mistakes at once", "p.All", "i32: x\nstrng: a\ninner:\n  nam: b\n", []string{`1:6: int32`, `2:1: unknown field "strng"`, `4:3: unknown field "nam"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, node := read(t, test.text)
			dynamic.Build(r, message(t, s, test.message), node, s.Types())
			err := r.Err()
			if err == nil {
				t.Fatalf("Build(%s) finds nothing, want %q", test.text, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Build(%s):\n%v\nwant %q", test.text, err, want)
				}
			}
			checked, node := read(t, test.text)
			dynamic.Check(checked, message(t, s, test.message), node, s.Types())
			if diff := cmp.Diff(err.Error(), fmt.Sprint(checked.Err())); diff != "" {
				t.Errorf("Check differs from Build:\n%s", diff)
			}
		})
	}
}

func TestCheckTemplates(t *testing.T) {
	s := compile(t, sources())
	tests := []struct {
		name, message, text string
		want                string // part of the error; "" for none
	}{
		{"an expression fits every scalar", "p.All", `{i32: "${n}", u64: "${n}", double: "${x}", bool: "${b}", string: "a ${s}", bytes: "${bytes(3)}", color: "${c}"}`, ""},
		{"text with an expression fits a scalar", "p.All", `{i32: "1${n}"}`, ""},
		{"an expression fits messages, lists and maps", "p.All", `{inner: "${m}", numbers: "${l}", counts: "${m}", inners: ["${m}"], any: "${a}"}`, ""},
		{"text with an expression is no message", "p.All", `{inner: "a ${m}"}`, "want a message"},
		{"well-known types", "p.All", `{at: "${now()}", for: "${n}s", struct: {a: "${x}"}, wtext: "${x}", mask: "${x}"}`, ""},
		{"keys of maps", "p.All", `{by_number: {"${i}": {name: "${i}"}}}`, ""},
		{"the type of an any", "p.All", `{any: {"@type": "p.${name}", whatever: 1}}`, ""},
		{"the whole message", "p.All", `"${m}"`, ""},
		{"required fields count as given", "old.Base", `{id: "${x}", part: {n: "${n}"}}`, ""},
		{"names are checked beside expressions", "p.All", `{inner: {nam: "${x}"}}`, `unknown field "nam"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, node := read(t, test.text)
			dynamic.Check(r, message(t, s, test.message), node, s.Types())
			err := r.Err()
			if test.want == "" && err != nil {
				t.Errorf("Check(%s): %v", test.text, err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Check(%s) = %v, want %q", test.text, err, test.want)
			}
		})
	}
}

func TestJSONOfWhatIsNotKnown(t *testing.T) {
	s := compile(t, sources())
	inner := dynamicpb.NewMessage(message(t, s, "p.Inner"))
	raw := protowire.AppendTag(nil, 7, protowire.VarintType)
	raw = protowire.AppendVarint(raw, 1)
	raw = protowire.AppendTag(raw, 9, protowire.BytesType)
	raw = protowire.AppendBytes(raw, []byte("hi"))
	if err := proto.Unmarshal(raw, inner); err != nil {
		t.Fatal(err)
	}
	if got, want := dynamic.JSON(inner, s.Types()), `{"@unknown":"6 bytes of fields 7, 9"}`; got != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
	at := dynamicpb.NewMessage(message(t, s, "google.protobuf.Timestamp"))
	at.Set(at.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(1<<60))
	if got, want := dynamic.JSON(at, s.Types()), `{"seconds":"1152921504606846976"}`; got != want {
		t.Errorf("JSON of a time past all calendars = %s, want %s", got, want)
	}
}

func TestPrinter(t *testing.T) {
	s := compile(t, sources())
	m := dynamicpb.NewMessage(message(t, s, "old.Base"))
	p := dynamic.Printer{Types: s.Types(), EmitDefaults: true, Indent: "  "}
	if got, want := p.JSON(m), "{\n  \"implicit\": 0\n}"; got != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
}

// A target may declare a google.protobuf.Timestamp of its own that is not one.
func TestFalseWellKnownTypes(t *testing.T) {
	file := map[string]string{"google/protobuf/timestamp.proto": `syntax = "proto3"; package google.protobuf; message Timestamp { string seconds = 1; int32 nanos = 2; }`,
		"google/protobuf/any.proto":    `syntax = "proto3"; package google.protobuf; message Any { int32 type_url = 1; }`,
		"google/protobuf/struct.proto": `syntax = "proto3"; package google.protobuf; message Struct { map<string, Value> fields = 1; } message Value { oneof kind { bool b = 1; } }`}
	s := compile(t, file)
	for name, text := range map[string]string{
		"google.protobuf.Timestamp": `{"seconds":"soon"}`,
		"google.protobuf.Any":       `{"typeUrl":3}`,
		"google.protobuf.Struct":    `{"fields":{"a":{"b":true}}}`,
	} {
		r, node := read(t, text)
		m := dynamic.Build(r, message(t, s, name), node, s.Types())
		if got := dynamic.JSON(m, s.Types()); r.Err() != nil || got != text {
			t.Errorf("%s: %s reads as %s, %v", name, text, got, r.Err())
		}
	}
}

// An Any can hold an Any without end, as far as its bytes go.
func TestJSONIsBoundedInDepth(t *testing.T) {
	s := compile(t, sources())
	md := message(t, s, "google.protobuf.Any")
	var value []byte
	var m *dynamicpb.Message
	for range 1000 {
		m = dynamicpb.NewMessage(md)
		m.Set(md.Fields().ByName("type_url"), protoreflect.ValueOfString("google.protobuf.Any"))
		m.Set(md.Fields().ByName("value"), protoreflect.ValueOfBytes(value))
		var err error
		if value, err = proto.Marshal(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := dynamic.JSON(m, s.Types()); strings.Count(got, "@type") > 250 {
		t.Errorf("%d levels are printed", strings.Count(got, "@type"))
	}
}

func ExampleBuild() {
	s := compile(&testing.T{}, map[string]string{"chat.proto": `syntax = "proto3"; message Say { string text = 1; int64 seq = 2; }`})
	mt, _ := s.Types().FindMessageByName("Say")
	text := "{text: hi, seq: 9007199254740993}\n"
	file := source.NewFile("say.yaml", text)
	node, _ := source.ParseYAML(file, []byte(text))
	r := &source.Reporter{File: file}
	fmt.Println(dynamic.JSON(dynamic.Build(r, mt.Descriptor(), node, s.Types()), s.Types()))

	text = "{txt: hi, seq: many}\n"
	file = source.NewFile("say.yaml", text)
	node, _ = source.ParseYAML(file, []byte(text))
	r = &source.Reporter{File: file}
	dynamic.Check(r, mt.Descriptor(), node, s.Types())
	fmt.Println(r.Err())
	// Output:
	// {"text":"hi","seq":"9007199254740993"}
	// say.yaml:1:2: unknown field "txt" of Say
	//     1 | {txt: hi, seq: many}
	//       |  ^
	// hint: did you mean "text"?
	// say.yaml:1:16: int64 "seq": "many" is not an integer
	//     1 | {txt: hi, seq: many}
	//       |                ^
}
