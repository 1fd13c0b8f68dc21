// Package event writes what happens in a run while it happens, one JSON object
// a line. reports/README.md describes the objects.
package event

import (
	"fmt"
	"io"
	"sync"
	"time"

	"touchstone/loadgen/report"
)

// Schema is the version of the objects. Within it fields and events are only
// added.
const Schema = "touchstone.events/v1"

// Stream writes events. A nil Stream writes nothing, so that nobody has to ask
// whether there is one. It is safe for concurrent use.
type Stream struct {
	mu  sync.Mutex // guards what follows
	out io.Writer
	err error
}

// NewStream returns a stream that writes each event as it comes.
func NewStream(w io.Writer) *Stream { return &Stream{out: w} }

// Kind is what an event tells of.
type Kind string

// The kinds, and the fields that each has.
const (
	RunStart      Kind = "run_start"      // schema, name, seed, target, command
	ScenarioStart Kind = "scenario_start" // file
	StepEnd       Kind = "step_end"       // file, step
	Failed        Kind = "failure"        // file, id, failure
	LoadStart     Kind = "load_start"     // load
	Second        Kind = "window"         // load, window
	RunEnd        Kind = "run_end"        // passed, exit_code, duration_ms, reasons
)

// Event is one line. What its kind does not have is left out.
type Event struct {
	Kind Kind      `json:"event"`
	Time time.Time `json:"time"` // RFC 3339, UTC

	Schema  string         `json:"schema,omitempty"`
	Name    string         `json:"name,omitempty"`
	Seed    *uint64        `json:"seed,omitempty"`
	Target  *report.Target `json:"target,omitempty"`
	Command []string       `json:"command,omitempty"`

	File    string          `json:"file,omitempty"`
	ID      string          `json:"id,omitempty"` // of the step
	Step    *report.Step    `json:"step,omitempty"`
	Failure *report.Failure `json:"failure,omitempty"`

	Load   string         `json:"load,omitempty"`
	Window *report.Window `json:"window,omitempty"` // without its histogram

	Passed     *bool    `json:"passed,omitempty"`
	ExitCode   *int     `json:"exit_code,omitempty"`
	DurationMS *float64 `json:"duration_ms,omitempty"`
	Reasons    []string `json:"reasons,omitempty"` // why the run is not valid
}

// write writes one event. After a first error nothing more is written: a
// reader that went away does not come back.
func (s *Stream) write(e Event) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	e.Time = time.Now().UTC()
	text, err := report.JSON(e, "")
	if err == nil {
		_, err = s.out.Write(text)
	}
	if err != nil {
		s.err = fmt.Errorf("write events: %w", err)
	}
}

// Err returns the first error of writing.
func (s *Stream) Err() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// RunStart says that a run starts.
func (s *Stream) RunStart(r *report.Report) {
	s.write(Event{Kind: RunStart, Schema: Schema, Name: r.Name, Seed: &r.Seed, Target: &r.Target, Command: r.Command})
}

// ScenarioStart says that a scenario file starts.
func (s *Stream) ScenarioStart(file string) { s.write(Event{Kind: ScenarioStart, File: file}) }

// StepEnd says how a step ended, and then what failed in it, one by one.
func (s *Stream) StepEnd(file string, step report.Step) {
	s.write(Event{Kind: StepEnd, File: file, Step: &step})
	for i := range step.Failures {
		s.write(Event{Kind: Failed, File: file, ID: step.ID, Failure: &step.Failures[i]})
	}
}

// LoadStart says that a load starts.
func (s *Stream) LoadStart(load string) { s.write(Event{Kind: LoadStart, Load: load}) }

// Window tells a second of a load.
func (s *Stream) Window(load string, w report.Window) {
	w.HDR = ""
	s.write(Event{Kind: Second, Load: load, Window: &w})
}

// RunEnd says how the run ended.
func (s *Stream) RunEnd(r *report.Report) {
	s.write(Event{Kind: RunEnd, Passed: &r.Passed, ExitCode: &r.ExitCode, DurationMS: &r.DurationMS, Reasons: r.Validity.Reasons})
}
