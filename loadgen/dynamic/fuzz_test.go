package dynamic_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/dynamic"
	"touchstone/server/source"
)

// FuzzBuild checks that no text makes Build or Check panic, that Check finds
// nothing in what Build takes, and that a message reads back from its JSON.
func FuzzBuild(f *testing.F) {
	s := compile(f, sources())
	for _, seed := range []string{
		`{i32: -1, u64: "18446744073709551615", float: 1e-7, double: 1e21, bytes: "-_8", color: 77}`,
		`{counts: {a: 1}, by_number: {"-1": {}}, by_bool: {true: x}, inners: [{next: {}}]}`,
		`{at: "2026-01-31T12:00:00.5Z", for: -0.000000001s, struct: {a: [1, null]}, mask: a.bC, wbytes: aGk}`,
		`{any: {"@type": google.protobuf.Value, value: [1e400]}, any_value: null}`,
		`{any: {"@type": p.Inner, name: x}, anys: [{}, {"@type": a/b.C, "@value": AA}]}`,
		`{id: x, "[old.note]": hi, "[old.parts]": [{n: 1}]}`,
		`{box: {side: 1}, Item: [{name: ""}]}`,
		`{i32: "${x}", inner: "${y}"}`,
	} {
		for _, name := range []string{"p.All", "old.Base", "two.M"} {
			f.Add(name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		mt, err := s.Types().FindMessageByURL(name)
		if err != nil {
			return
		}
		file := source.NewFile("f", text)
		node, err := source.ParseYAML(file, []byte(text))
		if err != nil {
			return
		}
		built, checked := &source.Reporter{File: file}, &source.Reporter{File: file}
		m := dynamic.Build(built, mt.Descriptor(), node, s.Types())
		dynamic.Check(checked, mt.Descriptor(), node, s.Types())
		if built.Err() != nil {
			return
		}
		if err := checked.Err(); err != nil {
			t.Errorf("Check finds what Build takes: %v", err)
		}
		printed := dynamic.JSON(m, s.Types())
		if !json.Valid([]byte(printed)) {
			t.Fatalf("not JSON: %s", printed)
		}
		if node, err = source.ParseYAML(file, []byte(printed)); err != nil {
			t.Skip("YAML libraries do not read all of JSON")
		}
		again := dynamic.Build(built, mt.Descriptor(), node, s.Types())
		if err := built.Err(); err != nil {
			t.Fatalf("Build does not take its own JSON: %v", err)
		}
		if diff := cmp.Diff(m, again, protocmp.Transform(protocmp.MessageTypeResolver(s.Types())), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s reads as %s, and back differently:\n%s", text, printed, diff)
		}
	})
}

// FuzzJSON checks that whatever a target sends prints as JSON, the same each
// time.
func FuzzJSON(f *testing.F) {
	s := compile(f, sources())
	f.Add("p.All", []byte("\x08\x01\x72\x01\xff"))
	f.Add("old.Base", []byte("\x0a\x01x\x1b\x08\x01\x1c"))
	f.Add("p.All", []byte("\xa2\x02\x0a\x0a\x08p/p.Inner"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		mt, err := s.Types().FindMessageByURL(name)
		if err != nil {
			return
		}
		m := dynamicpb.NewMessage(mt.Descriptor())
		if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: s.Types()}).Unmarshal(data, m); err != nil {
			return
		}
		printed := dynamic.JSON(m, s.Types())
		if !json.Valid([]byte(printed)) {
			t.Errorf("not JSON: %s", printed)
		}
		if again := dynamic.JSON(m, s.Types()); again != printed {
			t.Errorf("printed as %s, then as %s", printed, again)
		}
	})
}
