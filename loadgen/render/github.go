package render

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"touchstone/loadgen/report"
)

// maxAnnotations is how many errors GitHub shows of a step.
const maxAnnotations = 10

// maxAnnotation bounds the text of one, in bytes.
const maxAnnotation = 4 << 10

// annotation is a remark at a line of a file.
type annotation struct {
	file         string // "" for one about the whole run
	line, column int
	title, text  string
}

// Annotations writes what failed as the workflow commands that make GitHub show
// it beside the lines of the files, whose paths it wants from the root of the
// repository; the files of a report are as seen from dir. GitHub shows ten
// errors of a step: of more, the last one says how many are left out.
func Annotations(w io.Writer, r *report.Report, root, dir string) error {
	all := annotations(r)
	if left := len(all) - maxAnnotations; left > 0 {
		all = append(all[:maxAnnotations-1], annotation{title: "more", text: fmt.Sprintf("and %d more failures: see the report", left+1)})
	}
	var b strings.Builder
	for _, a := range all {
		a.file = fromRoot(a.file, root, dir)
		b.WriteString(a.command() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fromRoot returns a path as seen from the root, unless it lies elsewhere.
func fromRoot(file, root, dir string) string {
	if file == "" || root == "" {
		return file
	}
	whole := file
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(dir, file)
	}
	relative, err := filepath.Rel(root, whole)
	if err != nil || strings.HasPrefix(relative, "..") {
		return file
	}
	return filepath.ToSlash(relative)
}

// annotations returns what failed, in the order of the report.
func annotations(r *report.Report) []annotation {
	var out []annotation
	for _, s := range r.Scenarios {
		out = append(out, scenarioAnnotations(s)...)
	}
	for _, t := range r.Thresholds {
		if !t.Passed {
			out = append(out, annotation{title: "threshold of " + t.Load, text: t.Expression + ": " + judged(t)})
		}
	}
	for _, c := range r.Retry {
		if c.Verdict == "fail" {
			out = append(out, annotation{title: "retry check " + c.ID, text: fmt.Sprintf("want %s, got %s", c.Expected, c.Observed)})
		}
	}
	for _, reason := range r.Validity.Reasons {
		out = append(out, annotation{title: "not valid", text: reason})
	}
	return out
}

// scenarioAnnotations returns the failures of a scenario, or why it failed
// without one.
func scenarioAnnotations(s report.Scenario) []annotation {
	if s.Status != report.Failed && s.Status != report.Error {
		return nil
	}
	var out []annotation
	for _, step := range s.Steps {
		for _, f := range step.Failures {
			out = append(out, annotation{f.File, f.Line, f.Column, fmt.Sprintf("%s, step %s", s.Name, step.ID), summary(f)})
		}
	}
	if len(out) == 0 {
		out = append(out, annotation{file: s.File, line: 1, title: s.Name, text: s.Reason})
	}
	return out
}

// command is the workflow command of an annotation.
func (a annotation) command() string {
	var properties []string
	add := func(name, value string) {
		properties = append(properties, name+"="+workflowProperty(clip(visible(value), maxAnnotation)))
	}
	if a.file != "" {
		add("file", a.file)
		if a.line > 0 {
			add("line", fmt.Sprint(a.line))
		}
		if a.column > 0 {
			add("col", fmt.Sprint(a.column))
		}
	}
	add("title", a.title)
	return "::error " + strings.Join(properties, ",") + "::" + workflowData(clip(visible(a.text), maxAnnotation))
}

// workflowData escapes the message of a workflow command.
func workflowData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// workflowProperty escapes the value of a property of a workflow command.
func workflowProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// MaxStepSummary is how much GitHub takes as the summary of a step, in bytes.
// It refuses the whole of a larger one.
const MaxStepSummary = 1 << 20

// StepSummary writes a summary in Markdown of at most room bytes. One that
// would be longer ends at a line, and says so. It writes nothing when there is
// no room for anything.
func StepSummary(w io.Writer, r *report.Report, room int) error {
	var b bytes.Buffer
	if err := Markdown(&b, r); err != nil {
		return err
	}
	_, err := w.Write(shorten(b.Bytes(), room))
	return err
}

// shorten cuts Markdown after a line, and closes a code block that the cut
// leaves open.
func shorten(text []byte, room int) []byte {
	const note = "\n> The summary is cut here: it would be too large. The report has all of it.\n"
	if len(text) <= room {
		return text
	}
	var out, fence []byte
	for line := range bytes.Lines(text) {
		if len(out)+len(line)+len(fence)+len(note)+1 > room {
			break
		}
		out = append(out, line...)
		switch ticks := line[:len(line)-len(bytes.TrimLeft(line, "`"))]; {
		case fence == nil && len(ticks) >= 3:
			fence = append(bytes.Clone(ticks), '\n')
		case fence != nil && bytes.Equal(bytes.TrimSpace(line), bytes.TrimSpace(fence)):
			fence = nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return append(append(out, fence...), note...)
}
