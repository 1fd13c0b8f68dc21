package html

import (
	"maps"
	"math"
	"slices"
	"time"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// Limits of a heatmap.
const (
	maxHeatColumns = 240
	maxHeatRows    = 60
	finest         = 48 // rows in a factor of ten, before they are joined
)

// heatmap counts calls by time and latency. Windows that share a column are
// added up, so a single slow call among millions still has its cell.
type heatmap struct {
	From  []float64 `json:"from"`  // seconds, start of each column
	To    []float64 `json:"to"`    // seconds, its end
	Edges []float64 `json:"edges"` // milliseconds: row i lies between edges i and i+1
	Cells [][]int64 `json:"cells"` // of each column: row, count, row, count ...
	Most  int64     `json:"most"`  // calls in one cell

	Bands []band    `json:"-"` // for the table: latencies in steps of 1, 2, 5
	Rows  [][]int64 `json:"-"` // of each column: the count of each band
}

// band is a range of latencies, in milliseconds.
type band struct{ Low, High float64 }

// heatColumn counts by logarithm of latency, in two grids.
type heatColumn struct {
	from, to    float64
	fine, bands map[int]int64
}

// newHeatmap is empty when no window has a histogram.
func newHeatmap(windows []report.Window) heatmap {
	out := heatmap{From: []float64{}, To: []float64{}, Edges: []float64{}, Cells: [][]int64{}}
	var columns []heatColumn
	width := windowLength(windows)
	for group := range slices.Chunk(windows, max((len(windows)+maxHeatColumns-1)/maxHeatColumns, 1)) {
		c := heatColumn{from: group[0].T, to: group[len(group)-1].T + width, fine: map[int]int64{}, bands: map[int]int64{}}
		for _, w := range group {
			c.add(w.HDR)
		}
		columns = append(columns, c)
	}
	out.fill(columns)
	return out
}

// add counts the calls of one window. A histogram that cannot be read is as
// good as none: the window's figures stand beside it.
func (c *heatColumn) add(text string) {
	if text == "" {
		return
	}
	_ = hist.Buckets(text, func(d time.Duration, n int64) {
		ms := max(report.Milliseconds(d), smallestLog)
		// The small part keeps a power of ten on its own side of the edge.
		c.fine[int(math.Floor(math.Log10(ms)*finest+1e-9))] += n
		c.bands[bandOf(ms)] += n
	})
}

// bandOf numbers the steps 1, 2, 5, 10 ... with 0 from 1 to 2 ms.
func bandOf(ms float64) int {
	ten := math.Floor(math.Log10(ms) + 1e-12)
	switch lead := ms / math.Pow(10, ten); {
	case lead >= 5:
		return 3*int(ten) + 2
	case lead >= 2:
		return 3*int(ten) + 1
	}
	return 3 * int(ten)
}

// bandLow is the lower end of a band.
func bandLow(i int) float64 {
	ten := math.Floor(float64(i) / 3)
	return [3]float64{1, 2, 5}[i-3*int(ten)] * math.Pow(10, ten)
}

// fill joins fine rows until they are few enough, and lists the cells.
func (h *heatmap) fill(columns []heatColumn) {
	low, high, found := extent(columns, func(c heatColumn) map[int]int64 { return c.fine })
	if !found {
		return
	}
	join := 1
	for _, n := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 48} {
		if join = n; (high-low)/n < maxHeatRows {
			break
		}
	}
	first, last := floorDiv(low, join), floorDiv(high, join)
	for row := first; row <= last+1; row++ {
		h.Edges = append(h.Edges, round(math.Pow(10, float64(row*join)/finest)))
	}
	firstBand, lastBand, _ := extent(columns, func(c heatColumn) map[int]int64 { return c.bands })
	for i := firstBand; i <= lastBand; i++ {
		h.Bands = append(h.Bands, band{bandLow(i), bandLow(i + 1)})
	}
	for _, c := range columns {
		h.From, h.To = append(h.From, c.from), append(h.To, c.to)
		h.Cells = append(h.Cells, h.cells(c.fine, join, first))
		row := make([]int64, len(h.Bands))
		for i, n := range c.bands {
			row[i-firstBand] += n
		}
		h.Rows = append(h.Rows, row)
	}
}

// cells joins the counts of one column, and keeps the largest.
func (h *heatmap) cells(fine map[int]int64, join, first int) []int64 {
	joined := map[int]int64{}
	for row, n := range fine {
		joined[floorDiv(row, join)-first] += n
	}
	out := []int64{}
	for _, row := range slices.Sorted(maps.Keys(joined)) {
		out = append(out, int64(row), joined[row])
		h.Most = max(h.Most, joined[row])
	}
	return out
}

// extent returns the lowest and highest key of all columns.
func extent(columns []heatColumn, of func(heatColumn) map[int]int64) (low, high int, found bool) {
	for _, c := range columns {
		for key := range of(c) {
			if !found {
				low, high, found = key, key, true
			}
			low, high = min(low, key), max(high, key)
		}
	}
	return low, high, found
}

func floorDiv(a, b int) int { return int(math.Floor(float64(a) / float64(b))) }
