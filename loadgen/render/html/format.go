package html

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"touchstone/loadgen/report"
)

// maxText is how much of a foreign text is shown, in bytes.
const maxText = 4096

// visible spells out what acts instead of showing: control characters, marks
// that turn the direction of writing, broken UTF-8. Markup is the template's
// to escape.
func visible(s string) string {
	whole := len(s)
	if whole > maxText {
		s = s[:maxText]
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && n == 1) || !unicode.IsPrint(r) {
			b.WriteString(strings.Trim(strconv.Quote(s[i:i+n]), `"`))
			continue
		}
		b.WriteRune(r)
	}
	if whole > maxText {
		fmt.Fprintf(&b, "… (%d bytes)", whole)
	}
	return b.String()
}

// cutText cuts what visible has been applied to.
func cutText(s string) string {
	if len(s) <= 2*maxText {
		return s
	}
	return strings.ToValidUTF8(s[:2*maxText], "") + fmt.Sprintf("… (%d bytes)", len(s))
}

// milliseconds writes a duration with three significant digits or more.
func milliseconds(v float64) string {
	if a := math.Abs(v); a < 1 && a > 0 {
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return short(v)
}

// quantile writes a quantile, or that the sample does not support it.
func quantile(v *float64) string {
	if v == nil {
		return "too few"
	}
	return milliseconds(*v)
}

// figure writes a value of a chart's table by its unit.
func figure(v *float64, unit string) string {
	switch {
	case v == nil:
		return "–"
	case unit == "ms":
		return milliseconds(*v)
	}
	return number(*v)
}

// number writes a plain number with at most three decimals.
func number(v float64) string {
	if a := math.Abs(v); a >= 1000 {
		return count(int64(math.Round(v)))
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// short writes a plain number with three significant digits or more.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return count(int64(math.Round(v)))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// rate writes calls a second.
func rate(v float64) string {
	if v >= 1000 {
		return count(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// count writes a whole number with a comma between thousands.
func count(v any) string {
	digits := fmt.Sprint(v)
	sign := ""
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		sign, digits = "-", rest
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// percent writes part as a share of whole, "" when there is no whole.
func percent(part, whole float64) string {
	if whole == 0 {
		return ""
	}
	share := 100 * part / whole
	switch a := math.Abs(share); {
	case a == 0:
		return "0 %"
	case a < 0.1:
		return strconv.FormatFloat(share, 'f', 3, 64) + " %"
	case a < 10:
		return strconv.FormatFloat(share, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + " %"
}

// threshold is a threshold with its unit and its distance from the limit.
type threshold struct {
	report.Threshold
	Unit, Margin string
	Used         float64 // the value in thousandths of the limit, at most 1000; for a bar
}

func newThreshold(t report.Threshold) threshold {
	out := threshold{Threshold: t}
	at := strings.LastIndexAny(t.Expression, "<>=")
	out.Unit = strings.TrimLeft(t.Expression[at+1:], " +-.0123456789eE")
	if t.Message != "" || at < 0 {
		return out
	}
	room := t.Limit - t.Value
	if strings.Contains(t.Expression, ">") {
		room = -room
	}
	if t.Limit == 0 {
		out.Margin = strings.TrimSpace(number(room) + " " + out.Unit)
		return out
	}
	out.Margin = fmt.Sprintf("%+.1f %%", 100*room/math.Abs(t.Limit))
	out.Used = round(min(max(1000*t.Value/t.Limit, 0), 1000))
	return out
}
