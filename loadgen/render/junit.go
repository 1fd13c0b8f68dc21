package render

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"

	"touchstone/loadgen/report"
)

// The elements of JUnit's XML. Their order is that of the Ant schema, which is
// the one that prescribes an order.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr,omitempty"`
		Tests    string       `xml:"tests,attr,omitempty"`
		Failures string       `xml:"failures,attr,omitempty"`
		Errors   string       `xml:"errors,attr,omitempty"`
		Time     string       `xml:"time,attr,omitempty"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Package    string          `xml:"package,attr"`
		ID         int             `xml:"id,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		File       string          `xml:"file,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		SystemOut  string          `xml:"system-out"`
		SystemErr  string          `xml:"system-err"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Line      int           `xml:"line,attr,omitempty"`
		Time      string        `xml:"time,attr"`
		Failure   *junitMessage `xml:"failure"`
		Error     *junitMessage `xml:"error"`
		Skipped   *junitMessage `xml:"skipped"`
		SystemOut string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes r as JUnit XML: a suite for each scenario with a case for each
// step, and suites for loads, thresholds, retry checks and the differences of a
// replay. A known failure is a skipped case. Characters that XML cannot carry
// are spelled out, and long texts cut: readers refuse files that are too large.
//
// It fits the schema of Jenkins' xUnit plugin (junit-10.xsd) but for the file
// and line of a case, which GitLab and GitHub's readers look for.
func JUnit(w io.Writer, r *report.Report) error {
	suites := newJUnit(r)
	suites.Name, suites.Time = clip(visible(r.Name), maxJUnitMessage), seconds(r.DurationMS)
	suites.Tests, suites.Failures, suites.Errors = suites.totals()
	return suites.write(w)
}

// junitStrict writes r as JUnit does, without what the schemas of Jenkins and
// of Ant (windyroad's JUnit.xsd) do not both allow.
func junitStrict(w io.Writer, r *report.Report) error {
	suites := newJUnit(r)
	for i := range suites.Suites {
		suite := &suites.Suites[i]
		suite.File = ""
		var out []string
		for j := range suite.Cases {
			c := &suite.Cases[j]
			if c.SystemOut != "" {
				out = append(out, c.Name+"\n"+c.SystemOut)
			}
			c.File, c.Line, c.SystemOut = "", 0, ""
		}
		suite.SystemOut = strings.Join(out, "\n")
	}
	return suites.write(w)
}

// newJUnit returns the suites of a report.
func newJUnit(r *report.Report) *junitSuites {
	suites := &junitSuites{}
	for _, s := range r.Scenarios {
		suites.add(r, s.Name, s.File, s.DurationMS, scenarioCases(s))
	}
	suites.add(r, "loads", "", 0, loadCases(r))
	suites.add(r, "capacity", "", 0, capacityCases(r.Capacity))
	suites.add(r, "differences", "", 0, diffCases(r.Diff))
	suites.add(r, "thresholds", "", 0, thresholdCases(r.Thresholds))
	suites.add(r, "retry", "", 0, retryCases(r.Retry))
	suites.limit()
	return suites
}

// totals returns the sums over all suites.
func (all *junitSuites) totals() (tests, failures, errors string) {
	var sum [3]int
	for _, s := range all.Suites {
		sum[0] += s.Tests
		sum[1] += s.Failures
		sum[2] += s.Errors
	}
	return fmt.Sprint(sum[0]), fmt.Sprint(sum[1]), fmt.Sprint(sum[2])
}

// write writes the document.
func (all *junitSuites) write(w io.Writer) error {
	out, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}

// add appends a suite, unless it has no cases.
func (all *junitSuites) add(r *report.Report, name, file string, durationMS float64, cases []junitCase) {
	if len(cases) == 0 {
		return
	}
	for _, c := range cases { // a schema asks for a type
		if c.Failure != nil {
			c.Failure.Type = cmp.Or(c.Failure.Type, "expectation")
		}
		if c.Error != nil {
			c.Error.Type = cmp.Or(c.Error.Type, "error")
		}
	}
	name = cmp.Or(strings.TrimSpace(clip(visible(name), maxJUnitMessage)), "scenario") // a name has to be there
	suite := junitSuite{
		Name: name, Package: className(file, name), ID: len(all.Suites),
		// Without a zone, as the schema wants it, and so in UTC. The host is
		// nobody's business: the schema asks for "localhost" then.
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: "localhost",
		File: visible(file), Time: seconds(durationMS), Properties: properties(r), Cases: cases, Tests: len(cases),
		Failures: count(cases, func(c junitCase) bool { return c.Failure != nil }),
		Errors:   count(cases, func(c junitCase) bool { return c.Error != nil }),
		Skipped:  count(cases, func(c junitCase) bool { return c.Skipped != nil }),
	}
	all.Suites = append(all.Suites, suite)
}

// properties are what it takes to run a suite again.
func properties(r *report.Report) []junitProperty {
	out := []junitProperty{
		{"seed", fmt.Sprint(r.Seed)}, {"target", targetName(r.Target)}, {"command", strings.Join(r.Command, " ")},
		{"loadgen", r.Tool.Version}, {"os", r.Tool.OS},
	}
	for i := range out {
		out[i].Value = clip(visible(out[i].Value), maxJUnitMessage)
	}
	return out
}

// className is the class of a scenario's cases: its file as Java would name
// it, since readers fold the parts of a name between dots.
func className(file, name string) string {
	if file == "" {
		return name
	}
	stem := strings.Trim(strings.TrimSuffix(visible(file), path.Ext(file)), "./")
	return cmp.Or(strings.NewReplacer("/", ".", "\\", ".").Replace(stem), name)
}

// Limits, in bytes. GitLab takes no more than 30 MB of reports in a job, and
// Jenkins keeps all of them in memory.
const (
	maxJUnitMessage = 1 << 10
	maxJUnitText    = 16 << 10
	maxJUnitTexts   = 8 << 20 // in all
)

// clip returns text in at most n bytes, and says when something is missing.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	note := fmt.Sprintf("… (%d bytes)", len(text))
	return strings.ToValidUTF8(text[:max(n-len(note), 0)], "") + note
}

// limit cuts each text, and those that come when the whole is large already.
func (all *junitSuites) limit() {
	left := maxJUnitTexts
	cut := func(text *string) {
		*text = clip(*text, min(maxJUnitText, left))
		left = max(left-len(*text), 0)
	}
	for i := range all.Suites {
		for j := range all.Suites[i].Cases {
			c := &all.Suites[i].Cases[j]
			for _, m := range []*junitMessage{c.Failure, c.Error, c.Skipped} {
				if m != nil {
					cut(&m.Text)
				}
			}
			cut(&c.SystemOut)
		}
	}
}

// scenarioCases returns a case for each step, and one for the scenario itself
// when the steps do not show its outcome.
func scenarioCases(s report.Scenario) []junitCase {
	var cases []junitCase
	shown := false
	for _, step := range s.Steps {
		c := junitCase{
			Name: cmp.Or(visible(step.ID), "step"), ClassName: className(s.File, visible(s.Name)), File: visible(s.File), Line: step.Line,
			Time: seconds(step.DurationMS), SystemOut: caseOutput(step),
		}
		switch {
		case len(step.Failures) > 0 && s.Status == report.KnownFailing:
			c.Skipped = message("known failing: "+s.Reason, step.Failures)
		case len(step.Failures) > 0:
			c.Failure = message(summary(step.Failures[0]), step.Failures)
		case step.Reason != "":
			c.Skipped = message("not run: "+step.Reason, nil)
		case s.Status == report.Skipped, step.Status == "" && s.Status != report.Passed:
			c.Skipped = message("not run", nil)
		}
		shown = shown || len(step.Failures) > 0
		cases = append(cases, c)
	}
	if !shown && s.Status != report.Passed || len(cases) == 0 {
		cases = append(cases, scenarioCase(s))
	}
	return cases
}

// caseOutput is what was said on a call that failed, how its attempts went, and
// how to make it again.
func caseOutput(step report.Step) string {
	if len(step.Failures) == 0 {
		return ""
	}
	t := &textWriter{}
	t.exchange(step)
	for _, line := range attemptLines(step.Attempts) {
		t.line("%s", line)
	}
	t.again(step)
	return t.String()
}

// attemptLines describes attempts, one a line; none when there was but one.
func attemptLines(attempts []report.Attempt) []string {
	if len(attempts) < 2 {
		return nil
	}
	var lines []string
	for _, a := range attempts {
		lines = append(lines, visible(fmt.Sprintf("attempt %d at %.1f ms, %.1f ms after the one before: %s", a.Number, a.StartMS, a.GapMS, a.Status)))
	}
	return lines
}

// scenarioCase returns the scenario as a case of its own.
func scenarioCase(s report.Scenario) junitCase {
	c := junitCase{Name: "scenario", ClassName: className(s.File, visible(s.Name)), File: visible(s.File), Time: seconds(s.DurationMS)}
	switch s.Status {
	case report.Error:
		c.Error = message(s.Reason, nil)
	case report.Failed:
		c.Failure = message(s.Reason, nil)
	case report.Skipped:
		c.Skipped = message(s.Reason, nil)
	case report.KnownFailing:
		c.Skipped = message("known failing: "+s.Reason, nil)
	}
	return c
}

// loadCases returns a case for each load, and one for the validity of all.
func loadCases(r *report.Report) []junitCase {
	var cases []junitCase
	for _, l := range r.Loads {
		c := junitCase{Name: visible(l.Name), ClassName: "load", Time: "0"}
		if l.AllFailed() {
			c.Failure = message("not one call ended OK", nil)
			c.Failure.Type = "load"
		}
		cases = append(cases, c)
	}
	if len(r.Loads) > 0 {
		c := junitCase{Name: "validity", ClassName: "load", Time: "0"}
		if !r.Validity.Valid {
			c.Error = message(strings.Join(r.Validity.Reasons, "; "), nil)
			c.Error.Type = "validity"
		}
		cases = append(cases, c)
	}
	return cases
}

func thresholdCases(thresholds []report.Threshold) []junitCase {
	var cases []junitCase
	for _, t := range thresholds {
		c := junitCase{Name: visible(t.Expression), ClassName: visible("threshold." + t.Load), Time: "0"}
		if !t.Passed {
			c.Failure = message(t.Expression+": "+judged(t), nil)
			c.Failure.Type = "threshold"
		}
		cases = append(cases, c)
	}
	return cases
}

func retryCases(checks []report.Retry) []junitCase {
	var cases []junitCase
	for _, check := range checks {
		c := junitCase{
			Name: visible(strings.TrimSpace(check.ID + " " + check.Name)), ClassName: "retry", Time: "0",
			SystemOut: strings.Join(attemptLines(check.Attempts), "\n"),
		}
		text := fmt.Sprintf("%s: want %s, got %s", check.Verdict, check.Expected, check.Observed)
		switch check.Verdict {
		case "fail":
			c.Failure = message(text, nil)
			c.Failure.Type = "retry"
		case "deviation", "inconclusive", "skipped":
			c.Skipped = message(text, nil)
		}
		cases = append(cases, c)
	}
	return cases
}

// message returns the element that tells what went wrong.
func message(text string, failures []report.Failure) *junitMessage {
	blocks := make([]string, len(failures))
	for i, f := range failures {
		blocks[i] = details(f)
	}
	return &junitMessage{Message: clip(visible(text), maxJUnitMessage), Text: strings.Join(blocks, "\n\n")}
}

// seconds writes milliseconds as JUnit wants them.
func seconds(ms float64) string { return fmt.Sprintf("%.3f", max(ms, 0)/1000) }
