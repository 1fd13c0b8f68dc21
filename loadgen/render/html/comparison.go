package html

import (
	_ "embed"
	"fmt"
	"io"
	"slices"

	"touchstone/loadgen/compare"
)

//go:embed assets/comparison.css
var comparisonStyle string

// Comparison is what the page of a comparison shows beside the result: the
// verdict in words, and texts for each figure.
type Comparison struct {
	Result  *compare.Result
	Verdict string
	Runs    string   // how many runs were compared, and how
	Notes   []string // what has to be explained
	// Row returns the cells of a change's row, and Outcome what became of a
	// budget, in words.
	Row     func(compare.Change) []string
	Outcome func(compare.Outcome) string
	Columns []string
}

// WriteComparison writes a comparison as a page of the same kind as Write.
func WriteComparison(w io.Writer, c Comparison) error {
	return execute(w, "comparison.tmpl", newComparisonView(c))
}

// comparisonView is what the template shows.
type comparisonView struct {
	Comparison
	assets
	Bad    bool
	Loads  []comparedLoad
	Budget []comparedBudget
	Data   pageData
}

type comparedLoad struct {
	Name  string
	Rows  []comparedRow
	Curve *curve
}

type comparedRow struct {
	Class string
	Cells []string
	Strip strip
}

type comparedBudget struct {
	compare.Outcome
	Class, Text string
}

func newComparisonView(c Comparison) *comparisonView {
	v := &comparisonView{Comparison: c, assets: newAssets(comparisonStyle), Data: pageData{Loads: []chartData{}}}
	v.Bad = c.Result.Verdict == compare.Worse || c.Result.Broken()
	for _, l := range c.Result.Loads {
		curve := newCurve("old", l.Old, "new", l.New)
		one := comparedLoad{Name: l.Name}
		for _, change := range l.Changes {
			one.Rows = append(one.Rows, comparedRow{class(change.Verdict), c.Row(change), newStrip(change.Old, change.New)})
		}
		if len(curve.X) > 0 {
			one.Curve = &curve
		}
		v.Loads = append(v.Loads, one)
		v.Data.Loads = append(v.Data.Loads, chartData{Curve: curve})
	}
	for _, o := range c.Result.Budgets {
		class := map[compare.State]string{compare.Broken: "bad", compare.Kept: "good"}[o.State]
		v.Budget = append(v.Budget, comparedBudget{o, class, c.Outcome(o)})
	}
	return v
}

// class is the look of a row.
func class(v compare.Verdict) string {
	return map[compare.Verdict]string{compare.Worse: "bad", compare.Better: "good"}[v]
}

// strip shows each run as a dot, the old ones above the new ones.
type strip struct{ Old, New []string } // from 0 to 100

// newStrip lays the dots between the smallest and the largest value.
func newStrip(old, now []float64) strip {
	low, high := slices.Min(append(slices.Clone(old), now...)), slices.Max(append(slices.Clone(old), now...))
	place := func(values []float64) []string {
		out := make([]string, len(values))
		for i, v := range values {
			x := 50.0
			if high > low {
				x = 3 + 94*(v-low)/(high-low)
			}
			out[i] = fmt.Sprintf("%.1f", x)
		}
		return out
	}
	return strip{place(old), place(now)}
}
