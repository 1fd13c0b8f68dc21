package render_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/render"
	"touchstone/loadgen/report"
)

// exchanged is a report of failures with all that is known of their calls.
func exchanged() *report.Report {
	lines := func(middle string) string {
		return `"first line\nsecond line\n` + middle + `\nlast line\n"`
	}
	long := strings.Repeat("the quick brown fox ", 9)
	r := &report.Report{Name: "exchange", Scenarios: []report.Scenario{{
		Name: "talk", File: "talk.yaml", Status: report.Failed, Steps: []report.Step{
			{ID: "greet", Line: 4, Call: "HelloService/SayHello", Kind: "unary", Status: "OK",
				Failures: []report.Failure{
					{File: "talk.yaml", Line: 6, Column: 31, Source: "    expect: {message: {reply: *note}}", Field: "message.reply", Want: lines("third line"), Got: lines("a line of its own")},
					{File: "talk.yaml", Line: 7, Column: 5, Field: "message.body", Want: `{"user": {"id": "9007199254740993", "name": "ada"}, "tags": ["a", "b"], "next": null}`,
						Got: `{"user":{"id":"9007199254740992","name":"ada"},"tags":["a","b"],"next":null}`},
					{File: "talk.yaml", Line: 8, Column: 5, Field: "message.text", Want: `"` + long + `cat"`, Got: `"` + long + `dog"`},
				},
				Exchange: []report.Message{
					{Direction: "send", TMS: 0.012, JSON: `{"greeting":"a"}`},
					{Direction: "recv", TMS: 1.5, JSON: `{"reply":"` + evil + `"}`},
				},
				Reproduce: `loadgen call HelloService/SayHello --target 127.0.0.1:8011 --plaintext -H 'authorization: '"$AUTHORIZATION" -d '{"greeting":"a"}'`,
				Grpcurl:   `grpcurl -plaintext -H 'authorization: '"$AUTHORIZATION" -d '{"greeting":"a"}' 127.0.0.1:8011 HelloService/SayHello`,
			},
			{ID: "stream", Line: 9, Call: "HelloService/BidiHello", Kind: "bidi_stream", Status: "UNAVAILABLE", StatusMessage: "gone " + evil,
				Failures: []report.Failure{{File: "talk.yaml", Line: 10, Column: 5, Field: "status", Want: "OK", Got: "UNAVAILABLE", Message: "the end of the call"}},
				Exchange: []report.Message{
					{Direction: "send", TMS: 0.1, JSON: `{}`},
					{Direction: "skip", TMS: 1200, JSON: "71 messages left out"},
					{Direction: "recv", TMS: 1300, JSON: `{"reply":"` + strings.Repeat("很长", 300) + `"}`},
				},
				Reproduce: "loadgen run talk.yaml --seed 7",
			},
		}}}}
	r.Finish()
	return r
}

func TestExchangeGolden(t *testing.T) {
	for name, options := range map[string]render.TextOptions{
		"80":    {Width: 80},
		"200":   {Width: 200},
		"color": {Width: 80, Color: true},
	} {
		var b bytes.Buffer
		if err := render.Text(&b, exchanged(), options); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "exchange-"+name+".txt")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// What an interrupted run did not come to is counted, not listed.
func TestInterruptedIsOneLine(t *testing.T) {
	r := &report.Report{Scenarios: []report.Scenario{{Name: "first", Status: report.Passed}}}
	for range 40 {
		r.Scenarios = append(r.Scenarios, report.Scenario{Name: "later", Status: report.Skipped, Reason: report.Interrupted})
	}
	var b bytes.Buffer
	if err := render.Text(&b, r, render.TextOptions{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Contains(text, "later") || !strings.Contains(text, "skipped       40 scenarios, since the run was interrupted\n") {
		t.Errorf("the text is\n%s", text)
	}
}

// The table of loads keeps to the width of a terminal, of 80 columns at least,
// by leaving columns out; in a file it is whole.
func TestLoadsFit(t *testing.T) {
	for _, width := range []int{80, 100, 200} {
		var b bytes.Buffer
		if err := render.Text(&b, &report.Report{Loads: full().Loads}, render.TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		table, _, _ := strings.Cut(strings.TrimSpace(b.String()), "note:")
		for line := range strings.Lines(table) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		if strings.Contains(table, "too narrow for") == (width == 200) {
			t.Errorf("at width %d the table is\n%s", width, table)
		}
	}
	var b bytes.Buffer
	if err := render.Text(&b, &report.Report{Loads: full().Loads}, render.TextOptions{}); err != nil || strings.Contains(b.String(), "too narrow") {
		t.Errorf("in a file the table is\n%s", b.String())
	}
}
