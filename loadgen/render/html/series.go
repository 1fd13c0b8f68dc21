package html

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// Limits of the charts.
const (
	maxPoints   = 1200 // on a time axis, in one load: what a wide screen has pixels for
	allPoints   = 4800 // in all loads together
	fewPoints   = 60   // a load has at least, however many there are
	maxCodes    = 8    // statuses with a line of their own
	curveSteps  = 20   // points of a percentile curve in each factor of ten of 1/(1-p)
	curveTens   = 6    // up to p99.9999
	smallestLog = 1e-6 // milliseconds; a logarithmic axis has no zero
)

// curve is two distributions by 1/(1-p): as many points from p90 to p99 as
// from p99 to p99.9.
type curve struct {
	X     []float64   `json:"x"` // log10(1/(1-p))
	Lines []curveLine `json:"lines"`
}

// curveLine is one distribution: a latency for each X, nil where the sample
// does not support the quantile.
type curveLine struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
}

// newCurve ends where neither sample supports a quantile. It is empty when the
// report holds no histogram.
func newCurve(name string, a report.Latency, other string, b report.Latency) curve {
	first, second := decode(a), decode(b)
	c := curve{X: []float64{}, Lines: []curveLine{{name, []*float64{}}, {other, []*float64{}}}}
	for i := range curveSteps*curveTens + 1 {
		x := float64(i) / curveSteps
		q := 1 - math.Pow(10, -x)
		one, two := at(first, q), at(second, q)
		if one == nil && two == nil {
			continue
		}
		c.X = append(c.X, x)
		c.Lines[0].Values, c.Lines[1].Values = append(c.Lines[0].Values, one), append(c.Lines[1].Values, two)
	}
	return c
}

// decode returns the histogram of a latency, nil when it has none that can be
// read: a report of another tool still shows its figures.
func decode(l report.Latency) *hist.Histogram {
	h, err := hist.Decode(l.HDR)
	if err != nil {
		return nil
	}
	return h
}

func at(h *hist.Histogram, q float64) *float64 {
	if h == nil || !h.Supported(q) {
		return nil
	}
	return new(round(max(report.Milliseconds(h.Quantile(q)), smallestLog)))
}

// Percent returns p of point i, for the table.
func (c curve) Percent(i int) float64 {
	return 100 * (1 - math.Pow(10, -c.X[i]))
}

// timeline is the windows of a load as columns on one time axis.
type timeline struct {
	T       []float64 `json:"t"`
	End     float64   `json:"end"` // of the last window
	Columns []column  `json:"columns"`
	Merged  int       `json:"merged"` // windows in two points; 0 when each has its own
}

// column is one figure over time. Chart names the chart that draws it, "" when
// only the table shows it.
type column struct {
	Name   string     `json:"name"`
	Unit   string     `json:"unit,omitempty"`
	Chart  string     `json:"chart,omitempty"`
	Values []*float64 `json:"values"`
	of     func(report.Window) *float64
}

// newTimeline puts at most limit points on the axis. More windows are merged:
// each group of them becomes two points, with the lowest and then the highest
// value of each figure, so that no peak and no hole is lost.
func newTimeline(windows []report.Window, limit int) timeline {
	out := timeline{T: []float64{}, Columns: columns(windows)}
	if len(windows) == 0 {
		return out
	}
	out.End = windows[len(windows)-1].T + windowLength(windows)
	if len(windows) > limit {
		out.Merged = (2*len(windows) + limit - 1) / limit
	}
	for group := range slices.Chunk(windows, max(out.Merged, 1)) {
		out.T = append(out.T, group[0].T)
		if len(group) > 1 {
			out.T = append(out.T, group[len(group)/2].T)
		}
		for i := range out.Columns {
			out.Columns[i].add(group)
		}
	}
	return out
}

// add appends one value for one window, two for a group of them.
func (c *column) add(group []report.Window) {
	low := c.of(group[0])
	high := low
	for _, w := range group[1:] {
		v := c.of(w)
		low, high = pick(low, v, math.Min), pick(high, v, math.Max)
	}
	c.Values = append(c.Values, low)
	if len(group) > 1 {
		c.Values = append(c.Values, high)
	}
}

// pick joins two values of which either may be missing.
func pick(a, b *float64, choose func(x, y float64) float64) *float64 {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return new(choose(*a, *b))
}

// windowLength is the length of a window: what lies between the first two of them.
func windowLength(windows []report.Window) float64 {
	if len(windows) < 2 || windows[1].T <= windows[0].T {
		return 1
	}
	return windows[1].T - windows[0].T
}

// columns returns what the windows tell: the fixed figures, those that this
// load has, and a column for each status but OK.
func columns(windows []report.Window) []column {
	out := []column{
		{Name: "p50", Unit: "ms", Chart: "latency", of: func(w report.Window) *float64 { return rounded(w.P50) }},
		{Name: "p99", Unit: "ms", Chart: "latency", of: func(w report.Window) *float64 { return rounded(w.P99) }},
		{Name: "max", Unit: "ms", Chart: "latency", of: highest},
		{Name: "due", Unit: "/s", Chart: "rate", of: counted(func(w report.Window) int64 { return w.Due })},
		{Name: "sent", Unit: "/s", Chart: "rate", of: counted(func(w report.Window) int64 { return w.Sent })},
		{Name: "completed", Unit: "/s", Chart: "rate", of: counted(func(w report.Window) int64 { return w.Completed })},
		{Name: "dropped", Unit: "/s", Chart: "rate", of: counted(func(w report.Window) int64 { return w.Dropped })},
		{Name: "in flight", Chart: "flight", of: counted(func(w report.Window) int64 { return w.InFlight })},
		{Name: "lag p99", Unit: "ms", of: func(w report.Window) *float64 { return rounded(w.LagP99) }},
	}
	for _, optional := range []string{"due", "dropped", "lag p99"} {
		out = slices.DeleteFunc(out, func(c column) bool { return c.Name == optional && !c.tells(windows) })
	}
	for i := range out {
		out[i].Values = []*float64{}
	}
	return append(out, codeColumns(windows)...)
}

// tells reports whether any window has the figure.
func (c column) tells(windows []report.Window) bool {
	return slices.ContainsFunc(windows, func(w report.Window) bool { v := c.of(w); return v != nil && *v != 0 })
}

func highest(w report.Window) *float64 {
	if w.Completed == 0 {
		return nil
	}
	return rounded(&w.Max)
}

func counted(of func(report.Window) int64) func(report.Window) *float64 {
	return func(w report.Window) *float64 { return new(float64(of(w))) }
}

// codeColumns returns a column for each of the most frequent statuses but OK,
// by name, and one for all others.
func codeColumns(windows []report.Window) []column {
	total := map[string]int64{}
	for _, w := range windows {
		for code, n := range w.Statuses {
			total[code] += n
		}
	}
	delete(total, "OK")
	codes := slices.Collect(maps.Keys(total))
	slices.SortFunc(codes, func(a, b string) int { return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b)) })
	own := codes[:min(len(codes), maxCodes)]
	slices.Sort(own)
	var out []column
	for _, code := range own {
		out = append(out, codeColumn(visible(code), func(w report.Window) int64 { return w.Statuses[code] }))
	}
	if rest := codes[len(own):]; len(rest) > 0 {
		out = append(out, codeColumn(strconv.Itoa(len(rest))+" other codes", func(w report.Window) (n int64) {
			for _, code := range rest {
				n += w.Statuses[code]
			}
			return n
		}))
	}
	return out
}

func codeColumn(name string, of func(report.Window) int64) column {
	return column{Name: name, Unit: "/s", Chart: "errors", Values: []*float64{}, of: counted(of)}
}

// HasErrors reports whether there is an errors chart to draw.
func (t timeline) HasErrors() bool {
	return slices.ContainsFunc(t.Columns, func(c column) bool { return c.Chart == "errors" })
}

// round keeps six significant digits: the histograms know three.
func round(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return out
}

func rounded(v *float64) *float64 {
	if v == nil {
		return nil
	}
	return new(round(max(*v, smallestLog)))
}
