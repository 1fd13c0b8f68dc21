package render

import (
	"fmt"
	"io"

	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// formats are the views by name, text apart, which has options.
var formats = []struct {
	name  string
	write func(io.Writer, *report.Report) error
}{
	{"text", nil},
	{"json", report.Write},
	{"html", html.Write},
	{"markdown", Markdown},
	{"junit", JUnit},
	{"junit-strict", junitStrict},
	{"prometheus", prometheus},
	{"openmetrics", openMetrics},
	{"csv", csvLoads},
	{"csv-windows", csvWindows},
}

// Formats returns the names that Format knows.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Format writes the view of a report that has the given name; options are for
// text.
func Format(w io.Writer, name string, r *report.Report, options TextOptions) error {
	for _, f := range formats {
		switch {
		case f.name != name:
		case f.write == nil:
			return Text(w, r, options)
		default:
			return f.write(w, r)
		}
	}
	return fmt.Errorf("no format %q", name)
}
