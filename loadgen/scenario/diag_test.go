package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/scenario"
)

// If TestDiagnostics fails, run `go test ./loadgen/scenario -update` and look
// at the diff. Commit the changes only if you understand what caused them, and
// if they are better for somebody who made the mistake.
var update = flag.Bool("update", false, "rewrite testdata/diag/*.stderr")

// TestDiagnostics compares what is said about each wrong file of
// testdata/diag with the text beside it.
func TestDiagnostics(t *testing.T) {
	s := testSchema(t)
	files, err := filepath.Glob("testdata/diag/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := scenario.Parse(name, text)
			if f != nil {
				_, err = scenario.Compile(f, s, scenario.Options{})
			}
			if err == nil {
				t.Fatal("nothing is wrong with the file")
			}
			got := filepath.ToSlash(err.Error()) + "\n"
			golden := strings.TrimSuffix(name, ".yaml") + ".stderr"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("what is said about %s changed (-want +got):\n%s", name, diff)
			}
		})
	}
}
