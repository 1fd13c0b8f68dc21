package runner

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"touchstone/loadgen/report"
	"touchstone/loadgen/scenario"
	"touchstone/server/source"
)

// Known is a list of what is known to fail. What it lists has to fail, and has
// to exist: the list cannot outlive its reasons. A nil Known lists nothing.
//
// A line is a pattern of scenario files, which may be followed by a colon and
// the id of a step; "#" starts a comment:
//
//	retry-*.yaml            # the whole scenario fails
//	bidi/order.yaml:reorder # this step fails, and no other
//
// A pattern without a folder matches in any folder; else it matches the end of
// the file's path.
type Known struct {
	file    *source.File
	entries []known
}

// known is one line of a list.
type known struct {
	pos  source.Pos
	glob string
	step string // "" is the whole scenario
}

// ParseKnown reads a list. The error is a [source.Errors].
func ParseKnown(name string, text []byte) (*Known, error) {
	k := &Known{file: source.NewFile(name, string(text))}
	r := &source.Reporter{File: k.file}
	for i, line := range strings.Split(string(text), "\n") {
		content, _, _ := strings.Cut(line, "#")
		entry := strings.TrimSpace(content)
		if entry == "" {
			continue
		}
		pos := source.Pos{Line: i + 1, Col: 1 + len([]rune(content[:strings.Index(content, entry)]))}
		glob, step, _ := strings.Cut(entry, ":")
		glob = strings.TrimSpace(glob)
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			r.Errorf(pos, "%q is not a pattern of file names", glob).Hint = "write a name such as retry-*.yaml"
			continue
		}
		k.entries = append(k.entries, known{pos: pos, glob: glob, step: strings.TrimSpace(step)})
	}
	return k, r.Err()
}

// String returns the list without its comments; it reads back as the same.
func (k *Known) String() string {
	var b strings.Builder
	for _, e := range k.entries {
		b.WriteString(e.glob)
		if e.step != "" {
			b.WriteString(":" + e.step)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// matches reports whether the pattern fits the path of a file.
func (e known) matches(file string) bool {
	file = filepath.ToSlash(file)
	parts := strings.Split(file, "/")
	n := strings.Count(e.glob, "/") + 1
	if n > len(parts) {
		return false
	}
	ok, _ := path.Match(e.glob, strings.Join(parts[len(parts)-n:], "/"))
	return ok
}

// Check reports entries that name nothing in the files, which are all that
// there are: those that a run leaves out, too. The error is a [source.Errors].
func (k *Known) Check(files []*scenario.File) error {
	if k == nil {
		return nil
	}
	r := &source.Reporter{File: k.file}
	for _, e := range k.entries {
		if !slices.ContainsFunc(files, e.exists) {
			r.Errorf(e.pos, "no scenario or step of this run is named so").Hint = "take the line out if what it speaks of is gone"
		}
	}
	return r.Err()
}

// exists reports whether the file, or a step in it, is the one that is named.
func (e known) exists(f *scenario.File) bool {
	return e.matches(f.Source.Name) &&
		(e.step == "" || slices.ContainsFunc(f.Steps, func(s *scenario.StepDecl) bool { return s.ID == e.step }))
}

// apply judges the result of a scenario by the list: a failure that is listed
// is known, and what is listed and does not fail is a failure.
func (k *Known) apply(s *report.Scenario) {
	if k == nil || s.Status == report.Skipped {
		return
	}
	if e, ok := k.entry(s.File, ""); ok {
		k.whole(s, e)
		return
	}
	listed, unlisted := 0, 0 // steps that fail
	for i := range s.Steps {
		switch e, ok := k.entry(s.File, s.Steps[i].ID); {
		case !ok && len(s.Steps[i].Failures) > 0:
			unlisted++
		case ok && len(s.Steps[i].Failures) > 0:
			listed++
		case ok && s.Steps[i].Reason == "": // it ran
			k.rotten(&s.Steps[i], e)
			s.Status = report.Failed
			unlisted++
		}
	}
	if s.Status == report.Failed && listed > 0 && unlisted == 0 {
		s.Status, s.Reason = report.KnownFailing, "listed in "+k.file.Name
	}
}

// entry returns the entry that lists a step.
func (k *Known) entry(file, step string) (known, bool) {
	for _, e := range k.entries {
		if e.step == step && e.matches(file) {
			return e, true
		}
	}
	return known{}, false
}

// whole judges a scenario that is listed as a whole.
func (k *Known) whole(s *report.Scenario, e known) {
	if s.Status != report.Passed {
		s.Status, s.Reason = report.KnownFailing, fmt.Sprintf("listed at %s:%d", k.file.Name, e.pos.Line)
		return
	}
	s.Status, s.Reason = report.Failed, fmt.Sprintf("listed at %s:%d as failing, but it passed", k.file.Name, e.pos.Line)
	if len(s.Steps) > 0 {
		k.rotten(&s.Steps[0], e)
	}
}

// rotten adds the failure of a step that is listed and passed.
func (k *Known) rotten(step *report.Step, e known) {
	step.Failures = append(step.Failures, report.Failure{
		File: k.file.Name, Line: e.pos.Line, Column: e.pos.Col, Source: k.file.Line(e.pos.Line),
		Field: "known failing", Want: "a failure", Got: "it passed",
		Message: "listed as known to fail, but it passed: take it off the list",
	})
}
