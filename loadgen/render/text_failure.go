package render

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"touchstone/loadgen/report"
)

// failures writes each failure in full: nothing of it is cut, since it is what
// the reader came for. What was said on the call follows, and how to make the
// call again.
func (t *textWriter) failures(scenarios []report.Scenario) {
	for _, s := range scenarios {
		if s.Status == report.KnownFailing {
			continue
		}
		for _, step := range s.Steps {
			for _, f := range step.Failures {
				t.failure(s, step, f)
			}
			if len(step.Failures) > 0 {
				t.exchange(step)
				t.again(step)
			}
		}
	}
}

func (t *textWriter) failure(s report.Scenario, step report.Step, f report.Failure) {
	changes := lineDiff(f.Want, f.Got)
	t.line("\n%s: %s  %s",
		t.paint(bold, visible(place(f))), t.paint(red, visible(headline(f, changes != nil))),
		t.paint(faint, visible("(scenario "+s.Name+", step "+step.ID+")")))
	if text := excerpt(f); text != "" {
		t.line("%s", text)
	}
	if f.Want, f.Got = near(f.Want, f.Got); changes != nil {
		f.Want, f.Got = "", ""
	}
	for _, line := range wantGot(f) {
		t.line("        %s", line)
	}
	if changes == nil {
		return
	}
	t.line("        %s", t.paint(faint, "- want, + got"))
	for _, line := range changes {
		t.line("        %s", t.paint(diffColor(line), visible(line)))
	}
}

// maxHeadline bounds, in bytes, the values in the first line of a failure.
const maxHeadline = 160

// headline is summary, without values that are shown below it as a diff or
// would fill the screen.
func headline(f report.Failure, shown bool) string {
	if f.Message == "" && (shown || len(f.Want)+len(f.Got) > maxHeadline) {
		return f.Field + ": not as wanted"
	}
	return summary(f)
}

// diffColor returns the colour of a line of a diff.
func diffColor(line string) string {
	switch line[:1] {
	case "-":
		return green // as wanted
	case "+":
		return red
	}
	return faint
}

// longValue is from how many bytes on a value is better compared piece by
// piece than as a whole.
const longValue = 60

// lineDiff compares two values that take more than a line each: texts with
// line breaks, and long JSON, which is laid out first. It returns lines that
// start with "-", "+" or " ", and nil for values that are best shown as they
// are.
func lineDiff(want, got string) []string {
	old, isLong := layOut(want)
	other, isLongToo := layOut(got)
	if !isLong || !isLongToo {
		return nil
	}
	unified := string(diff.Diff("want", []byte(old+"\n"), "got", []byte(other+"\n")))
	var lines []string
	for line := range strings.Lines(unified) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "@@"):
			if lines != nil {
				lines = append(lines, " ...")
			}
		case line != "" && strings.Contains("-+ ", line[:1]) && line != "--- want" && line != "+++ got":
			lines = append(lines, line)
		}
	}
	return lines
}

// layOut returns a value in lines, and whether they are several.
func layOut(value string) (string, bool) {
	text := value
	if unquoted, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
		text = unquoted
	}
	if len(text) > longValue && strings.ContainsAny(text[:1], "{[") {
		if lines, ok := indented(text); ok {
			return lines, true
		}
	}
	if text = strings.TrimSuffix(text, "\n"); strings.Contains(text, "\n") {
		return text, true
	}
	return value, false
}

// indented lays out JSON with its fields sorted, so that their order makes no
// difference, and its numbers as they are.
func indented(text string) (string, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return "", false
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err == nil
}

// exchange writes what was said on the call of a step.
func (t *textWriter) exchange(step report.Step) {
	if len(step.Exchange) == 0 {
		return
	}
	t.line("        %s", t.paint(faint, visible(fmt.Sprintf("exchange of %s, %s; > sent, < received:", step.Call, strings.ReplaceAll(step.Kind, "_", " ")))))
	for _, m := range step.Exchange {
		text := visible(m.JSON)
		if t.Width > 0 {
			text = cut(text, max(3*t.Width, 240))
		}
		t.line("        %11s %s %s", latency(&m.TMS), arrow(m.Direction), text)
	}
	end := step.Status
	switch {
	case step.Status == "CANCELLED" && step.StatusMessage == cancelledHere:
		end = "CANCELLED from this side"
	case step.StatusMessage != "":
		end += ": " + strconv.Quote(step.StatusMessage)
	}
	if end != "" {
		t.line("        %11s %s %s", "", "=", visible(end))
	}
}

// cancelledHere is what grpc-go calls the end of a call whose client has
// cancelled it, as a step does that has failed.
const cancelledHere = "context canceled"

// arrow shows the direction of a message.
func arrow(direction string) string {
	switch direction {
	case "send":
		return ">"
	case "recv":
		return "<"
	}
	return " "
}

// again writes how to make the call of a step again. The commands are left
// whole, to be copied.
func (t *textWriter) again(step report.Step) {
	for _, command := range []string{step.Reproduce, step.Grpcurl} {
		if command != "" {
			t.line("        %s %s", t.paint(faint, "again  "), visible(command))
		}
	}
}

// Long texts that are nearly the same look alike. Of those longer than
// nearWhole bytes, as many as nearBefore are shown before the difference.
const (
	nearBefore = 20
	nearWhole  = 72
)

// near cuts two long texts of one line each down to where they begin to
// differ.
func near(want, got string) (string, string) {
	if min(len(want), len(got)) <= nearWhole || strings.ContainsAny(want+got, "\n") {
		return want, got
	}
	same := 0
	for same < min(len(want), len(got)) && want[same] == got[same] {
		same++
	}
	start := same - nearBefore
	for start > 0 && start < len(want) && !utf8.RuneStart(want[start]) {
		start--
	}
	if start <= 0 {
		return want, got
	}
	return "..." + want[start:], "..." + got[start:]
}
