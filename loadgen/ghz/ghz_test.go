package ghz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bojand/ghz/runner"
	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/ghz"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// imported reads a config file and returns the plan as lines.
func imported(t *testing.T, name, text string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	plan, err := ghz.Import(path)
	if err != nil {
		return "", err
	}
	lines := []string{plan.Method}
	for _, s := range plan.Settings {
		lines = append(lines, "--"+s.Flag+"="+s.Value)
	}
	for _, note := range plan.Notes {
		field, _, _ := strings.Cut(note, ":")
		lines = append(lines, "note "+field)
	}
	return strings.Join(lines, "\n"), nil
}

func TestImport(t *testing.T) {
	for _, row := range []struct{ name, file, text, want string }{
		{"a file of ghz's own documentation, as JSON", "c.json", `{"total": 5000, "concurrency": 50, "skipFirst": 5, "max-duration": "7s", "duration": "12s",
			"stream-interval": "500ms", "proto": "../../testdata/greeter.proto", "call": "helloworld.Greeter.SayHello",
			"data": [{"name": "Bob {{.TimestampUnix}}"}, {"name": ""}], "metadata": {"a": "b"}, "host": "0.0.0.0:50051", "insecure": true}`, `
helloworld.Greeter/SayHello
--target=0.0.0.0:50051
--plaintext=true
--connect-timeout=10s
--proto=greeter.proto
--import-path=../../testdata
--import-path=.
--timeout=20s
--connections=1
--duration=7s
--requests=5000
--closed=50
--data={"name":"Bob ${now.unix}"}
{"name":""}
--stream-interval=500ms
--header=a: b
note duration-stop
note skipFirst
note count-errors`},
		{"TOML, with a rate and TLS", "c.toml", `
call = "pkg.Service/Method"
host = "h:1"
rps = 200
duration = "5s"
duration-stop = "wait"
cacert = "ca.pem"
cname = "h.example"
connections = 4
count-errors = true
max-recv-message-size = "8 MB"
name = "nightly"
[data]
n = 1
[tags]
env = "ci"
`, `
pkg.Service/Method
--target=h:1
--cacert=ca.pem
--servername=h.example
--connect-timeout=10s
--max-message=8000000
--timeout=20s
--connections=4
--duration=5s
--rate=200
--data={"n":1}
note concurrency
note name
note tags`},
		{"YAML, with steps", "c.yaml", `
call: S.M
host: h:1
insecure: true
load-schedule: step
load-start: 10
load-step: 20
load-end: 50
load-step-duration: 5s
total: 1000
count-errors: true
data: {a: {b: "{{newUUID}} {{randomInt 5 10}} ${x}"}}
format: json
keepalive: 10s
enable-compression: true
`, `
S/M
--target=h:1
--plaintext=true
--connect-timeout=10s
--timeout=20s
--connections=1
--requests=1000
--arrival=steps: [{rate: 10/s, for: 5s}, {rate: 30/s, for: 5s}, {rate: 50/s, for: 1h0m0s}]
--data={"a":{"b":"${uuid()} ${random.int(5, 9)} $${x}"}}
--format=ghz-json
note keepalive
note enable-compression
note concurrency`},
		{"a line", "c.json", `{"call": "S.M", "host": "h:1", "load-schedule": "line", "load-start": 100, "load-step": 50, "load-end": 600, "count-errors": true}`, `
S/M
--target=h:1
--connect-timeout=10s
--timeout=20s
--connections=1
--requests=200
--arrival=ramp: {from: 100/s, to: 600/s, over: 10s}
note concurrency`},
	} {
		got, err := imported(t, row.file, row.text)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if diff := cmp.Diff(strings.TrimSpace(row.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestImportRefuses what would be another load.
func TestImportRefuses(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`{"call": "S.M", "data": {"a": "{{randomString 5}}"}}`, "no expression for {{randomString 5}}"},
		{`{"call": "S.M", "metadata": {"a": "{{.UUID}}"}}`, "same metadata"},
		{`{"call": "S.M", "binary-file": "x.bin"}`, "binary-file"},
		{`{"call": "S.M", "data-file": "missing.json"}`, "missing.json"},
		{`{"call": "S.M", "load-schedule": "step", "load-start": 1}`, "load-step"},
		{`{"call": `, "c.json"},
	} {
		if got, err := imported(t, "c.json", row.text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", row.text, got, err, row.want)
		}
	}
	if _, err := ghz.Import(filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("a file that does not exist has no error")
	}
	// Without templates, braces are text.
	got, err := imported(t, "c.json", `{"call": "S.M", "data": {"a": "{{randomString 5}}"}, "disable-template-data": true}`)
	if err != nil || !strings.Contains(got, `{"a":"{{randomString 5}}"}`) {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestEveryFieldIsHonouredOrNoted sets each field of a config by itself, and
// wants it to change something.
func TestEveryFieldIsHonouredOrNoted(t *testing.T) {
	base := `"call": "S.M", "host": "h:1"`
	empty, err := imported(t, "c.json", "{"+base+"}")
	if err != nil {
		t.Fatal(err)
	}
	// What has no meaning by itself.
	apart := map[string]string{
		"load-start": `"load-schedule": "line", "load-step": 1`, "load-end": `"load-schedule": "line", "load-step": 1`,
		"load-step": `"load-schedule": "line", "load-end": 500`, "load-step-duration": `"load-schedule": "step", "load-step": 1, "load-end": 9`,
		"load-max-duration": `"load-schedule": "line", "load-step": 1`, "duration-stop": `"duration": "5s"`,
		"import-paths": `"proto": "a.proto"`, "load-schedule": `"load-step": 1`,
	}
	values := map[string]string{
		"load-schedule": `"line"`, "concurrency-schedule": `"step"`, "lb-strategy": `"round_robin"`, "format": `"csv"`,
		"max-recv-message-size": `"5 MB"`, "max-send-message-size": `"5 MB"`, "data": `{"a": 1}`, "metadata": `{"a": "b"}`,
		"reflect-metadata": `{"a": "b"}`, "tags": `{"a": "b"}`, "import-paths": `["x"]`, "duration-stop": `"wait"`,
	}
	// Of other fields: the schedule of workers, which loadgen does not have, and
	// what switches templates off.
	without := []string{"concurrency-start", "concurrency-end", "concurrency-step", "concurrency-step-duration", "concurrency-max-duration",
		"disable-template-functions", "disable-template-data", "host", "call"}
	for _, field := range fields(t) {
		if contains(without, field.name) {
			continue
		}
		before := empty
		prefix := base
		if more, ok := apart[field.name]; ok {
			prefix += ", " + more
			if before, err = imported(t, "c.json", "{"+prefix+"}"); err != nil && field.name != "load-step-duration" && field.name != "load-step" {
				t.Errorf("%s: %v", field.name, err)
			}
		}
		value, ok := values[field.name]
		if !ok {
			value = field.sample
		}
		after, err := imported(t, "c.json", fmt.Sprintf("{%s, %q: %s}", prefix, field.name, value))
		if err == nil && after == before {
			t.Errorf("%s: %s changes nothing, and no note says so", field.name, value)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// field is a field of a config of ghz.
type field struct{ name, sample string }

// fields lists the fields of ghz's config, by its own encoding of one.
func fields(t *testing.T) []field {
	t.Helper()
	raw, err := json.Marshal(runner.Config{
		Insecure: true, Async: true, Data: 1, Metadata: map[string]string{"a": "b"}, ImportPaths: []string{"x"}, Name: "n",
		Tags: map[string]string{"a": "b"}, ReflectMetadata: map[string]string{"a": "b"}, Debug: "d", EnableCompression: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("ghz's config has %d fields only", len(all))
	}
	var out []field
	for name, value := range all {
		sample := `"7s"`
		switch value.(type) {
		case bool:
			sample = "true"
		case float64:
			sample = "7"
		case string:
			if value != "0s" {
				sample = `"name"`
			}
		}
		out = append(out, field{name, sample})
	}
	return out
}

// sample is the report of a load.
func sample() (*report.Report, *report.Load) {
	h := hist.New()
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	r := &report.Report{Name: "load X", DurationMS: 10_000, Target: report.Target{Address: "h:1"}, Loads: []report.Load{{
		Name: "X", Method: "S/M", Transport: "wire", OfferedRPS: 100, AchievedRPS: 100, Scheduled: 1000, Sent: 1000, Completed: 1000,
		Statuses: map[string]int64{"OK": 990, "UNAVAILABLE": 10}, Response: report.Latencies(h),
	}}}
	return r, &r.Loads[0]
}

func TestWriteJSONIsAReportOfGhz(t *testing.T) {
	r, l := sample()
	var b bytes.Buffer
	if err := ghz.WriteJSON(&b, r, l); err != nil {
		t.Fatal(err)
	}
	var got runner.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Count != 1000 || got.Rps != 100 || got.Total != 10*time.Second || got.Fastest != time.Millisecond || got.Slowest != time.Second {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(map[string]int{"OK": 990, "Unavailable": 10}, got.StatusCodeDist); diff != "" {
		t.Error(diff)
	}
	for _, d := range got.LatencyDistribution {
		want := time.Duration(d.Percentage) * 10 * time.Millisecond
		if off := d.Latency - want; off < -want/500 || off > want/500 {
			t.Errorf("p%d is %v, want %v", d.Percentage, d.Latency, want)
		}
	}
	if len(got.LatencyDistribution) != 7 || len(got.Histogram) != 11 {
		t.Errorf("%d quantiles and %d buckets, want 7 and 11", len(got.LatencyDistribution), len(got.Histogram))
	}
	sum := 0
	for i, bucket := range got.Histogram {
		sum += bucket.Count
		if i > 0 && (bucket.Count < 98 || bucket.Count > 102) {
			t.Errorf("bucket %d has %d calls, want about 100", i, bucket.Count)
		}
	}
	if sum != 1000 {
		t.Errorf("the buckets hold %d calls, want 1000", sum)
	}
	if got.Details == nil {
		t.Error("details are null: ghz-web takes a list")
	}
}

func TestWriteJSONOfALoadWithoutCalls(t *testing.T) {
	var b bytes.Buffer
	if err := ghz.WriteJSON(&b, &report.Report{}, &report.Load{}); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func ExampleWriteJSON() {
	r := &report.Report{Name: "load", Loads: []report.Load{{Name: "hello", Completed: 3, Statuses: map[string]int64{"OK": 3}}}}
	var b bytes.Buffer
	if err := ghz.WriteJSON(&b, r, &r.Loads[0]); err != nil {
		fmt.Println(err)
		return
	}
	var out struct {
		Count                  int
		StatusCodeDistribution map[string]int
	}
	fmt.Println(json.Unmarshal(b.Bytes(), &out), out.Count, out.StatusCodeDistribution)
	// Output: <nil> 3 map[OK:3]
}
