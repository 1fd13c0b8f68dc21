package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"touchstone/server/source"
)

// Range is a range of counts, both ends included.
type Range struct{ Min, Max int }

// Contains says whether n is within the range.
func (r Range) Contains(n int) bool { return r.Min <= n && n <= r.Max }

// String returns the range as it is written in a file: 3, 1-5 or 2+.
func (r Range) String() string {
	switch {
	case r.Min == r.Max:
		return fmt.Sprint(r.Min)
	case r.Max == maxCount:
		return fmt.Sprintf("%d+", r.Min)
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// parseRange reads a count or a range of counts, nil for an absent node.
func parseRange(r *source.Reporter, n *source.Node) *Range {
	if n == nil {
		return nil
	}
	if n.Kind == source.Int {
		v := r.Int(n, 0, maxCount)
		return &Range{v, v}
	}
	low, high, between := strings.Cut(n.Text, "-")
	if open, ok := strings.CutSuffix(n.Text, "+"); ok {
		low, high, between = open, strconv.Itoa(maxCount), true
	}
	least, err1 := strconv.ParseUint(low, 10, 30)
	most, err2 := strconv.ParseUint(high, 10, 30)
	if n.Kind != source.String || !between || err1 != nil || err2 != nil || least > most || most > maxCount {
		r.Errorf(n.Pos, "want a count, got %s", n.JSON()).Hint = "write 3, 1-5 (from 1 to 5) or 2+ (at least 2)"
		return nil
	}
	return &Range{int(least), int(most)}
}
