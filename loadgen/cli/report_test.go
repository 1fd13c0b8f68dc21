package cli_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"touchstone/loadgen/report"
)

func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	writeRuns(t, "runs", 3, time.Millisecond, "A")
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // patterns
	}{
		{"runs/00", 0, `(?m)^hello .*\n(?s:.*)^PASSED: 1 load`, `^$`},
		{"runs/00 --format junit", 0, `^<\?xml (?s:.*)<testsuite name="loads"`, `^$`},
		{"runs/00 --format prometheus", 0, `touchstone_load_sent_total\{load="hello",.*\} 2000\n`, `^$`},
		{"runs/00 --format csv", 0, `^run,started,load,`, `^$`},
		{"runs/00 --report out --output junit-strict=out/strict.xml", 0, `reports: out/report.json`, `^$`},
		{"runs", 3, `^$`, `shards of one run run at the same time\nhint: loadgen compare takes runs`},
		{"", 2, `^$`, `which reports\?`},
		{"runs --format bogus", 2, `^$`, `formats are text, json, html, markdown, junit, junit-strict, prometheus, openmetrics, csv, csv-windows`},
		{"runs --output x", 2, `^$`, `--output "x" is not KIND=FILE`},
		{".", 3, `^$`, `at the same time`},
	} {
		code, stdout, stderr := loadgen(t, append([]string{"report"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !regexp.MustCompile(tt.stdout).MatchString(stdout) || !regexp.MustCompile(tt.stderr).MatchString(stderr) {
			t.Errorf("report %s: exit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", tt.args, code, tt.code, stdout, tt.stdout, stderr, tt.stderr)
		}
	}
	for _, name := range []string{"out/report.json", "out/report.html", "out/strict.xml"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// TestReportMergesShards: two reports of one time become one of all calls.
func TestReportMergesShards(t *testing.T) {
	t.Chdir(t.TempDir())
	writeRuns(t, "one", 1, time.Millisecond, "A")
	writeRuns(t, "two", 1, 2*time.Millisecond, "A")
	code, stdout, stderr := loadgen(t, "report", "one", "two", "--report", "merged", "--format", "json")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	merged, err := report.ReadFile("merged/report.json")
	if err != nil {
		t.Fatal(err)
	}
	if l := merged.Loads[0]; l.Sent != 4000 || l.Response.Count != 4000 || l.OfferedRPS != 400 || !strings.Contains(stdout, `"merged from 2 reports"`) {
		t.Errorf("%d sent, %d in the histogram, %v/s; printed %s", l.Sent, l.Response.Count, l.OfferedRPS, stdout)
	}
}

// checkReports holds every report that a script has written against the
// published schema, when the script ends.
func checkReports(e *testscript.Env) error {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		return err
	}
	e.Defer(func() {
		t := e.T()
		err := filepath.WalkDir(e.WorkDir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "report.json" {
				return err
			}
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			document, err := jsonschema.UnmarshalJSON(file)
			if err != nil {
				return err
			}
			return schema.Validate(document)
		})
		if err != nil {
			t.Fatal("a report does not fit the schema: ", err)
		}
	})
	return nil
}

// schemaFile is the published schema, whatever folder a test is in.
var schemaFile = func() string {
	path, err := filepath.Abs("../../reports/report.schema.json")
	if err != nil {
		panic(err)
	}
	return path
}()
