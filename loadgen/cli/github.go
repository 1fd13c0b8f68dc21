package cli

import (
	"fmt"
	"io"
	"os"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// tellGitHub shows a report where GitHub Actions looks: failures as annotations
// beside the lines of the files, and the summary on the page of the run. It
// does nothing elsewhere. What goes wrong is a warning: the run has its report.
func tellGitHub(e *env, r *report.Report) {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	dir, err := os.Getwd()
	if err == nil {
		// stderr is read for commands as well, and --output KIND=- leaves
		// stdout to its view.
		err = render.Annotations(e.stderr, r, os.Getenv("GITHUB_WORKSPACE"), dir)
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "warning: annotations: %v\n", err)
	}
	addSummary(e, func(w io.Writer, room int) error { return render.StepSummary(w, r, room) })
}

// addSummary adds to the summary of the step, if there is one. write gets how
// many bytes are left of what GitHub takes.
func addSummary(e *env, write func(w io.Writer, room int) error) {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if os.Getenv("GITHUB_ACTIONS") != "true" || path == "" {
		return
	}
	if err := appendSummary(path, write); err != nil {
		fmt.Fprintf(e.stderr, "warning: step summary: %v\n", err)
	}
}

// appendSummary appends to the file of the step, which other commands of the
// step may have written to.
func appendSummary(path string, write func(w io.Writer, room int) error) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	room := render.MaxStepSummary - int(min(info.Size(), render.MaxStepSummary))
	if err := write(file, room); err != nil {
		return err
	}
	return file.Close()
}
