package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"touchstone/loadgen/event"
	"touchstone/loadgen/otlp"
	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
)

// check finds mistakes in the flags before anything is started, and opens the
// file of --events: a run whose events nobody can read need not start.
func (f *resultFlags) check(e *env) error {
	if _, err := parseOutputs(f.outputs, render.Formats()); err != nil {
		return err
	}
	if f.takesStdout() > 1 {
		return usage("stdout is asked for more than once", "give all but one of --output and --events a file")
	}
	switch f.events {
	case "":
	case "-":
		f.stream, f.closer = event.NewStream(e.stdout), io.NopCloser(nil)
	default:
		file, err := os.Create(f.events)
		if err != nil {
			return usage("--events: " + err.Error())
		}
		f.stream, f.closer = event.NewStream(file), file
	}
	return nil
}

// takesStdout returns how many views and streams want stdout to themselves.
func (f *resultFlags) takesStdout() int {
	n := len(slices.DeleteFunc(slices.Clone(f.outputs), func(o string) bool { return !strings.HasSuffix(o, "=-") }))
	if f.events == "-" {
		n++
	}
	return n
}

// windows returns a function that takes the seconds of a load, tells the
// events, and hands them on.
func (f *resultFlags) windows(load string, next func(report.Window)) func(report.Window) {
	f.stream.LoadStart(load)
	return func(w report.Window) {
		f.stream.Window(load, w)
		next(w)
	}
}

// more writes what the flags ask for beside the folder, and tells GitHub. What
// cannot be sent or streamed is a warning: the run has its report.
func (f *resultFlags) more(ctx context.Context, e *env, r *report.Report) error {
	f.stream.RunEnd(r)
	if err := f.stream.Err(); err != nil {
		fmt.Fprintf(e.stderr, "warning: %v\n", err)
	}
	if f.closer != nil {
		if err := f.closer.Close(); err != nil {
			fmt.Fprintf(e.stderr, "warning: close events: %v\n", err)
		}
	}
	outputs, err := parseOutputs(f.outputs, render.Formats())
	if err != nil {
		return err
	}
	tellGitHub(e, r)
	if err := writeOutputs(e, outputs, r, render.TextOptions{}); err != nil {
		return err
	}
	if f.otlp != "" {
		// A run that a signal has ended still has figures to send.
		cfg := otlp.Config{Address: f.otlp, Headers: os.Getenv("OTEL_EXPORTER_OTLP_HEADERS")}
		if err := otlp.Send(context.WithoutCancel(ctx), cfg, r); err != nil {
			fmt.Fprintf(e.stderr, "warning: %v\n", err)
		}
	}
	return nil
}

// follow tells the events of a run of scenarios, beside what cfg tells others.
func (f *resultFlags) follow(cfg *runner.Config) {
	if f.stream == nil {
		return
	}
	progress, window, load := cfg.Progress, cfg.Window, ""
	if progress == nil {
		progress = func(string) {}
	}
	cfg.Progress = func(what string) {
		if name, ok := strings.CutPrefix(what, "load "); ok {
			load = name
			f.stream.LoadStart(name)
		} else {
			f.stream.ScenarioStart(what)
		}
		progress(what)
	}
	cfg.Window = func(w report.Window) {
		f.stream.Window(load, w)
		window(w)
	}
	cfg.Step = f.stream.StepEnd
}
