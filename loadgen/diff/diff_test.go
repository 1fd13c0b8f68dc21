package diff

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

const shopProto = `syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
message Order {
  string id = 1;
  int64 total = 2;
  double score = 3;
  optional string note = 4;
  repeated Item items = 5;
  map<string, int32> stock = 6;
  oneof payment { string card = 7; string cash = 8; }
  google.protobuf.Timestamp created = 9;
  google.protobuf.Any extra = 10;
  google.protobuf.Struct meta = 11;
  bytes blob = 12;
  Colour colour = 13;
  string data = 14;
}
message Item { string sku = 1; int32 count = 2; }
enum Colour { RED = 0; BLUE = 1; }
`

func orderType(t testing.TB) (protoreflect.MessageDescriptor, schema.Types) {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"shop.proto": shopProto}),
	})}
	files, err := compiler.Compile(context.Background(), "shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Order"), schema.FromFiles(files[0]).Types()
}

func encode(t testing.TB, md protoreflect.MessageDescriptor, types schema.Types, json string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lines writes differences as "path kind want -> got".
func lines(r Result) []string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s -> %s", d.Path, d.Kind, d.Want, d.Got)))
	}
	return out
}

func comparer(t testing.TB, r Rules) *Comparer {
	t.Helper()
	c, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMessages(t *testing.T) {
	md, types := orderType(t)
	for _, row := range []struct {
		name, want, got string
		rules           Rules
		differences     []string
	}{
		{name: "equal", want: `{"id":"a"}`, got: `{"id":"a"}`},
		{name: "a string", want: `{"id":"a"}`, got: `{"id":"b"}`, differences: []string{`message.id changed "a" -> "b"`}},
		{name: "a number that is not set is zero", want: `{"total":"5"}`, got: `{}`, differences: []string{`message.total changed 5 -> 0`}},
		{name: "64 bits stay exact", want: `{"total":"9007199254740993"}`, got: `{"total":"9007199254740992"}`,
			differences: []string{`message.total changed 9007199254740993 -> 9007199254740992`}},
		{name: "an optional field that is not set is missing, not empty", want: `{"note":""}`, got: `{}`, differences: []string{`message.note missing "" ->`}},
		{name: "an optional field more", want: `{}`, got: `{"note":""}`, differences: []string{`message.note extra  -> ""`}},
		{name: "NaN is NaN, minus zero is zero", want: `{"score":"NaN","id":"a","items":[{}]}`, got: `{"score":"NaN","id":"a","items":[{"count":-0}]}`},
		{name: "NaN is no number", want: `{"score":"NaN"}`, got: `{"score":1}`, differences: []string{`message.score changed NaN -> 1`}},
		{name: "another member of a oneof", want: `{"card":"1"}`, got: `{"cash":"1"}`, differences: []string{`message.payment type {"card":"1"} -> {"cash":"1"}`}},
		{name: "an enum", want: `{"colour":"BLUE"}`, got: `{"colour":7}`, differences: []string{`message.colour changed BLUE -> 7`}},
		{name: "bytes", want: `{"blob":"AQ=="}`, got: `{"blob":"Ag=="}`, differences: []string{`message.blob changed "AQ==" -> "Ag=="`}},
		{name: "a map by its keys", want: `{"stock":{"a":1,"b":2}}`, got: `{"stock":{"b":3,"c.d":4}}`, differences: []string{
			`message.stock["a"] missing 1 ->`, `message.stock["b"] changed 2 -> 3`, `message.stock["c.d"] extra  -> 4`}},
		{name: "a struct is as JSON is", want: `{"meta":{"a":[1,"x"]}}`, got: `{"meta":{"a":[1,null]}}`, differences: []string{`message.meta.a[1] type "x" -> null`}},
		{name: "what is in an Any", want: `{"extra":{"@type":"x/Item","sku":"a"}}`, got: `{"extra":{"@type":"x/Item","sku":"b"}}`,
			differences: []string{`message.extra.sku changed "a" -> "b"`}},
		{name: "another type in an Any", want: `{"extra":{"@type":"x/Item","sku":"a"}}`, got: `{"extra":{"@type":"x/Order","id":"a"}}`,
			differences: []string{`message.extra type {"@type":"x/Item","sku":"a"} -> {"@type":"x/Order","id":"a"}`}},

		{name: "JSON in a string", want: `{"data":"{\"a\":1, \"b\":[1,2]}"}`, got: `{"data":"{\"b\":[1,3],\"a\":1.0}"}`,
			differences: []string{`message.data.b[1] changed 2 -> 3`}},
		{name: "JSON in JSON in a string", want: `{"data":"{\"a\":\"{\\\"b\\\":1}\"}"}`, got: `{"data":"{\"a\":\"{\\\"b\\\":2}\"}"}`,
			differences: []string{`message.data.a.b changed 1 -> 2`}},
		{name: "JSON that is a number now", want: `{"data":"{\"a\":\"1\"}"}`, got: `{"data":"{\"a\":1}"}`, differences: []string{`message.data.a type "1" -> 1`}},
		{name: "what is no JSON is a string", want: `{"data":"{a"}`, got: `{"data":"{b"}`, differences: []string{`message.data changed "{a" -> "{b"`}},
		{name: "big numbers in JSON stay exact", want: `{"data":"[9007199254740993, 1e2]"}`, got: `{"data":"[9007199254740992, 100]"}`,
			differences: []string{`message.data[0] changed 9007199254740993 -> 9007199254740992`}},

		{name: "an item more at the front", want: `{"items":[{"sku":"a"},{"sku":"b"}]}`, got: `{"items":[{"sku":"x"},{"sku":"a"},{"sku":"b"}]}`,
			differences: []string{`message.items[0] extra  -> {"sku":"x"}`}},
		{name: "an item changed and one missing", want: `{"items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}`, got: `{"items":[{"sku":"a","count":2},{"sku":"c"}]}`,
			differences: []string{`message.items[0].count changed 0 -> 2`, `message.items[1] missing {"sku":"b"} ->`}},
		{name: "an item at another place", want: `{"items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}`, got: `{"items":[{"sku":"b"},{"sku":"c"},{"sku":"a"}]}`,
			differences: []string{`message.items[0] reordered "at 0: {\"sku\":\"a\"}" -> "at 2: {\"sku\":\"a\"}"`}},
		{name: "an order that means nothing", want: `{"items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}`, got: `{"items":[{"sku":"c"},{"sku":"b"},{"sku":"d"}]}`,
			rules: Rules{Unordered: []string{"message.items"}}, differences: []string{`message.items[0].sku changed "a" -> "d"`}},
		{name: "a key", want: `{"items":[{"sku":"a","count":1},{"sku":"b","count":1}]}`, got: `{"items":[{"sku":"b","count":2},{"sku":"a","count":3}]}`,
			rules:       Rules{Unordered: []string{"S/M message.items by sku"}},
			differences: []string{`message.items[0].count changed 1 -> 3`, `message.items[1].count changed 1 -> 2`}},
		{name: "a key in order", want: `{"items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}`, got: `{"items":[{"sku":"c"},{"sku":"a"},{"sku":"b"}]}`,
			rules:       Rules{Keys: []string{"message.items by sku"}},
			differences: []string{`message.items[2] reordered "at 2: {\"sku\":\"c\"}" -> "at 0: {\"sku\":\"c\"}"`}},

		{name: "a number within its tolerance", want: `{"score":1,"total":"100"}`, got: `{"score":1.009,"total":"101"}`,
			rules: Rules{Tolerance: []string{"message.score 0.01", "message.total 1%"}}},
		{name: "a number beyond its tolerance", want: `{"score":1,"total":"100"}`, got: `{"score":1.02,"total":"102"}`,
			rules:       Rules{Tolerance: []string{"message.score 0.01", "message.total 1%"}},
			differences: []string{`message.score changed 1 -> 1.02`, `message.total changed 100 -> 102`}},
		{name: "NaN is within no tolerance", want: `{"score":1}`, got: `{"score":"NaN"}`, rules: Rules{Tolerance: []string{"message.score 1000%"}},
			differences: []string{`message.score changed 1 -> NaN`}},
		{name: "times", want: `{"created":"2026-01-01T00:00:00Z","data":"[\"2026-01-01T00:00:00Z\"]"}`, got: `{"created":"2026-01-01T00:00:05Z","data":"[\"2026-01-01T01:00:06+01:00\"]"}`,
			rules: Rules{Tolerance: []string{"message.** 5s"}}, differences: []string{`message.data[0] changed "2026-01-01T00:00:00Z" -> "2026-01-01T01:00:06+01:00"`}},
		{name: "items that differ only in what is ignored are aligned", want: `{"items":[{"sku":"a","count":1},{"sku":"b","count":2}]}`, got: `{"items":[{"sku":"b","count":9}]}`,
			rules: Rules{Ignore: []string{"message.items[].count"}}, differences: []string{`message.items[0] missing {"count":1,"sku":"a"} ->`}},
		{name: "a rule for another method", want: `{"id":"a"}`, got: `{"id":"b"}`, rules: Rules{Ignore: []string{"Other/* message.id"}},
			differences: []string{`message.id changed "a" -> "b"`}},
		{name: "a rule for another kind", want: `{"id":"a"}`, got: `{"id":"b"}`, rules: Rules{Ignore: []string{"message.id missing"}},
			differences: []string{`message.id changed "a" -> "b"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := comparer(t, row.rules)
			c.Types = types
			got := c.Compare(&Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{encode(t, md, types, row.want)}},
				Got: Answer{Messages: [][]byte{encode(t, md, types, row.got)}}})
			// Lists are told by position and text here, for the eye.
			for i := range got.Differences {
				if d := &got.Differences[i]; d.Kind == Reordered {
					d.Want, d.Got = source.Quote(d.Want), source.Quote(d.Got)
				}
			}
			if diff := cmp.Diff(row.differences, lines(got)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// The fields of a message were put in another order, or sent twice: the bytes
// differ, and the message does not.
func TestSameMessageOtherBytes(t *testing.T) {
	md, _ := orderType(t)
	var a, b []byte
	a = protowire.AppendString(protowire.AppendTag(a, 1, protowire.BytesType), "x")
	a = protowire.AppendVarint(protowire.AppendTag(a, 2, protowire.VarintType), 5)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 5)
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), "x")
	call := Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{a}}, Got: Answer{Messages: [][]byte{b}}}
	if got := comparer(t, Rules{}).Compare(&call); len(got.Differences) > 0 {
		t.Errorf("differences %v, want none", lines(got))
	}
}

func TestUnknownFields(t *testing.T) {
	md, _ := orderType(t)
	with := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 5)
	call := Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{nil}}, Got: Answer{Messages: [][]byte{with}}}
	want := []string{`message.#99[0] extra  -> 5`}
	if got := lines(comparer(t, Rules{}).Compare(&call)); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	call.Want.Messages, call.Got.Messages = call.Got.Messages, [][]byte{{0xff}}
	if got := comparer(t, Rules{}).Compare(&call); len(got.Differences) != 1 || got.Differences[0].Kind != Type {
		t.Errorf("a message that is none: %v, want one difference of type", lines(got))
	}
}

func TestEnds(t *testing.T) {
	detail := func(field string) []byte {
		any, _ := anypb.New(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field}}})
		data, _ := proto.Marshal(&spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{any}})
		return data
	}
	want := Answer{Status: 3, Text: "bad id", Details: detail("a"), Latency: time.Millisecond,
		Header: metadata.MD{"x-region": {"eu"}, "date": {"monday"}}, Trailer: metadata.MD{"x-count": {"3"}}}
	got := Answer{Status: 5, Text: "no id", Details: detail("b"), Latency: time.Second,
		Header: metadata.MD{"x-zone": {"eu"}, "date": {"tuesday"}}, Trailer: metadata.MD{"x-count": {"4"}}}
	for _, row := range []struct {
		name  string
		rules Rules
		cut   bool
		want  []string
	}{
		{"all of it", Rules{}, false, []string{
			"status changed INVALID_ARGUMENT -> NOT_FOUND", `status_message changed "bad id" -> "no id"`,
			`details[0].value changed "CgMKAWE=" -> "CgMKAWI="`,
			`header.x-region missing ["eu"] ->`, `header.x-zone extra  -> ["eu"]`, `trailer.x-count changed "3" -> "4"`,
		}},
		{"latency, where it is asked for", Rules{Ignore: []string{"status", "status_message", "details.**", "details[].**", "header.*", "trailer.x-*"}, Tolerance: []string{"latency 50%"}}, false,
			[]string{"latency changed 1ms -> 1s"}},
		{"latency within its tolerance", Rules{Ignore: []string{"status", "status_message", "details[].**", "header.*", "trailer.x-*"}, Tolerance: []string{"latency 2s"}}, false, nil},
		{"the client did not wait for the end", Rules{}, true, []string{`header.x-region missing ["eu"] ->`, `header.x-zone extra  -> ["eu"]`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			call := Call{Method: "S/M", Want: want, Got: got}
			call.Want.Cut = row.cut
			if diff := cmp.Diff(row.want, lines(comparer(t, row.rules).Compare(&call))); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreams(t *testing.T) {
	md, types := orderType(t)
	messages := func(ids string) [][]byte {
		var out [][]byte
		for _, id := range ids {
			out = append(out, encode(t, md, types, fmt.Sprintf(`{"id":%q}`, string(id))))
		}
		return out
	}
	for _, row := range []struct {
		name, want, got string
		cut             bool
		differences     []string
	}{
		{"one message more in the middle", "abc", "abxc", false, []string{`messages[2] extra  -> {"id":"x"}`}},
		{"the first one is missing", "abc", "bc", false, []string{`messages[0] missing {"id":"a"} ->`}},
		{"two have changed places", "abcd", "acbd", false, []string{`messages[1] reordered at 1: {"id":"b"} -> at 2: {"id":"b"}`}},
		{"nothing came", "ab", "", false, []string{`messages[0] missing {"id":"a"} ->`, `messages[1] missing {"id":"b"} ->`}},
		{"the client left early", "ab", "abcd", true, nil},
		{"one has changed", "abc", "axc", false, []string{`messages[1].id changed "b" -> "x"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			call := Call{Method: "S/M", Output: md, Streams: true, Want: Answer{Messages: messages(row.want), Cut: row.cut}, Got: Answer{Messages: messages(row.got)}}
			if diff := cmp.Diff(row.differences, lines(comparer(t, Rules{}).Compare(&call))); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSame(t *testing.T) {
	md, types := orderType(t)
	c := comparer(t, Rules{})
	c.Same = func(want, got string, _ bool) bool { return want == "old-1" && got == "new-1" }
	call := Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{encode(t, md, types, `{"id":"old-1","note":"old-1"}`)}},
		Got: Answer{Messages: [][]byte{encode(t, md, types, `{"id":"new-1","note":"new-2"}`)}}}
	want := []string{`message.note changed "old-1" -> "new-2"`}
	if got := lines(c.Compare(&call)); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
}

func TestRulesThatCannotBeRead(t *testing.T) {
	for _, row := range []struct {
		rules Rules
		want  string
	}{
		{Rules{Ignore: []string{""}}, "a path is missing"},
		{Rules{Ignore: []string{"Detect/detect"}}, "a path is missing"},
		{Rules{Ignore: []string{"message..id"}}, "is no path"},
		{Rules{Ignore: []string{"message[x]"}}, "is no path"},
		{Rules{Ignore: []string{"message.id gone"}}, "one of changed, missing"},
		{Rules{Ignore: []string{"[/x message.id"}}, "no pattern of methods"},
		{Rules{Tolerance: []string{"message.id"}}, "a tolerance"},
		{Rules{Tolerance: []string{"message.id -1"}}, "a tolerance"},
		{Rules{Tolerance: []string{"message.id NaN"}}, "a tolerance"},
		{Rules{Unordered: []string{"message.id of sku"}}, "the key of the items"},
		{Rules{Keys: []string{"message.id"}}, "the key of the items"},
	} {
		if _, err := New(row.rules); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("New(%v) = %v, want an error with %q", row.rules, err, row.want)
		}
	}
}

// A group's rule, pasted, silences its group and nothing else.
func TestGroups(t *testing.T) {
	md, types := orderType(t)
	pairs := [][2]string{
		{`{"id":"a","score":1,"data":"{\"a b\":[1]}"}`, `{"id":"b","score":2,"data":"{\"a b\":[2]}"}`},
		{`{"id":"a","stock":{"k/1":1}}`, `{"id":"c","stock":{"k/1":2}}`},
		{`{"id":"a"}`, `{"id":"a"}`},
		{`{"card":"1"}`, `{"cash":"1"}`},
	}
	run := func(rules Rules) *Groups {
		c := comparer(t, rules)
		c.Types = types
		var g Groups
		for i, p := range pairs {
			g.Add("S/M", i+1, c.Compare(&Call{Method: "S/M", Output: md, Want: Answer{Messages: [][]byte{encode(t, md, types, p[0])}}, Got: Answer{Messages: [][]byte{encode(t, md, types, p[1])}}}))
		}
		return &g
	}
	all := run(Rules{}).Report()
	if all.Calls != 4 || all.Different != 3 || len(all.Groups) != 5 || all.Groups[0].Count != 2 || all.Groups[0].Path != "message.id" {
		t.Fatalf("report %+v, want 5 groups in 3 of 4 calls, message.id first with 2", all)
	}
	for i, silenced := range all.Groups {
		left := run(Rules{Ignore: []string{silenced.Ignore}}).Report()
		want := slices.Delete(slices.Clone(all.Groups), i, i+1)
		if diff := cmp.Diff(want, left.Groups); diff != "" || left.Ignored != silenced.Count {
			t.Errorf("with %q, %d ignored (-want +got):\n%s", silenced.Ignore, left.Ignored, diff)
		}
	}

	// What the baseline shows against itself is noise; a call that shows
	// nothing else is not different.
	g := run(Rules{})
	g.AddNoise("S/M", Result{Differences: []Difference{{Group: "message.id", Kind: Changed}, {Group: `message.stock["k/1"]`, Kind: Changed}}})
	if r := g.Report(); r.Noise != 3 || r.Different != 2 || len(r.Groups) != 3 {
		t.Errorf("with noise: noise %d, different %d, groups %d, want 3, 2, 3", r.Noise, r.Different, len(r.Groups))
	}
}

// A run that shows ever new differences takes no more memory for it, and is
// still different.
func TestGroupsAreBounded(t *testing.T) {
	var g Groups
	for i := range 3 * maxGroups {
		g.Add("S/M", i, Result{Differences: []Difference{{Group: fmt.Sprint("message.x", i), Kind: Changed}}})
	}
	if r := g.Report(); len(r.Groups) != maxGroups || r.Different != 3*maxGroups {
		t.Errorf("%d groups in %d calls, want %d in %d", len(r.Groups), r.Different, maxGroups, 3*maxGroups)
	}
}
