package render_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"touchstone/loadgen/report"
)

// grammar is a schema of JUnit's XML: what each element may and must have.
type grammar map[string]element

type element struct {
	required, optional map[string]string // attributes, with patterns of their values
	children           []string
	ordered            bool // the children stand in this order
	atMostOne          bool // of all children together
	must               []string
}

const (
	anyText  = `(?s).*`
	token    = `(?s).+` // with a length of at least 1
	number   = `[-+]?[0-9]+`
	decimal  = `[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)`
	noZone   = `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}`
	surefire = `(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?`
)

// text returns attributes that may hold anything.
func text(names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		out[name] = anyText
	}
	return out
}

// xunit is junit-10.xsd of Jenkins' xUnit plugin, but for elements that only
// Surefire writes.
var xunit = grammar{
	"testsuites": {optional: map[string]string{"name": anyText, "time": surefire, "tests": anyText, "failures": anyText, "errors": anyText}, children: []string{"testsuite"}},
	"testsuite": {
		required: text("name", "tests", "failures", "errors"),
		optional: map[string]string{"group": anyText, "time": surefire, "skipped": anyText, "timestamp": anyText, "hostname": anyText, "id": anyText,
			"package": anyText, "file": anyText, "log": anyText, "url": anyText},
		children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {required: text("name", "value")},
	"testcase":   {required: text("name"), optional: text("time", "classname", "group"), children: []string{"skipped", "error", "failure", "system-out", "system-err"}},
	"skipped":    {optional: text("type", "message")},
	"error":      {optional: text("type", "message")},
	"failure":    {optional: text("type", "message")},
	"system-out": {},
	"system-err": {},
}

// ant is JUnit.xsd of windyroad, which describes what Ant writes.
var ant = grammar{
	"testsuites": {children: []string{"testsuite"}},
	"testsuite": {
		required: map[string]string{"name": token, "timestamp": noZone, "hostname": token, "tests": number, "failures": number, "errors": number,
			"time": decimal, "package": anyText, "id": number},
		optional: map[string]string{"skipped": number},
		children: []string{"properties", "testcase", "system-out", "system-err"}, ordered: true,
		must: []string{"properties", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {required: map[string]string{"name": token, "value": anyText}},
	"testcase": {required: map[string]string{"name": anyText, "classname": anyText, "time": decimal},
		children: []string{"skipped", "error", "failure"}, atMostOne: true},
	"skipped":    {optional: text("type", "message")},
	"error":      {required: text("type"), optional: text("message")},
	"failure":    {required: text("type"), optional: text("message")},
	"system-out": {},
	"system-err": {},
}

// node is an element of a document.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
}

// check returns what a document has that the grammar does not allow.
func (g grammar) check(n node) []string {
	name := n.XMLName.Local
	rule, known := g[name]
	if !known {
		return []string{"element " + name}
	}
	wrong := rule.attributes(n)
	var names []string
	for _, child := range n.Children {
		names = append(names, child.XMLName.Local)
		if !slices.Contains(rule.children, child.XMLName.Local) {
			wrong = append(wrong, fmt.Sprintf("%s in %s", child.XMLName.Local, name))
			continue
		}
		wrong = append(wrong, g.check(child)...)
	}
	place := func(a, b string) int { return slices.Index(rule.children, a) - slices.Index(rule.children, b) }
	if rule.ordered && !slices.IsSortedFunc(names, place) {
		wrong = append(wrong, "the order of "+strings.Join(slices.Compact(names), ", "))
	}
	if rule.atMostOne && len(names) > 1 {
		wrong = append(wrong, "several of "+strings.Join(names, ", "))
	}
	for _, one := range rule.must {
		if !slices.Contains(names, one) {
			wrong = append(wrong, name+" without "+one)
		}
	}
	return wrong
}

func (e element) attributes(n node) []string {
	var wrong, seen []string
	for _, a := range n.Attrs {
		seen = append(seen, a.Name.Local)
		pattern, ok := e.required[a.Name.Local]
		if !ok {
			pattern, ok = e.optional[a.Name.Local]
		}
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s@%s", n.XMLName.Local, a.Name.Local))
		} else if !regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(a.Value) {
			wrong = append(wrong, fmt.Sprintf("%s@%s=%q", n.XMLName.Local, a.Name.Local, a.Value))
		}
	}
	for name := range e.required {
		if !slices.Contains(seen, name) {
			wrong = append(wrong, fmt.Sprintf("%s without @%s", n.XMLName.Local, name))
		}
	}
	return wrong
}

// parse reads a document to its end.
func parse(t *testing.T, document []byte) node {
	t.Helper()
	var n node
	decoder := xml.NewDecoder(bytes.NewReader(document))
	if err := decoder.Decode(&n); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		var rest xml.Token
		if rest, err = decoder.Token(); err == nil {
			t.Errorf("%v follows the document", rest)
		}
	}
	return n
}

// judgedReport has a case of every kind, and an exchange, attempts, and
// differences.
func judgedReport() *report.Report {
	r := full()
	more := exchanged()
	r.Scenarios = append(r.Scenarios, more.Scenarios...)
	for i := range r.Scenarios {
		if i%2 == 0 {
			for j := range r.Scenarios[i].Steps {
				r.Scenarios[i].Steps[j].Attempts = []report.Attempt{{Number: 1, Status: evil}, {Number: 2, GapMS: 3, Status: "OK"}}
			}
		}
	}
	r.Diff = &report.Diff{Calls: 7, Groups: []report.DiffGroup{{Method: evil, Path: evil, Kind: "changed", Count: 2, Example: report.DiffExample{Want: evil, Got: evil}}}}
	return r
}

// TestJUnitFitsTheSchemas: junit is what Jenkins' schema allows, with file and
// line of cases beside it; junit-strict is what both schemas allow.
func TestJUnitFitsTheSchemas(t *testing.T) {
	for name, r := range map[string]*report.Report{"empty": empty(), "full": full(), "judged": judgedReport(), "nameless": {Scenarios: []report.Scenario{{Steps: []report.Step{{}}}}}} {
		for _, wrong := range xunit.check(parse(t, formatted(t, r, "junit"))) {
			if wrong != "testcase@file" && wrong != "testcase@line" {
				t.Errorf("%s: Jenkins does not allow %s", name, wrong)
			}
		}
		strict := parse(t, formatted(t, r, "junit-strict"))
		for _, wrong := range append(xunit.check(strict), ant.check(strict)...) {
			t.Errorf("%s, strict: not allowed: %s", name, wrong)
		}
	}
}

// TestSchemasRefuse: the grammars above see what they are for.
func TestSchemasRefuse(t *testing.T) {
	good := string(formatted(t, judgedReport(), "junit-strict"))
	for _, change := range [][2]string{
		{`<testcase `, `<testcase line="3" `},
		{` hostname="localhost"`, ``},
		{`type="expectation"`, `kind="expectation"`},
		{`<system-err></system-err>`, ``},
		{`<properties>`, `<testcase name="a" classname="b" time="0"></testcase><properties>`},
		{`</failure>`, `</failure><skipped></skipped>`},
		{` timestamp="2026-01-02T03:04:05"`, ` timestamp="2026-01-02T03:04:05Z"`},
		{`<testsuites>`, `<testsuites><testcase name="a"/>`},
		{`<property `, `<property x="1" `},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("the document has no %s", change[0])
		}
		if wrong := ant.check(parse(t, []byte(bad))); len(wrong) == 0 {
			t.Errorf("%s is allowed in place of %s", change[1], change[0])
		}
	}
	for _, change := range [][2]string{{`time="12.346"`, `time="a while"`}, {`<testcase `, `<testcase level="3" `}} {
		good := string(formatted(t, full(), "junit"))
		bad := strings.Replace(good, change[0], change[1], 1)
		wrong := xunit.check(parse(t, []byte(bad)))
		wrong = slices.DeleteFunc(wrong, func(w string) bool { return w == "testcase@file" || w == "testcase@line" })
		if bad == good || len(wrong) == 0 {
			t.Errorf("%s is allowed in place of %s", change[1], change[0])
		}
	}
}

// TestJUnitStaysSmall: a run in which everything fails at length leaves a file
// that readers take, in which every case still has its outcome.
func TestJUnitStaysSmall(t *testing.T) {
	long := strings.Repeat("é", 20_000)
	r := &report.Report{Name: long, Command: []string{long}}
	for i := range 300 {
		r.Scenarios = append(r.Scenarios, report.Scenario{Name: fmt.Sprint(i), Status: report.Failed, Steps: []report.Step{{
			ID: "a", Failures: []report.Failure{{File: "f", Line: 1, Want: long, Got: long}},
			Exchange: []report.Message{{Direction: "send", JSON: long}}, Reproduce: long,
		}}})
	}
	document := formatted(t, r, "junit")
	if len(document) > 20<<20 || !utf8.Valid(document) {
		t.Errorf("%d bytes, valid UTF-8 %v", len(document), utf8.Valid(document))
	}
	if n := bytes.Count(document, []byte("<failure ")); n != 300 {
		t.Errorf("%d failures are left of 300", n)
	}
}

func TestJUnitTellsWhatACaseSaid(t *testing.T) {
	document := string(formatted(t, judgedReport(), "junit"))
	for _, want := range []string{`<property name="seed" value="7">`, "exchange of ", "loadgen call", `classname="scenarios.text.chinese"`, `type="retry"`, `type="threshold"`, `type="difference"`} {
		if !strings.Contains(document, want) {
			t.Errorf("the document does not have %s", want)
		}
	}
}
