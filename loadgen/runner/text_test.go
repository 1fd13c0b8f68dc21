package runner_test

import (
	"fmt"
	"strings"

	"touchstone/loadgen/report"
)

// text writes a failure as the tests do.
func text(f report.Failure) string {
	return fmt.Sprintf("%d:%d %s | %s | %s | %s", f.Line, f.Column, f.Field, f.Want, f.Got, f.Message)
}

// matches compares a text with a pattern in which "*" stands for anything.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		ok = ok && i >= 0
		rest = rest[max(i, 0)+len(part):]
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}
