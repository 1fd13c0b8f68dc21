package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// maxSize bounds, in bytes, what Read takes.
const maxSize = 1 << 30

// Write writes r as indented JSON, under the schema that this package knows.
func Write(w io.Writer, r *Report) error {
	out := *r
	out.Schema = Schema
	text, err := JSON(&out, "  ")
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Read reads one report. Fields that it does not know are skipped: within one
// version fields are only added. Another version is refused.
func Read(rd io.Reader) (*Report, error) {
	dec := json.NewDecoder(io.LimitReader(rd, maxSize))
	var r Report
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("read report: schema %q, want %q", r.Schema, Schema)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("read report: text after the report, at byte %d", dec.InputOffset())
	}
	return &r, nil
}

// ReadFile reads the report in a file.
func ReadFile(path string) (*Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	defer file.Close()
	r, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
