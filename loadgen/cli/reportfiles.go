package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// findReports returns the report files that the arguments mean, each once: a
// file, every report.json in a folder and below it, or what a pattern matches.
func findReports(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		found, err := reportsAt(arg)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if !slices.Contains(out, path) {
				out = append(out, path)
			}
		}
	}
	return out, nil
}

// reportsAt returns the report files that one argument means.
func reportsAt(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?[") {
		return reportsLike(arg)
	}
	switch {
	case err != nil:
		return nil, usage(err.Error(), "give report.json files, folders that hold some, or patterns in quotes")
	case !info.IsDir():
		return []string{filepath.Clean(arg)}, nil
	}
	var out []string
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == "report.json" {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, usage(fmt.Sprintf("no report.json in %s", arg), "loadgen load --report "+arg+" writes one")
	}
	return out, nil
}

// reportsLike returns the reports that a pattern matches.
func reportsLike(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, usage(fmt.Sprintf("%s: %v", pattern, err))
	}
	if len(paths) == 0 {
		return nil, usage("no file matches " + pattern)
	}
	return findReports(paths)
}

// readReports reads report files. One that is none is an invalid file.
func readReports(paths []string) ([]*report.Report, error) {
	var out []*report.Report
	for _, path := range paths {
		r, err := report.ReadFile(path)
		if err != nil {
			return nil, withCode(exitFile, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// output is one view that goes to a file.
type output struct{ kind, path string }

// parseOutputs reads values of --output, KIND=FILE.
func parseOutputs(values, kinds []string) ([]output, error) {
	var out []output
	for _, value := range values {
		kind, path, ok := strings.Cut(value, "=")
		if !ok || path == "" || !slices.Contains(kinds, kind) {
			return nil, usage(fmt.Sprintf("--output %q is not KIND=FILE", value), "kinds are "+strings.Join(kinds, ", "))
		}
		out = append(out, output{kind, path})
	}
	return out, nil
}

// writeOutput writes one view into its file, which appears complete or not at
// all; "-" is stdout.
func writeOutput(e *env, o output, write func(io.Writer) error) error {
	if o.path == "-" {
		return write(e.stdout)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", o.kind, err)
	}
	if err := render.Replace(o.path, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", o.kind, err)
	}
	return nil
}
