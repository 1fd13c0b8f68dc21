// Package render shows a report: as text on a terminal, as Markdown, as JUnit,
// as a page (package html).
//
// A report holds text from elsewhere: status messages of a target, lines of a
// scenario file. Every view escapes it for its own format, so that neither a
// terminal nor a browser obeys it.
package render

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// views are the files that Dir writes.
var views = []struct {
	name  string
	write func(io.Writer, *report.Report) error
}{
	{"report.json", report.Write},
	{"junit.xml", JUnit},
	{"summary.md", Markdown},
	{"report.html", html.Write},
}

// Paths returns the files that Dir writes, in the order it writes them.
func Paths(dir string) []string {
	paths := make([]string, len(views))
	for i, v := range views {
		paths[i] = filepath.Join(dir, v.name)
	}
	return paths
}

// Dir writes all views of r into dir, which it makes. Each file appears
// complete or not at all: it is written beside its place and renamed.
func Dir(dir string, r *report.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for i, path := range Paths(dir) {
		var b bytes.Buffer
		if err := views[i].write(&b, r); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := Replace(path, b.Bytes()); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// Replace puts a file with the given content in the place of path.
func Replace(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails once it is renamed, as it should
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Chmod(0o644) // CreateTemp makes it private
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
