package scenario

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"touchstone/server/source"
)

// dataDecl is `data:`: rows in a file or in place.
type dataDecl struct {
	pos  source.Pos
	file string
	rows []*source.Node
}

// Limits on data, which is kept in memory.
const (
	maxDataBytes = 64 << 20
	maxRows      = 1_000_000
)

// parseData reads a path, {file: path} or {rows: [...]}.
func parseData(r *source.Reporter, n *source.Node) *dataDecl {
	if n == nil {
		return nil
	}
	d := &dataDecl{pos: n.Pos}
	if n.Kind == source.String {
		d.file = n.Text
		return d
	}
	m := r.Mapping(n)
	if file := m.Take("file"); file != nil {
		d.file, d.pos = r.Str(file), file.Pos
	}
	rows := m.Take("rows")
	d.rows = r.List(rows)
	m.Done()
	if (d.file == "") == (rows == nil) {
		r.Errorf(n.Pos, "data has either a file or rows").Hint = "write data: {file: texts.jsonl}"
	}
	return d
}

// load returns the rows. Mistakes in a file are reported where they stand in
// it.
func (d *dataDecl) load(r *source.Reporter, read func(string) ([]byte, error)) []any {
	if d == nil {
		return nil
	}
	if d.file == "" {
		if len(d.rows) == 0 {
			r.Errorf(d.pos, "data has no rows")
		}
		rows := make([]any, len(d.rows))
		for i, n := range d.rows {
			rows[i] = n.Value()
		}
		return rows
	}
	path := filepath.FromSlash(d.file)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.File.Name), path)
	}
	text, err := read(path)
	if err != nil {
		r.Errorf(d.pos, "data: %v", err)
		return nil
	}
	rows, err := parseRows(path, text)
	if err != nil {
		reportData(r, d.pos, err)
	} else if len(rows) == 0 {
		r.Errorf(d.pos, "data: %s has no rows", path)
	}
	return rows
}

// reportData adds an error of another file, or one without a position.
func reportData(r *source.Reporter, pos source.Pos, err error) {
	if errs, ok := errors.AsType[source.Errors](err); ok {
		r.Add(errs...)
		return
	}
	r.Errorf(pos, "data: %v", err)
}

// readFile reads a data file from disk.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDataBytes+1))
	if err == nil && len(text) > maxDataBytes {
		err = fmt.Errorf("%s has more than %d bytes", path, maxDataBytes)
	}
	return text, err
}

// ReadRows reads rows of data from a file: JSON lines, or CSV with a heading.
// A mistake in it is a [source.Errors] with its place.
func ReadRows(path string) ([]any, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	rows, err := parseRows(path, text)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%s has no rows", path)
	}
	return rows, err
}

// parseRows reads JSON lines, or CSV with a heading.
func parseRows(path string, text []byte) ([]any, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		return parseLines(path, text)
	case ".csv":
		return parseCSV(path, text)
	}
	return nil, fmt.Errorf("%s: want a file that ends in .jsonl or .csv", path)
}

// badRow is a mistake in a line of a data file.
func badRow(path string, text []byte, line, col int, format string, args ...any) error {
	r := &source.Reporter{File: source.NewFile(path, string(text))}
	r.Errorf(source.Pos{Line: line, Col: max(col, 1)}, format, args...)
	return r.Err()
}

// parseLines reads one JSON value a line. Empty lines do not count, nor do
// those that start with #.
func parseLines(path string, text []byte) ([]any, error) {
	var rows []any
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 || raw[0] == '#' {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var row any
		if err := dec.Decode(&row); err != nil {
			col := len(raw)
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				col = int(syntax.Offset)
			}
			return nil, badRow(path, text, line, col, "not JSON: %v", err)
		}
		if dec.More() {
			return nil, badRow(path, text, line, int(dec.InputOffset())+1, "more than one value on a line")
		}
		if rows = append(rows, row); len(rows) > maxRows {
			return nil, badRow(path, text, line, 1, "more than %d rows", maxRows)
		}
	}
	return rows, nil
}

// parseCSV reads rows as mappings from the heading's names to strings.
func parseCSV(path string, text []byte) ([]any, error) {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	heading, err := in.Read()
	if err == io.EOF {
		return nil, nil
	}
	var rows []any
	for err == nil {
		var record []string
		if record, err = in.Read(); err != nil {
			break
		}
		row := map[string]any{}
		for i, name := range heading {
			row[name] = record[i]
		}
		if rows = append(rows, row); len(rows) > maxRows {
			return nil, badRow(path, text, len(rows), 1, "more than %d rows", maxRows)
		}
	}
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, badRow(path, text, bad.Line, bad.Column, "%v", bad.Err)
	}
	if err != io.EOF {
		return nil, err
	}
	return rows, nil
}
