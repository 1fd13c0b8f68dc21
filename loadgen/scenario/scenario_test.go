package scenario_test

import (
	"os"
	"testing"

	"github.com/bufbuild/protocompile"

	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/proto/detect"
	"touchstone/proto/hello"
)

// testSchema offers Detect, HelloService and the services of
// testdata/chat.proto.
func testSchema(t testing.TB) *schema.Schema {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		ImportPaths: []string{"testdata"},
	})}
	files, err := compiler.Compile(t.Context(), "chat.proto")
	if err != nil {
		t.Fatal(err)
	}
	return schema.FromFiles(detect.File_detect_detect_proto, hello.File_hello_hello_proto, files[0])
}

// compile parses and compiles a text.
func compile(t testing.TB, text string) (*scenario.Program, error) {
	t.Helper()
	f, err := scenario.Parse("testdata/test.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	return scenario.Compile(f, testSchema(t), scenario.Options{})
}

func TestTour(t *testing.T) {
	text, err := os.ReadFile("testdata/tour.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compile(t, string(text)); err != nil {
		t.Fatal(err)
	}
}
