package report

import (
	"fmt"
	"regexp"
	"time"

	"touchstone/server/source"
)

// Abort is a condition that ends a load early, such as
//
//	error_rate > 5% for 10s
//
// It is judged on each second of the load by itself, and ends it when it has
// held for that many seconds in a row.
type Abort struct {
	Condition Condition
	For       time.Duration
}

// forClause splits off "for 10s".
var forClause = regexp.MustCompile(`^(.*\S)\s+for\s+(\S+)\s*$`)

// ParseAbort reads a condition and how long it has to hold, a whole number of
// seconds; without that, one second. A mistake is a *source.Error that points
// at the column.
func ParseAbort(text string) (Abort, error) {
	a := Abort{For: time.Second}
	if part := forClause.FindStringSubmatchIndex(text); part != nil {
		written := text[part[4]:part[5]]
		d, err := time.ParseDuration(written)
		if err != nil || d < time.Second || d%time.Second != 0 {
			r := &source.Reporter{File: source.NewFile("abort", text)}
			e := r.Errorf(source.Pos{Line: 1, Col: 1 + len([]rune(text[:part[4]]))}, "want a number of seconds, got %q", written)
			e.Hint = "write a time such as 10s: conditions are judged once a second"
			return Abort{}, r.Errors()[0]
		}
		a.For, text = d, text[:part[3]]
	}
	var err error
	a.Condition, err = ParseThreshold(text)
	return a, err
}

// String returns the condition as ParseAbort reads it.
func (a Abort) String() string { return fmt.Sprintf("%s for %v", a.Condition, a.For) }
