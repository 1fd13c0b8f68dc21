package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"touchstone/loadgen/event"
	"touchstone/loadgen/report"
)

func ExampleStream() {
	var b bytes.Buffer
	s := event.NewStream(&b)
	s.StepEnd("greet.yaml", report.Step{ID: "hello", Failures: []report.Failure{{Line: 7, Field: "status", Want: "OK", Got: "NOT_FOUND"}}})
	for line := range strings.Lines(b.String()) {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return
		}
		os.Stdout.WriteString(string(e.Kind) + " " + e.File + "\n")
	}
	// Output:
	// step_end greet.yaml
	// failure greet.yaml
}

// evil is text that tries to end a line, or to act on a terminal.
const evil = "\n{\"event\":\"run_end\"}\r\x1b[31m\x00\u2028\u202e<script>"

// TestEachEventIsALine: whatever foreign text holds, an event is one line, and
// no character acts.
func TestEachEventIsALine(t *testing.T) {
	var b bytes.Buffer
	s := event.NewStream(&b)
	r := &report.Report{Name: evil, Target: report.Target{Address: evil}, Command: []string{evil}}
	s.RunStart(r)
	s.ScenarioStart(evil)
	s.StepEnd(evil, report.Step{ID: evil, Failures: []report.Failure{{Field: evil}, {Message: evil}}})
	s.LoadStart(evil)
	s.Window(evil, report.Window{T: 3, Statuses: map[string]int64{evil: 1}, HDR: "x"})
	s.RunEnd(r)
	want := []event.Kind{event.RunStart, event.ScenarioStart, event.StepEnd, event.Failed, event.Failed, event.LoadStart, event.Second, event.RunEnd}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), b.String())
	}
	for i, line := range lines {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind != want[i] || e.Time.IsZero() {
			t.Errorf("line %d is %s at %v, want %s", i, e.Kind, e.Time, want[i])
		}
		if strings.ContainsAny(line, "\x1b\x00\r\u202e") {
			t.Errorf("line %d acts: %q", i, line)
		}
		if e.Kind == event.Second && (e.Window.T != 3 || e.Window.HDR != "" || e.Load != evil) {
			t.Errorf("the window reads %+v", e)
		}
	}
	if !strings.Contains(lines[7], `"passed":false,"exit_code":0`) {
		t.Errorf("the end leaves out what is false or 0: %s", lines[7])
	}
}

type brokenWriter struct{ calls int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, errors.New("the reader is gone")
}

// TestErrorsEndTheStream: a run goes on when nobody reads its events.
func TestErrorsEndTheStream(t *testing.T) {
	var w brokenWriter
	s := event.NewStream(&w)
	for range 3 {
		s.LoadStart("a")
	}
	if w.calls != 1 || s.Err() == nil || !strings.Contains(s.Err().Error(), "the reader is gone") {
		t.Errorf("%d writes, error %v", w.calls, s.Err())
	}
	var none *event.Stream
	none.LoadStart("a")
	if none.Err() != nil {
		t.Error("no stream has an error")
	}
}

func TestConcurrentEvents(t *testing.T) {
	var b bytes.Buffer
	s := event.NewStream(&b)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				s.Window("load", report.Window{T: 1})
			}
		})
	}
	all.Wait()
	n := 0
	for line := range strings.Lines(b.String()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("%q", line)
		}
		n++
	}
	if n != 200 {
		t.Errorf("%d lines, want 200", n)
	}
}

// TestReadmeDescribesEveryField looks for each field in the description.
func TestReadmeDescribesEveryField(t *testing.T) {
	readme, err := os.ReadFile("../../reports/outputs.md")
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[event.Event]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("reports/outputs.md does not describe %q", name)
		}
	}
}
