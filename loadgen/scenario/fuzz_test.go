package scenario_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchstone/loadgen/scenario"
	"touchstone/server/source"
)

// FuzzParse checks that no text makes Parse or Compile panic, that every
// mistake stands within the file, and that Compile reports whatever Parse does.
func FuzzParse(f *testing.F) {
	s := testSchema(f)
	seeds, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(seeds, "testdata/tour.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	noFiles := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	f.Fuzz(func(t *testing.T, text string) {
		file, err := scenario.Parse("f.yaml", []byte(text))
		within(t, text, err)
		if file == nil {
			return
		}
		_, compileErr := scenario.Compile(file, s, scenario.Options{ReadFile: noFiles})
		within(t, text, compileErr)
		if err != nil && compileErr == nil {
			t.Errorf("%q: Compile does not mind %v", text, err)
		}
	})
}

// within checks that an error is a list of mistakes, each within the text.
func within(t *testing.T, text string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	mistakes, ok := errors.AsType[source.Errors](err)
	if !ok {
		t.Fatalf("%q: %T %v", text, err, err)
	}
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
	for _, e := range mistakes {
		if e.Pos.Line < 1 || e.Pos.Line > lines || e.Pos.Col < 1 {
			t.Errorf("%q: position %v of %q", text, e.Pos, e.Msg)
		}
	}
}
