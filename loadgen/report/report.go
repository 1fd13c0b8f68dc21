// Package report is the result of a run as data. Its JSON form is the source
// of every other view; reports/README.md describes it field by field.
package report

import "time"

// Schema is the version that Report is written with.
const Schema = "touchstone.report/v1"

// Report is the outcome of one run. Durations are milliseconds.
type Report struct {
	Schema     string      `json:"schema"`
	Name       string      `json:"name"`
	Started    time.Time   `json:"started"`
	DurationMS float64     `json:"duration_ms"`
	Seed       uint64      `json:"seed"`
	Tool       Tool        `json:"tool"`
	Target     Target      `json:"target"`
	Command    []string    `json:"command"`
	Passed     bool        `json:"passed"`
	ExitCode   int         `json:"exit_code"`
	Validity   Validity    `json:"validity"`
	Warnings   []string    `json:"warnings,omitempty"` // what a reader should know; no figure is wrong for it
	Scenarios  []Scenario  `json:"scenarios,omitempty"`
	Loads      []Load      `json:"loads,omitempty"`
	Retry      []Retry     `json:"retry,omitempty"`
	Thresholds []Threshold `json:"thresholds,omitempty"`
	Capacity   *Capacity   `json:"capacity,omitempty"`
	Diff       *Diff       `json:"diff,omitempty"`
}

// Tool says what produced a report, and where.
type Tool struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	GRPC    string `json:"grpc"`
	OS      string `json:"os"`
	CPUs    int    `json:"cpus"`
	// The machine, as far as it can be known; two runs are compared with care
	// where these differ.
	Revision string  `json:"revision,omitempty"` // of loadgen's source
	CPUModel string  `json:"cpu_model,omitempty"`
	Kernel   string  `json:"kernel,omitempty"`
	MaxProcs int     `json:"max_procs,omitempty"` // GOMAXPROCS
	MemoryMB float64 `json:"memory_mb,omitempty"`
}

// Target says what was tested.
type Target struct {
	Address  string `json:"address"`
	Embedded bool   `json:"embedded"` // the reference server, started by this run
}

// Validity says whether the figures are the target's own. A run whose
// generator was the bottleneck is not valid.
type Validity struct {
	Valid   bool     `json:"valid"`
	Reasons []string `json:"reasons,omitempty"`
}

// Status is the outcome of a scenario or step.
type Status string

// The outcomes. KnownFailing is a failure that a known-failing list expects.
const (
	Passed       Status = "passed"
	Failed       Status = "failed"
	Error        Status = "error" // it could not be run
	Skipped      Status = "skipped"
	KnownFailing Status = "known_failing"
)

// Interrupted is the reason of what a signal kept from running.
const Interrupted = "interrupted"

// Scenario is the outcome of one scenario file.
type Scenario struct {
	Name       string   `json:"name"`
	File       string   `json:"file"`
	Tags       []string `json:"tags,omitempty"`
	Status     Status   `json:"status"`
	Reason     string   `json:"reason,omitempty"` // of Error, Skipped and KnownFailing
	DurationMS float64  `json:"duration_ms"`
	Steps      []Step   `json:"steps"`
}

// Step is the outcome of one call of a scenario.
type Step struct {
	ID            string    `json:"id"`
	Line          int       `json:"line"`
	Call          string    `json:"call"`
	Kind          string    `json:"kind"`   // unary, server_stream, client_stream or bidi_stream
	Status        string    `json:"status"` // the gRPC status, such as OK; "" when the step did not run
	StatusMessage string    `json:"status_message,omitempty"`
	Reason        string    `json:"reason,omitempty"` // why it did not run, or not to its end
	DurationMS    float64   `json:"duration_ms"`
	Sent          int       `json:"sent"`     // messages
	Received      int       `json:"received"` // messages
	Failures      []Failure `json:"failures,omitempty"`
	Attempts      []Attempt `json:"attempts,omitempty"`
	// Of a step that failed: what was said, and commands that say it again.
	Exchange  []Message `json:"exchange,omitempty"`
	Reproduce string    `json:"reproduce,omitempty"` // a loadgen command
	Grpcurl   string    `json:"grpcurl,omitempty"`   // the equal grpcurl command; "" when it has none
}

// Message is one message of a call.
type Message struct {
	Direction string  `json:"direction"` // send or recv; skip for messages left out
	TMS       float64 `json:"t_ms"`      // from the start of the call
	JSON      string  `json:"json"`      // cut when it is long
}

// Failure is one expectation that did not hold, with the place in the scenario
// file that states it.
type Failure struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Source  string `json:"source,omitempty"` // the text of the line
	Field   string `json:"field"`            // such as message.user.id, status, trailer.x-count
	Want    string `json:"want"`
	Got     string `json:"got"`
	Message string `json:"message"`
}

// Attempt is one attempt of a call, as the client made it.
type Attempt struct {
	Number      int     `json:"number"`   // from 1
	StartMS     float64 `json:"start_ms"` // from the start of the call
	GapMS       float64 `json:"gap_ms"`   // from the end of the attempt before; 0 for the first
	EndMS       float64 `json:"end_ms"`
	Status      string  `json:"status"`
	Transparent bool    `json:"transparent"`
	// What the policy allows GapMS to be; nil when it says nothing about it.
	LegalMinMS *float64 `json:"legal_min_ms,omitempty"`
	LegalMaxMS *float64 `json:"legal_max_ms,omitempty"`
}

// Retry is the verdict of one retry check.
type Retry struct {
	ID       string `json:"id"`
	Verdict  string `json:"verdict"` // pass, fail, deviation, inconclusive or skipped
	Expected string `json:"expected"`
	Observed string `json:"observed"`
	Name     string `json:"name,omitempty"` // in words
	// Of a check that did not pass: the attempts of the call that shows why.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Threshold is the outcome of one threshold expression.
type Threshold struct {
	Expression string  `json:"expression"`
	Value      float64 `json:"value"` // in the unit of the expression
	Limit      float64 `json:"limit"` // in the unit of the expression
	Passed     bool    `json:"passed"`
	Load       string  `json:"load"`
	Message    string  `json:"message,omitempty"` // why there is no value to judge; "" when there is one
}
