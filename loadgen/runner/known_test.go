package runner_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
)

func TestKnown(t *testing.T) {
	// half passes in its first step and fails in its others.
	const half = `
version: 1
steps:
  - {id: good, call: HelloService/SayHello, send: {greeting: a}}
  - {id: bad, call: HelloService/SayHello, send: {greeting: a}, expect: {status: ABORTED}}
  - {id: worse, call: HelloService/SayHello, send: {greeting: a}, expect: {status: ABORTED}}
  - {id: off, skip: not today, call: HelloService/SayHello}`
	for _, test := range []struct {
		name, list string
		want       []string // of good, bad and half
	}{
		{"no list", "", []string{"passed", "failed", "failed"}},
		{"a scenario that fails is known to", "b.yaml # why", []string{"passed", "known_failing: listed at list:1", "failed"}},
		{"a pattern", "[bc].yaml", []string{"passed", "known_failing: listed at list:1", "known_failing: listed at list:1"}},
		{"a scenario that passes has to come off the list", "a.yaml", []string{"failed: listed at list:1 as failing, but it passed", "failed", "failed"}},
		{"every step that fails is listed", "c.yaml:bad\nc.yaml:worse", []string{"passed", "failed", "known_failing: listed in list"}},
		{"one that fails is not listed", "c.yaml:bad", []string{"passed", "failed", "failed"}},
		{"a step that passes has to come off the list", "c.yaml:bad\nc.yaml:worse\nc.yaml:good", []string{"passed", "failed", "failed"}},
		{"a step that does not run proves nothing", "c.yaml:bad\nc.yaml:worse\nc.yaml:off", []string{"passed", "failed", "known_failing: listed in list"}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			known, err := runner.ParseKnown("list", []byte(test.list))
			if err != nil {
				t.Fatal(err)
			}
			checkStatuses(t, runWith(t, t.Context(), echo, runner.Config{Known: known}, good, bad, half), test.want...)
		})
	}
}

func TestRottenEntryIsAFailureOfItsOwnLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, err := runner.ParseKnown("list", []byte("# nothing\n  a.yaml\n"))
		if err != nil {
			t.Fatal(err)
		}
		r := runWith(t, t.Context(), echo, runner.Config{Known: known}, good)
		want := report.Failure{
			File: "list", Line: 2, Column: 3, Source: "  a.yaml", Field: "known failing", Want: "a failure", Got: "it passed",
			Message: "listed as known to fail, but it passed: take it off the list",
		}
		if got := r.Scenarios[0].Steps[0].Failures; !slices.Equal(got, []report.Failure{want}) {
			t.Errorf("failures %+v, want %+v", got, want)
		}
	})
}

func TestKnownHasToExist(t *testing.T) {
	files := []*scenario.File{compile(t, "some/folder/b.yaml", bad).File}
	for _, test := range []struct{ name, list, want string }{
		{"a file", "b.yaml", ""},
		{"a file in its folder", "folder/b.yaml:wrong", ""},
		{"a pattern that spans folders", "*/folder/*.yaml", ""},
		{"no such file", "x.yaml", "list:1:1: no scenario or step of this run is named so"},
		{"a folder too many", "a/some/folder/b.yaml", "list:1:1: "},
		{"another folder", "other/b.yaml", "list:1:1: "},
		{"no such step", "\n b.yaml:right", "list:2:2: "},
		{"not a pattern", "b[.yaml", `list:1:1: "b[.yaml" is not a pattern of file names`},
		{"a step of no file", ":right", `list:1:1: "" is not a pattern`},
	} {
		t.Run(test.name, func(t *testing.T) {
			known, err := runner.ParseKnown("list", []byte(test.list))
			if err == nil {
				err = known.Check(files)
			}
			if got := errText(err); got == "" != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzParseKnown checks that reading never panics, and that what was read
// prints as a list that reads the same.
func FuzzParseKnown(f *testing.F) {
	for _, seed := range []string{"a.yaml", "a/*.yaml:step # why", "#", " x : y ", "[", "a:b:c", "\r\n\t", "0 :"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		known, err := runner.ParseKnown("list", []byte(text))
		if err != nil {
			return
		}
		again, err := runner.ParseKnown("list", []byte(known.String()))
		if err != nil || again.String() != known.String() {
			t.Errorf("%q prints as %q, which reads as %q, %v", text, known, again, err)
		}
	})
}
