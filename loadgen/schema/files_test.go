package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/schema"
)

// write puts files into a folder of their own.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// protoset encodes files as protoc does, all but those left out.
func protoset(t testing.TB, files *protoregistry.Files, without ...string) string {
	t.Helper()
	var set descriptorpb.FileDescriptorSet
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !slices.Contains(without, file.Path()) {
			set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
		}
		return true
	})
	data, err := proto.Marshal(&set)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOpenFiles(t *testing.T) {
	files := compile(t, map[string]string{"chat.proto": chat, "besides.proto": besides})
	wellKnown := []string{"google/protobuf/any.proto", "google/protobuf/timestamp.proto"}
	dir := write(t, map[string]string{
		"all.protoset":       protoset(t, files),
		"no-wkt.protoset":    protoset(t, files, wellKnown...),
		"chat.protoset":      protoset(t, files, "besides.proto"),
		"hollow.protoset":    protoset(t, files, "chat.proto"),
		"empty.protoset":     "",
		"text.protoset":      "syntax = \"proto3\";",
		"in/chat.proto":      chat,
		"in/besides.proto":   besides,
		"in/broken.proto":    "syntax = \"proto3\";\nmessage M { strin s = 1; }",
		"more/friends.proto": `syntax = "proto3"; import "chat.proto"; service Friends { rpc Add (chat.v1.Say) returns (chat.v1.Say); }`,
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct {
		name string
		cfg  schema.Config
		want []string // services, or
		err  string
	}{
		{"a protoset", schema.Config{Protosets: []string{in("all.protoset")}}, []string{"chat.v1.Chat"}, ""},
		{"a protoset without the well-known types", schema.Config{Protosets: []string{in("no-wkt.protoset")}}, []string{"chat.v1.Chat"}, ""},
		{"two protosets that need each other", schema.Config{Protosets: []string{in("hollow.protoset"), in("chat.protoset")}}, []string{"chat.v1.Chat"}, ""},
		{"a protoset that lacks an import", schema.Config{Protosets: []string{in("hollow.protoset")}}, nil, "--include_imports"},
		{"an empty protoset", schema.Config{Protosets: []string{in("empty.protoset")}}, nil, "empty.protoset: not a FileDescriptorSet"},
		{"a source given as a protoset", schema.Config{Protosets: []string{in("text.protoset")}}, nil, "not a FileDescriptorSet"},
		{"a protoset that is not there", schema.Config{Protosets: []string{in("none")}}, nil, "no such file"},
		{"a source by its import name", schema.Config{Protos: []string{"chat.proto"}, ImportPaths: []string{in("in")}}, []string{"chat.v1.Chat"}, ""},
		{"a source by its path", schema.Config{Protos: []string{in("in/chat.proto")}, ImportPaths: []string{in("in")}}, []string{"chat.v1.Chat"}, ""},
		{"a source without import path", schema.Config{Protos: []string{in("in/chat.proto")}}, []string{"chat.v1.Chat"}, ""},
		{"a source that imports another", schema.Config{Protos: []string{in("more/friends.proto")}, ImportPaths: []string{in("more"), in("in")}}, []string{"Friends", "chat.v1.Chat"}, ""},
		{"a source that imports from a protoset", schema.Config{Protos: []string{"friends.proto"}, ImportPaths: []string{in("more")}, Protosets: []string{in("chat.protoset")}}, []string{"Friends", "chat.v1.Chat"}, ""},
		{"a source with a mistake", schema.Config{Protos: []string{"broken.proto"}, ImportPaths: []string{in("in")}}, nil, "broken.proto:2:13"},
		{"a source that is not there", schema.Config{Protos: []string{"none.proto"}, ImportPaths: []string{in("in")}}, nil, "none.proto"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := schema.Open(t.Context(), test.cfg)
			if test.err != "" {
				if _, ok := errors.AsType[*schema.BadFile](err); !ok || !strings.Contains(err.Error(), test.err) {
					t.Errorf("Open: %v, want BadFile with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(s)); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesGoBeforeReflection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := compile(t, map[string]string{"a.proto": `syntax = "proto3"; package p; service Own { rpc M (R) returns (R); } message R { string local = 1; }`})
		remote := compile(t, map[string]string{
			"a.proto": `syntax = "proto3"; package p; service Own { rpc M (R) returns (R); } message R { string remote = 1; }`,
			"b.proto": `syntax = "proto3"; package q; service Other { rpc M (R) returns (R); } message R {}`})
		dir := write(t, map[string]string{"a.protoset": protoset(t, local)})
		cfg := schema.Config{Conn: serve(t, withV1(remote)), Protosets: []string{filepath.Join(dir, "a.protoset")}}

		if diff := cmp.Diff([]string{"p.Own"}, names(open(t, cfg))); diff != "" {
			t.Errorf("auto with files asks the target (-want +got):\n%s", diff)
		}
		cfg.Mode = schema.V1
		s := open(t, cfg)
		if diff := cmp.Diff([]string{"p.Own", "q.Other"}, names(s)); diff != "" {
			t.Errorf("services of both (-want +got):\n%s", diff)
		}
		md, err := s.Method("p.Own/M")
		if err != nil || md.Input().Fields().ByName("local") == nil {
			t.Errorf("p.Own/M is not that of the file: %v", err)
		}
	})
}

// FuzzProtoset checks that no file makes Open panic, and that what it takes
// has services that can be asked for by their names.
func FuzzProtoset(f *testing.F) {
	files := compile(f, map[string]string{"a.proto": `syntax = "proto2"; service S { rpc M (A) returns (A); }
message A { optional E e = 1 [default = V]; extensions 9; oneof o { A a = 2; } map<int32, A> m = 3; } enum E { V = 0; } extend A { optional int32 x = 9; }`,
		"b.proto": `edition = "2023"; package b; import "a.proto"; service S { rpc M (A) returns (stream A); }`})
	f.Add([]byte(protoset(f, files))) // small: fuzzing spends its time on making inputs smaller
	f.Add([]byte(protoset(f, files, "a.proto")))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "f.protoset")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := schema.Open(t.Context(), schema.Config{Protosets: []string{path}})
		if err != nil {
			return
		}
		for _, sd := range s.Services() {
			for i := range sd.Methods().Len() {
				name := schema.MethodName(sd.Methods().Get(i))
				if _, err := s.Method(name); err != nil {
					t.Errorf("Method(%q): %v", name, err)
				}
			}
		}
	})
}
