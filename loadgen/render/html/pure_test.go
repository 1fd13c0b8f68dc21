package html

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// encoded is a window's histogram.
func encoded(t *testing.T, latencies ...time.Duration) string {
	t.Helper()
	h := hist.New()
	for _, d := range latencies {
		h.Record(d)
	}
	text, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cellAt returns the count of the cell that holds a latency, in milliseconds.
func (h heatmap) cellAt(column int, ms float64) int64 {
	cells := h.Cells[column]
	for i := 0; i < len(cells); i += 2 {
		if row := cells[i]; h.Edges[row] <= ms && ms < h.Edges[row+1] {
			return cells[i+1]
		}
	}
	return 0
}

func TestHeatmapKeepsASingleSlowCall(t *testing.T) {
	var windows []report.Window
	for i := range 1000 {
		w := report.Window{T: float64(i), HDR: encoded(t, 2*time.Millisecond, 2*time.Millisecond, 3*time.Millisecond)}
		if i == 777 {
			w.HDR = encoded(t, 4700*time.Millisecond)
		}
		windows = append(windows, w)
	}
	h := newHeatmap(windows)
	if len(h.Cells) > maxHeatColumns || len(h.Edges) > maxHeatRows+2 {
		t.Errorf("%d columns of %d rows", len(h.Cells), len(h.Edges)-1)
	}
	column := 0
	for h.To[column] <= 777 {
		column++
	}
	if got := h.cellAt(column, 4690); got != 1 {
		t.Errorf("the slow call's cell counts %d", got)
	}
	if row := h.Rows[column]; row[len(row)-1] != 1 || h.Bands[len(row)-1] != (band{2000, 5000}) {
		t.Errorf("the slow call's band is %v with %d", h.Bands[len(row)-1], row[len(row)-1])
	}
	var cells, rows int64
	for i := range h.Cells {
		for k := 1; k < len(h.Cells[i]); k += 2 {
			cells += h.Cells[i][k]
		}
		for _, n := range h.Rows[i] {
			rows += n
		}
	}
	if cells != 999*3+1 || rows != cells {
		t.Errorf("%d calls in cells and %d in the table, want %d", cells, rows, 999*3+1)
	}
}

// TestHeatmapSurvivesStrangeWindows: no histogram, one that cannot be read, one
// of nothing, the shortest and the longest call.
func TestHeatmapSurvivesStrangeWindows(t *testing.T) {
	h := newHeatmap([]report.Window{{T: 5, HDR: "####"}, {T: 5, HDR: encoded(t)}, {T: 4}})
	if len(h.Cells) != 0 || h.Edges == nil {
		t.Errorf("nothing was counted, but %+v", h)
	}
	h = newHeatmap([]report.Window{{HDR: encoded(t, 0, time.Hour)}})
	if h.cellAt(0, smallestLog) != 1 || len(h.Edges) > maxHeatRows+2 {
		t.Errorf("%d rows from %g to %g ms", len(h.Edges)-1, h.Edges[0], h.Edges[len(h.Edges)-1])
	}
}

func TestBandsHoldTheirLatencies(t *testing.T) {
	values := []float64{smallestLog}
	for _, ten := range []float64{1e-3, 1e-2, 0.1, 1, 10, 100, 1000} {
		values = append(values, ten, 2*ten, 5*ten, 1.999*ten, 4.999*ten, 9.999*ten)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		values = append(values, math.Pow(10, random.Float64()*12-6))
	}
	for _, v := range values {
		i := bandOf(v)
		if low, high := bandLow(i), bandLow(i+1); v < low*(1-1e-9) || v >= high*(1+1e-9) {
			t.Errorf("%g ms is counted from %g to %g", v, low, high)
		}
	}
}

// TestTimelineSlowTwin merges windows by hand and compares.
func TestTimelineSlowTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{0, 1, 2, 99, 100, 101, 1234} {
		var windows []report.Window
		for i := range n {
			w := report.Window{T: float64(i), Sent: random.Int64N(1000), Completed: 1, Max: random.Float64() * 100}
			if random.IntN(3) > 0 {
				w.P99 = new(round(random.Float64() * 50))
			}
			windows = append(windows, w)
		}
		got := newTimeline(windows, 100)
		if len(got.T) > 100 {
			t.Errorf("%d windows make %d points", n, len(got.T))
		}
		for _, name := range []string{"sent", "p99", "max"} {
			var c column
			for _, one := range got.Columns {
				if one.Name == name {
					c = one
				}
			}
			if diff := cmp.Diff(slowMerge(windows, got.Merged, c.of), c.Values); diff != "" {
				t.Errorf("%s of %d windows (-want +got):\n%s", name, n, diff)
			}
		}
	}
}

// slowMerge takes the lowest and the highest of each group of windows.
func slowMerge(windows []report.Window, merged int, of func(report.Window) *float64) []*float64 {
	out := []*float64{}
	for len(windows) > 0 {
		n := min(max(merged, 1), len(windows))
		var low, high *float64
		for _, w := range windows[:n] {
			if v := of(w); v != nil {
				if low == nil || *v < *low {
					low = v
				}
				if high == nil || *v > *high {
					high = v
				}
			}
		}
		if out = append(out, low); n > 1 {
			out = append(out, high)
		}
		windows = windows[n:]
	}
	return out
}

func TestRareCodesShareAColumn(t *testing.T) {
	w := report.Window{Completed: 100, Statuses: map[string]int64{"OK": 50}}
	for i, code := range strings.Split("ABCDEFGHIJ", "") {
		w.Statuses[code] = int64(i + 1)
	}
	got := codeColumns([]report.Window{w})
	if last := got[len(got)-1]; len(got) != maxCodes+1 || last.Name != "2 other codes" || *last.of(w) != 1+2 {
		t.Errorf("%d columns, the last one %q with %g", len(got), last.Name, *last.of(w))
	}
}

func TestFieldDiff(t *testing.T) {
	for _, row := range []struct{ name, want, got, marksLeft, marksRight string }{
		{"in the middle", `{"id":7}`, `{"id":17}`, "", "1"},
		{"at the end", "Hello Ada!", "Hello, Ada?", " Ada!", ", Ada?"},
		{"by lines", "a\nb\nc\n", "a\nB\nc\n", "b\n", "B\n"},
		{"a line more", "a\nc", "a\nb\nc", "", "b\n"},
		{"nothing in common", "OK", "UNAVAILABLE", "", ""},
		{"only one side", "OK", "", "", ""},
		{"control characters stay spelled out", "a\x1b1", "a\x1b2", "1", "2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			left, right := fieldDiff(row.want, row.got)
			if marked(left) != row.marksLeft || marked(right) != row.marksRight {
				t.Errorf("marks %q and %q, want %q and %q", marked(left), marked(right), row.marksLeft, row.marksRight)
			}
			if all := joined(left); !strings.Contains(row.name, "control") && all != row.want {
				t.Errorf("shows %q", all)
			}
		})
	}
}

func TestFieldDiffLeavesOutEqualLines(t *testing.T) {
	same := strings.Repeat("same\n", 20)
	left, _ := fieldDiff(same+"old\n"+same, same+"new\n"+same)
	if got, want := joined(left), "…\n"+strings.Repeat("same\n", context)+"old\n"+strings.Repeat("same\n", context)+"…"; got != want {
		t.Errorf("shows %q, want %q", got, want)
	}
}

func marked(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		if p.Differs {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func joined(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func TestWaterfall(t *testing.T) {
	w := retryWaterfall([]report.Attempt{
		{Number: 1, EndMS: 10, Status: "UNAVAILABLE"},
		{Number: 2, StartMS: 40, GapMS: 30, EndMS: 50, Status: "UNAVAILABLE", LegalMinMS: new(80.), LegalMaxMS: new(120.)},
		{Number: 3, StartMS: 250, GapMS: 200, EndMS: 260, Status: "UNAVAILABLE", LegalMinMS: new(160.), LegalMaxMS: new(240.)},
		{Number: 4, StartMS: 400, GapMS: 140, LegalMinMS: new(80.), LegalMaxMS: new(120.)},
	})
	// The axis holds all attempts, and what the last gap may be.
	if w.SpanMS != 400 {
		t.Errorf("span %g ms", w.SpanMS)
	}
	var said []string
	for _, b := range w.Bars {
		if b.Gap != nil {
			said = append(said, b.Gap.Off())
		}
		if b.X < 0 || b.X+b.W > 1000.001 || b.W < 3 {
			t.Errorf("%s reaches from %g to %g", b.Name, b.X, b.X+b.W)
		}
	}
	if diff := cmp.Diff([]string{"below", "", "above"}, said); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if g := w.Bars[1].Gap; g.X != 25 || g.W != 75 || g.LegalX != 225 || g.LegalWidth != 100 {
		t.Errorf("the first gap stands at %+v", *g)
	}
	if last := w.Bars[3]; last.Class != "open" || last.Status != "under way" || last.ToMS != 400 {
		t.Errorf("the attempt under way is %+v", last)
	}
}

// TestCallCountsFromDue: a call that waited before it was sent shows the wait,
// and its attempts after it.
func TestCallCountsFromDue(t *testing.T) {
	l := &report.Load{Method: "a.B/C", Kind: "server_stream", Calls: []report.Call{
		{SentMS: 60, DoneMS: 100, Status: "OK", Attempts: []report.Attempt{{Number: 1, EndMS: 5, Status: "UNAVAILABLE"}, {Number: 2, StartMS: 20, GapMS: 15, EndMS: 40, Status: "OK"}}},
		{SentMS: 10, FirstMS: 30, DoneMS: 50, Status: "OK"},
		{Method: "a.B/Unary", SentMS: 10, FirstMS: 50, DoneMS: 50, Status: "OK"},
	}, Methods: []report.Method{{Method: "a.B/Unary", Kind: "unary"}}}
	type row struct {
		Name, Class string
		From, To    float64
	}
	var got [][]row
	for _, w := range callWaterfalls(l) {
		var rows []row
		for _, b := range w.Bars {
			rows = append(rows, row{b.Name, b.Class, b.FromMS, b.ToMS})
		}
		got = append(got, rows)
	}
	want := [][]row{
		{{"wait to be sent", "wait", 0, 60}, {"attempt 1", "ko", 60, 65}, {"attempt 2", "ok", 80, 100}},
		{{"wait to be sent", "wait", 0, 10}, {"first message", "wait", 10, 30}, {"call", "ok", 30, 50}},
		{{"wait to be sent", "wait", 0, 10}, {"call", "ok", 10, 50}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
}

func TestCommandHasItsSeed(t *testing.T) {
	for _, row := range []struct{ command, want string }{
		{"loadgen run scenarios", "loadgen run scenarios --seed=7"},
		{"loadgen run --seed=9 scenarios", "loadgen run --seed=9 scenarios"},
		{"loadgen run --seed 9 scenarios", "loadgen run --seed 9 scenarios"},
		{"loadgen retry check -- python3 c.py", "loadgen retry check --seed=7 -- python3 c.py"},
		{"", ""},
	} {
		if got := shell(withSeed(strings.Fields(row.command), 7)); got != row.want {
			t.Errorf("withSeed(%q) = %q, want %q", row.command, got, row.want)
		}
	}
}

func TestMargins(t *testing.T) {
	for _, row := range []struct {
		threshold    report.Threshold
		unit, margin string
	}{
		{report.Threshold{Expression: "response.p99 < 50ms", Value: 40, Limit: 50}, "ms", "+20.0 %"},
		{report.Threshold{Expression: "response.p99 < 50ms", Value: 60, Limit: 50}, "ms", "-20.0 %"},
		{report.Threshold{Expression: "achieved >= 99%", Value: 99.99, Limit: 99}, "%", "+1.0 %"},
		{report.Threshold{Expression: "dropped == 0", Value: 3}, "", "-3"},
		{report.Threshold{Expression: "lag.p99 < 1ms", Limit: 1, Message: "too few"}, "ms", ""},
		{report.Threshold{Expression: "not an expression"}, "", ""},
	} {
		got := newThreshold(row.threshold)
		if got.Margin != row.margin || (row.unit != "" && got.Unit != row.unit) {
			t.Errorf("%s: %q %q, want %q %q", row.threshold.Expression, got.Margin, got.Unit, row.margin, row.unit)
		}
	}
}

func TestScenariosStandByFolder(t *testing.T) {
	all := []report.Scenario{
		{File: "a/1.yaml", Status: report.Passed}, {File: "b/1.yaml", Status: report.Failed}, {File: "a/2.yaml", Status: report.KnownFailing},
		{File: "b/2.yaml", Status: report.Error}, {File: "c.yaml", Status: report.Skipped},
	}
	type row struct {
		Name                   string
		Total, Good, Bad, Rest int
		Open                   bool
	}
	var got []row
	for _, f := range folders(all) {
		got = append(got, row{f.Name, f.Total, f.Good, f.Bad(), f.Rest, f.Open})
	}
	want := []row{{"a", 2, 1, 0, 1, false}, {"b", 2, 0, 2, 0, true}, {".", 1, 0, 0, 1, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
}

// TestCapacityDrawsWhatEveryRunHas: one short run takes p99 from all of them,
// so that runs are compared by the same figure.
func TestCapacityDrawsWhatEveryRunHas(t *testing.T) {
	long := report.CapacityPoint{RateRPS: 10, Response: report.Latency{P50: new(1.), P75: new(2.), P90: new(3.), P95: new(4.), P99: new(5.), Max: 6}}
	short := report.CapacityPoint{RateRPS: 5, Response: report.Latency{P50: new(10.), P75: new(20.), P90: new(30.), Max: 60}}
	none := report.CapacityPoint{RateRPS: 20}
	for _, row := range []struct {
		points []report.CapacityPoint
		name   string
		high   []float64
	}{
		{[]report.CapacityPoint{long}, "p99", []float64{5}},
		{[]report.CapacityPoint{long, short}, "p90", []float64{30, 3}}, // by rate
		{[]report.CapacityPoint{long, none}, "max", []float64{6, smallestLog}},
		{nil, "p99", nil},
	} {
		c := newCapacity(&report.Capacity{Points: row.points})
		var high []float64
		for _, v := range c.High {
			high = append(high, *v)
		}
		if diff := cmp.Diff(row.high, high); c.Name != row.name || diff != "" {
			t.Errorf("%s, want %s (-want +got):\n%s", c.Name, row.name, diff)
		}
	}
}
