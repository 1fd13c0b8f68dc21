package scaffold_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/scaffold"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/proto/hello"
)

// NB: if TestGolden fails, run `go test ./loadgen/scaffold -update` and read
// the diff. Only commit the changes if you understand what caused them and if
// they are desired.
var update = flag.Bool("update", false, "write the golden files anew")

func Example() {
	known := schema.FromFiles(hello.File_hello_hello_proto)
	seen := map[protoreflect.Name]scaffold.Outcome{"SayHello": {Status: "OK", Received: 1}}
	text := string(scaffold.File(known.Services()[0], seen))
	fmt.Println(text[strings.Index(text, "steps:"):strings.Index(text, "  # rpc LotsOfReplies")])
	// Output:
	// steps:
	//   # rpc SayHello (HelloRequest) returns (HelloResponse)
	//   - id: SayHello
	//     call: HelloService/SayHello
	//     timeout: 2s
	//     send:
	//       greeting: ""  # string
	//     expect:
	//       status: OK  # what it answered; say more, such as message: {field: value}
}

// outcomes are one of each sort, under names that services have.
var outcomes = map[protoreflect.Name]scaffold.Outcome{
	"Everything": {Status: "INVALID_ARGUMENT", Message: "text: \x1b[31mis\nmissing # and \u202Emore " + strings.Repeat("x", 100)},
	"Pour":       {Status: "OK", Received: 1},
	"Talk":       {Status: "CANCELLED", Endless: true},
	"Watch":      {Status: "CANCELLED", Received: 3, Endless: true},
	"Get":        {Status: "OK", Received: 2},
}

// TestGolden writes the files of services with every sort of field. Each file
// has to fit the very schema that it was made from.
func TestGolden(t *testing.T) {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"testdata"}})}
	files, err := compiler.Compile(t.Context(), "rich.proto", "old.proto")
	if err != nil {
		t.Fatal(err)
	}
	known := schema.FromFiles(files[0], files[1], grpc_testing.File_grpc_testing_test_proto, grpc_health_v1.File_grpc_health_v1_health_proto,
		reflectionv1.File_grpc_reflection_v1_reflection_proto)
	services := scaffold.Services(known)
	for _, service := range services {
		name := scaffold.Name(service)
		text := scaffold.File(service, outcomes)
		file, err := scenario.Parse(name, text)
		if err == nil {
			_, err = scenario.Compile(file, known, scenario.Options{})
		}
		if err != nil {
			t.Errorf("%v\nin\n%s", err, text)
		}
		if strings.HasPrefix(name, "grpc.reflection") {
			t.Errorf("%s is written", name)
		}
		if !strings.HasPrefix(name, "rich") && !strings.HasPrefix(name, "old") {
			continue
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if len(services) < 5 {
		t.Errorf("%d services", len(services))
	}
}

func TestMakefileTakesTheFlagsLiterally(t *testing.T) {
	text := string(scaffold.Makefile(scaffold.Project{Address: "host:1", Flags: `--plaintext -H 'authorization: '"$AUTHORIZATION"`}))
	for _, want := range []string{"TARGET  ?= host:1\n", `FLAGS   ?= --plaintext -H 'authorization: '"$$AUTHORIZATION"` + "\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Makefile lacks %q:\n%s", want, text)
		}
	}
	if text := string(scaffold.Makefile(scaffold.Project{})); !strings.Contains(text, "\nFLAGS   ?=\n") || strings.Contains(text, "TARGET  ?=") {
		t.Errorf("without a target:\n%s", text)
	}
}
