package patch

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// allTypes has a field of every type.
const allTypes = `syntax = "proto3"; package p;
import "google/protobuf/any.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto"; import "google/protobuf/duration.proto";
enum Color { NONE = 0; RED = 1; DARK_RED = 2; }
message Inner { string name = 1; Inner next = 2; int32 n = 3; }
message All {
  int32 i32 = 1; sint32 s32 = 2; sfixed32 f32 = 3; uint32 u32 = 4; fixed32 x32 = 5;
  int64 i64 = 6; sint64 s64 = 7; sfixed64 f64 = 8; uint64 u64 = 9; fixed64 x64 = 10;
  float float = 11; double double = 12; bool bool = 13; string string = 14; bytes bytes = 15;
  Color color = 16; Inner inner = 17; repeated int32 numbers = 18; repeated Inner inners = 19;
  map<string, Inner> by_name = 20; map<int32, string> by_number = 21; repeated string strings = 22;
  oneof choice { string text = 23; Inner message = 24; }
  google.protobuf.Timestamp at = 25; google.protobuf.Struct struct = 26; google.protobuf.Value value = 27;
  google.protobuf.Int64Value wrapped = 28; google.protobuf.StringValue words = 29; google.protobuf.Any any = 30;
  google.protobuf.ListValue list = 31; optional int32 maybe = 32; repeated double unpacked = 33 [packed = false];
  google.protobuf.Duration took = 34; map<bool, int64> flags = 35; repeated Color colors = 36;
}`

var types = func() *schema.Schema {
	dir, err := os.MkdirTemp("", "patch")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "all.proto")
	if err := os.WriteFile(path, []byte(allTypes), 0o644); err != nil {
		panic(err)
	}
	s, err := schema.Open(context.Background(), schema.Config{ImportPaths: []string{dir}, Protos: []string{"all.proto"}})
	if err != nil {
		panic(err)
	}
	return s
}()

func descriptor(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	mt, err := types.Types().FindMessageByName("p.All")
	if err != nil {
		t.Fatal(err)
	}
	return mt.Descriptor()
}

// rows are data as JSON lines give it.
var rows = []any{
	map[string]any{"text": `say "hi" <& \ 世界`, "n": json.Number("-7"), "u": json.Number("300"), "ok": true, "color": "RED", "b64": "AAEC", "deep": map[string]any{"x y": "z"}, "took": "1.5s", "inner": map[string]any{"name": "Ada"}},
	map[string]any{"text": "", "n": json.Number("0"), "u": json.Number("0"), "ok": false, "color": json.Number("2"), "b64": "", "deep": map[string]any{"x y": "1"}, "took": "0s", "inner": map[string]any{}},
	map[string]any{"text": strings.Repeat("long ", 60), "n": json.Number("2147483647"), "u": json.Number("4294967295"), "ok": true, "color": "NONE", "b64": "////", "deep": map[string]any{"x y": "\n"}, "took": "3s", "inner": map[string]any{"name": "Grace", "n": json.Number("5")}},
}

func compile(t testing.TB, text string) (*Program, *source.Node, error) {
	t.Helper()
	r := &source.Reporter{File: source.NewFile("-d", text)}
	n, err := source.ParseYAML(r.File, []byte(text))
	if err != nil {
		return nil, nil, err
	}
	p := Compile(r, descriptor(t), n, config())
	return p, n, r.Err()
}

func config() Config { return Config{Types: types.Types(), Rows: rows, Seed: 5} }

// call is the k-th call of the tests, each at another time.
func call(k int) Call {
	return Call{K: k, Now: time.Date(2026, 11, 25, 22, 20, 7, 123456789, time.UTC).Add(time.Duration(k) * 1001 * time.Millisecond)}
}

// messages cover every type, place and expression.
var messages = []string{
	`{}`,
	`{"string": "plain", "i32": 5}`,
	`{"string": "${i}"}`,
	`{"string": "a ${i} b ${uuid} c ${row.text} $${d}"}`,
	`{"i32": "${i}", "s32": "${i - 5}", "f32": "${i * 3 - 7}", "u32": "${i % 10 + 1}", "x32": "${i}", "i64": "${i}", "s64": "${i-9}", "f64": "${i}", "u64": "${i}", "x64": "${i}", "maybe": "${i % 1}"}`,
	`{"i64": "${random.int(-9223372036854775808, 9223372036854775807)}", "s64": "${random.int(-3, 3)}", "u32": "${random(10)}", "float": "${random(100)}", "double": "${i}"}`,
	`{"i32": "${row.n}", "u32": "${row.u}", "x64": "${row.u}", "s32": "${row.n}", "float": "${row.n}", "bool": "${row.ok}", "color": "${row.color}", "bytes": "${row.b64}", "string": "${row.n}", "took": "${row.took}", "inner": "${row.inner}"}`,
	`{"bytes": "${bytes(100)}", "string": "${bytes(100)}", "words": "${bytes(1)}"}`,
	`{"at": "${now()}", "string": "${now} ${now.http} ${now.date} ${now.unix_ms}", "i64": "${now.unix_ns}", "u64": "${now.unix_us}", "i32": "${now.unix % 1}"}`,
	`{"at": "${now()}", "string": "${now} ${now.http} ${now.date} ${now.unix_ms}", "i64": "${now.unix_ns}", "u64": "${now.unix_us}"}`,
	`{"inner": {"name": "x", "next": {"n": 7, "next": {"name": "${row.text}", "next": {"n": "${i}"}}}}}`,
	`{"numbers": [1, "${i}", 300, "${row.n}"], "strings": ["a", "${row.text}", ""], "inners": [{"name": "a"}, {"name": "${i}"}, {}], "unpacked": [0, "${i}"], "colors": ["RED", "${row.color}"]}`,
	`{"byName": {"a": {"name": "${row.text}"}, "b": {"n": 3}}, "byNumber": {"5": "${uuid()}", "-1": "x"}, "flags": {"true": "${i}", "false": 0}}`,
	`{"text": "${i}"}`, `{"message": {"n": "${i}"}}`,
	`{"struct": {"a": "${row.text}", "b": ["${i}", 1.5, null, {"c": "x ${i}"}], "d": true}, "value": "${i}", "list": [1, "${row.n}", "${uuid}"]}`,
	`{"value": {"a": "${i} "}, "struct": {}}`, `{"value": "${row.inner}"}`, `{"value": ["${row.ok}", 2]}`,
	`{"wrapped": "${i}", "words": "w ${row.text}"}`,
	`{"any": {"@type": "type.googleapis.com/p.Inner", "name": "${i}", "n": 4}}`,
	`{"any": {"@type": "type.googleapis.com/p.Inner", "next": {"n": "${row.n}"}}}`,
	`{"string": "{\"type\":\"TEXT\",\"content\":\"${row.text}\",\"n\":${i},\"row\":${row.n},\"id\":${uuid},\"in\":${row.inner},\"t\":${row.text},\"q\":\"a\\\"${row.text}\\\"\"}"}`,
	`{"string": "[\"${row.deep[\"x y\"]}\", ${row.ok}]"}`,
	`{"string": "{not json: ${row.text}}"}`,
}

func TestAppendIsEncodingTheReplacedJSON(t *testing.T) {
	for _, text := range messages {
		p, n, err := compile(t, text)
		if strings.Contains(text, "now.unix %") {
			if err == nil {
				t.Errorf("%s has no error", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s:\n%v", text, err)
			continue
		}
		for _, k := range []int{0, 1, 2, 3, 99, 127, 128, 16384, 1 << 21} {
			diff, ok := same(t, p, n, k)
			if !ok || diff != "" {
				t.Errorf("call %d of %s:\n%s", k, text, diff)
			}
		}
	}
}

// TestALengthThatGrows crosses the sizes at which a length takes one byte more,
// at each level at a time.
func TestALengthThatGrows(t *testing.T) {
	old := rows
	defer func() { rows = old }()
	rows = nil
	for _, size := range []int{0, 1, 100, 110, 115, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16370, 16375, 16380, 16384, 16390, 5} {
		rows = append(rows, map[string]any{"text": strings.Repeat("x", size)})
	}
	p, n, err := compile(t, `{"i32": 1, "inner": {"next": {"next": {"name": "${row.text}", "n": 3}, "n": 2}, "n": 1}, "string": "end ${i}"}`)
	if err != nil {
		t.Fatal(err)
	}
	for k := range rows {
		if diff, ok := same(t, p, n, k); !ok || diff != "" {
			t.Errorf("row %d:\n%s", k, diff)
		}
	}
}

func TestValuesDependOnTheSeedAndTheCall(t *testing.T) {
	text := `{"string": "${uuid()} ${uuid()} ${random(1000000)}", "bytes": "${bytes(20)}"}`
	p, _, err := compile(t, text)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for k := range 1000 {
		raw := string(p.Append(nil, call(k)))
		if again := string(p.Append(nil, call(k))); again != raw {
			t.Fatalf("call %d differs from itself", k)
		}
		if before, ok := seen[raw]; ok {
			t.Fatalf("calls %d and %d are the same", before, k)
		}
		seen[raw] = k
	}
	m := dynamicpb.NewMessage(descriptor(t))
	if err := proto.Unmarshal(p.Append(nil, call(1)), m); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(m.Get(m.Descriptor().Fields().ByName("string")).String())
	if words[0] == words[1] {
		t.Errorf("two UUIDs of one message are the same: %s", words[0])
	}
	if words[0][14] != '4' || !strings.ContainsRune("89ab", rune(words[0][19])) {
		t.Errorf("%s is no UUID of version 4", words[0])
	}
	other := *p
	other.seed++
	if string(other.Append(nil, call(0))) == string(p.Append(nil, call(0))) {
		t.Error("another seed makes the same message")
	}
}

func TestMistakes(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`{"string": "a ${j}"}`, `-d:1:17: a load cannot compute "j" for each call`},
		{`{"string": "${i"}`, `1:15: ${ without a closing }`},
		{`{"strin": "${i}"}`, `unknown field "strin" of p.All`},
		{`{"string": "${row.txt}"}`, `1:15: row 1: there is no "txt": did you mean "text"?`},
		{`{"string": "${row.text.x}"}`, `"x" of what is no mapping`},
		{`{"i32": "${row.u}"}`, "4294967295 is not within"},
		{`{"i32": "${uuid}"}`, "the expression has no such value"},
		{`{"i32": "7${i}"}`, "want one expression and nothing else"},
		{`{"bool": "${i}"}`, "the expression has no such value"},
		{`{"i32": "${row.text}"}`, "is not an integer"},
		{`{"u32": "${i - 1}"}`, "values outside of 0 to 4294967295"},
		{`{"i32": "${now.unix_ms}"}`, "values outside of"},
		{`{"i32": "${random(3000000000)}"}`, "values outside of"},
		{`{"bytes": "${i}"}`, "want ${bytes(N)}"},
		{`{"strings": "${row.text}"}`, "a load cannot make all of"},
		{`{"took": "${now}"}`, "the expression has no such value"},
		{`{"inner": "${i}"}`, "the expression has no such value"},
		{`{"string": "${random(0)}"}`, "there is no integer from 0 up to 0"},
		{`{"string": "${i % 0}"}`, "divides by nothing"},
		{`{"string": "${bytes(99999999999)}"}`, "at most"},
		{`{"any": {"@type": "${uuid}"}}`, "type"},
	} {
		if _, _, err := compile(t, row.text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s:\ngot  %v\nwant %s", row.text, err, row.want)
		}
	}
	r := &source.Reporter{File: source.NewFile("-d", "")}
	Compile(r, descriptor(t), &source.Node{Kind: source.Object, Fields: []source.Field{{Key: "string", Value: &source.Node{Kind: source.String, Text: "${row.x}"}}}}, Config{Types: types.Types()})
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "--data-rows") {
		t.Errorf("without rows: %v", err)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	p, _, err := compile(t, `{"i64": "${i}", "at": "${now}", "bytes": "${bytes(64)}", "inner": {"next": {"name": "${row.text} ${uuid} ${random(9)} ${now} ${bytes(9)}"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 0, 1<<12)
	k := 0
	if n := testing.AllocsPerRun(100, func() {
		buffer = p.Append(buffer[:0], call(k))
		k++
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// TestATimeBefore1970: the nanoseconds of a Timestamp count forward.
func TestATimeBefore1970(t *testing.T) {
	p, _, err := compile(t, `{"at": "${now}", "i64": "${now.unix}"}`)
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(descriptor(t))
	if err := proto.Unmarshal(p.Append(nil, Call{Now: time.Unix(-1, 250e6)}), m); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(m)
	if got := strings.ReplaceAll(string(text), " ", ""); err != nil || got != `{"i64":"-1","at":"1969-12-31T23:59:59.250Z"}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzAppend(f *testing.F) {
	for i, text := range messages {
		f.Add(text, i)
	}
	f.Fuzz(func(t *testing.T, text string, k int) {
		p, n, err := compile(t, text)
		if err != nil || p == nil || k < 0 || k > 1<<31 || strings.Contains(text, "bytes(") && len(text) > 200 {
			return
		}
		if diff, ok := same(t, p, n, k); ok && diff != "" {
			t.Errorf("call %d of %s:\n%s", k, text, diff)
		}
	})
}

func Example() {
	text := `{"name": "load-${i % 3}", "next": {"n": "${i}"}}`
	md := descriptorOf("p.Inner")
	r := &source.Reporter{File: source.NewFile("-d", text)}
	n, err := source.ParseYAML(r.File, []byte(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	p := Compile(r, md, n, Config{Types: types.Types()})
	if err := r.Err(); err != nil {
		fmt.Println(err)
		return
	}
	var buffer []byte
	for k := range 4 {
		buffer = p.Append(buffer[:0], Call{K: k, Now: time.Now()})
		fmt.Printf("%q\n", buffer)
	}
	// Output:
	// "\n\x06load-0\x12\x02\x18\x00"
	// "\n\x06load-1\x12\x02\x18\x01"
	// "\n\x06load-2\x12\x02\x18\x02"
	// "\n\x06load-0\x12\x02\x18\x03"
}
