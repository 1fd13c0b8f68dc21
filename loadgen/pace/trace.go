package pace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTrace reads the offsets of a trace, one a line: a duration with a unit,
// such as 1.25s, or a number of seconds. What follows # on a line is a comment,
// and empty lines do not count. Offsets are in order, none below zero, and
// there is at least one. The error names the file and line.
func ParseTrace(name, text string) ([]time.Duration, error) {
	var offsets []time.Duration
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		offset, ok := parseOffset(line)
		if !ok {
			return nil, fmt.Errorf("%s:%d: want an offset such as 1.25s, got %q", name, number, line)
		}
		if n := len(offsets); n > 0 && offset < offsets[n-1] {
			return nil, fmt.Errorf("%s:%d: %v comes after %v: offsets have to be in order", name, number, offset, offsets[n-1])
		}
		offsets = append(offsets, offset)
	}
	if len(offsets) == 0 {
		return nil, fmt.Errorf("%s: a trace without offsets", name)
	}
	return offsets, nil
}

// parseOffset reads one offset.
func parseOffset(text string) (time.Duration, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, d >= 0
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0) {
		return 0, false
	}
	return seconds(s)
}
