package replay

import (
	"context"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/schema"
)

const noteProto = `syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/any.proto";
message Note {
  string text = 1;
  int64 number = 2;
  repeated string list = 3;
  map<string, string> names = 4;
  google.protobuf.Timestamp at = 5;
  google.protobuf.Any inner = 6;
  Note child = 7;
}
`

// noteType compiles the type and what resolves it.
func noteType(t testing.TB) (protoreflect.MessageDescriptor, schema.Types) {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"note.proto": noteProto}),
	})}
	files, err := compiler.Compile(context.Background(), "note.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Note"), schema.FromFiles(files[0]).Types()
}

// "old" and 41 become "new" and 42 wherever they stand whole; all else stays.
func TestRewrite(t *testing.T) {
	md, types := noteType(t)
	text := func(s string) string {
		switch s {
		case "old":
			return "new"
		case "41":
			return "42"
		}
		return s
	}
	for _, row := range []struct{ name, in, want string }{
		{"a string", `{"text":"old"}`, `{"text":"new"}`},
		{"part of a string stays", `{"text":"older"}`, `{"text":"older"}`},
		{"a number", `{"number":"41"}`, `{"number":"42"}`},
		{"lists and maps", `{"list":["a","old"],"names":{"old":"old"}}`, `{"list":["a","new"],"names":{"old":"new"}}`},
		{"deeper down", `{"child":{"child":{"text":"old"}}}`, `{"child":{"child":{"text":"new"}}}`},
		{"within an Any", `{"inner":{"@type":"x/Note","text":"old"}}`, `{"inner":{"@type":"x/Note","text":"new"}}`},
		{"JSON in a string, whose other text stays", `{"text":"{\"b\" : \"old\",\"a\":[41, 410, \"x old\"]}"}`, `{"text":"{\"b\" : \"new\",\"a\":[42, 410, \"x old\"]}"}`},
		{"JSON in JSON in a string", `{"text":"{\"a\":\"{\\\"b\\\":\\\"old\\\"}\"}"}`, `{"text":"{\"a\":\"{\\\"b\\\":\\\"new\\\"}\"}"}`},
		{"a timestamp", `{"at":"2026-01-01T00:00:00Z"}`, `{"at":"2026-01-01T01:00:00.500Z"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, want := encodeNote(t, md, types, row.in), encodeNote(t, md, types, row.want)
			r := rewriter{types: types, text: text, shift: time.Hour + 500*time.Millisecond}
			got := r.bytes(md, in)
			if string(got) != string(want) {
				m := dynamicpb.NewMessage(md)
				_ = proto.UnmarshalOptions{Resolver: types}.Unmarshal(got, m)
				t.Errorf("got %v, want %s", m, row.want)
			}
		})
	}
	// A message in which nothing changes keeps its bytes, whatever their order.
	odd := append(encodeNote(t, md, types, `{"number":"5"}`), encodeNote(t, md, types, `{"text":"a"}`)...)
	r := rewriter{types: types, text: text}
	if got := r.bytes(md, odd); string(got) != string(odd) {
		t.Errorf("%x was rewritten as %x", odd, got)
	}
}

func encodeNote(t testing.TB, md protoreflect.MessageDescriptor, types schema.Types, json string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFitsRedacted(t *testing.T) {
	for _, row := range []struct {
		recorded, live string
		want           bool
	}{
		{"redacted-abcdefghabcdefgh", "secret", true},
		{"[redacted]", "", true},
		{"redacted-abcdefghabcdefgh@redacted.invalid", "ada@example.com", true},
		{"${secret.TOKEN}", "t0ken", true},
		{"Bearer redacted-abcdefghabcdefgh", "Bearer x", true},
		{"Bearer redacted-abcdefghabcdefgh", "Basic x", false},
		{"a [redacted] b [redacted] c", "a 1 b 2 c", true},
		{"a [redacted] b [redacted] c", "a 1 c 2 b", false},
		{"plain", "plain", false}, // no redaction: for others to judge
		{"redacted-xyz", "a", false},
	} {
		if got := fitsRedacted(row.recorded, row.live); got != row.want {
			t.Errorf("fitsRedacted(%q, %q) = %v", row.recorded, row.live, got)
		}
	}
}

func TestSecrets(t *testing.T) {
	lookup := func(name string) (string, bool) {
		return map[string]string{"TOUCHSTONE_SECRET_A": "x${secret.B}"}[name], name == "TOUCHSTONE_SECRET_A"
	}
	for _, row := range []struct{ text, want, missing string }{
		{"plain", "plain", ""},
		{"Bearer ${secret.A}", "Bearer x${secret.B}", ""}, // what a secret holds is not looked into
		{"${secret.HOME}", "", "HOME"},                    // any other variable of the environment stays out of reach
	} {
		if got, missing := putSecrets(row.text, lookup); got != row.want || missing != row.missing {
			t.Errorf("putSecrets(%q) = %q, %q", row.text, got, missing)
		}
	}
}
