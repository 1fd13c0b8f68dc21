package hist_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"touchstone/loadgen/hist"
)

func Example() {
	h := hist.New()
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	fmt.Println("p99", h.Quantile(0.99).Round(10*time.Millisecond), h.Supported(0.99))
	fmt.Println("p99.9 needs", hist.Needed(0.999), "samples:", h.Supported(0.999))
	// Output:
	// p99 990ms true
	// p99.9 needs 3688 samples: false
}

// latencies draws n durations spread over six decades.
func latencies(seed uint64, n int) []time.Duration {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(math.Exp(r.Float64()*14)) * time.Microsecond
	}
	return out
}

func record(ds []time.Duration) *hist.Histogram {
	h := hist.New()
	for _, d := range ds {
		h.Record(d)
	}
	return h
}

func TestFiguresAgainstASortedList(t *testing.T) {
	for seed := range uint64(20) {
		ds := latencies(seed, 5000)
		h := record(ds)
		slices.Sort(ds)
		var sum time.Duration
		for _, d := range ds {
			sum += d
		}
		if h.Count() != 5000 || h.Min() != ds[0] || h.Max() != ds[4999] {
			t.Fatalf("count %d, min %v, max %v; want 5000, %v, %v", h.Count(), h.Min(), h.Max(), ds[0], ds[4999])
		}
		if diff := h.Mean() - sum/5000; diff < -1 || diff > 1 {
			t.Errorf("mean %v, want %v", h.Mean(), sum/5000)
		}
		for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			want := ds[max(int(math.Ceil(q*5000)), 1)-1]
			if got := h.Quantile(q); math.Abs(float64(got-want)) > 0.001*float64(want) {
				t.Errorf("quantile %v = %v, want %v", q, got, want)
			}
		}
	}
}

func TestMergeIsAsIfRecordedInOne(t *testing.T) {
	ds := latencies(1, 1000)
	workers := []*hist.Histogram{record(ds[:10]), record(ds[10:500]), record(nil), record(ds[500:])}
	all := hist.New()
	for _, w := range workers {
		all.Merge(w)
	}
	one := record(ds)
	if encoded(t, all) != encoded(t, one) || all.Count() != one.Count() || all.Min() != one.Min() || all.Max() != one.Max() || all.Mean() != one.Mean() {
		t.Error("merged histograms differ from one that recorded everything")
	}
}

func encoded(t testing.TB, h *hist.Histogram) string {
	t.Helper()
	text, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOutOfRangeIsClampedAndCounted(t *testing.T) {
	h := record([]time.Duration{-time.Second, time.Minute, time.Hour, 3 * time.Hour})
	if h.Count() != 4 || h.OutOfRange() != 2 {
		t.Errorf("count %d, out of range %d; want 4, 2", h.Count(), h.OutOfRange())
	}
	if h.Min() != -time.Second || h.Max() != 3*time.Hour {
		t.Errorf("min %v, max %v; want what was recorded", h.Min(), h.Max())
	}
	other := hist.New()
	other.Merge(h)
	if other.OutOfRange() != 2 {
		t.Errorf("%d out of range after a merge, want 2", other.OutOfRange())
	}
	h.Reset()
	if h.Count() != 0 || h.OutOfRange() != 0 || h.Max() != 0 || h.Quantile(0.5) != 0 || h.Mean() != 0 {
		t.Error("a histogram that was reset is not empty")
	}
}

func TestNeeded(t *testing.T) {
	for q, want := range map[float64]int64{
		0.5: 6, 0.75: 13, 0.9: 36, 0.95: 72, 0.99: 368, 0.999: 3688, 0.9999: 36887,
		0.01: 368, 1: math.MaxInt64, 0: math.MaxInt64, 2: math.MaxInt64,
	} {
		if got := hist.Needed(q); got != want {
			t.Errorf("Needed(%v) = %d, want %d", q, got, want)
		}
	}
}

// TestNeededSlowTwin counts up to the first sample that leaves at most 2.5 %
// beyond either end.
func TestNeededSlowTwin(t *testing.T) {
	for _, q := range []float64{0.05, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999} {
		n, above, below := int64(0), 1.0, 1.0
		for above > 0.025 || below > 0.025 {
			n, above, below = n+1, above*q, below*(1-q)
		}
		if got := hist.Needed(q); got != n {
			t.Errorf("Needed(%v) = %d, want %d", q, got, n)
		}
	}
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	for _, h := range []*hist.Histogram{hist.New(), record(latencies(3, 4000)), record([]time.Duration{0}), record([]time.Duration{2 * time.Hour})} {
		text := encoded(t, h)
		back, err := hist.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if encoded(t, back) != text || back.Count() != h.Count() {
			t.Errorf("decode and encode: another histogram, count %d, want %d", back.Count(), h.Count())
		}
		if math.Abs(float64(back.Mean()-h.Mean())) > 0.001*float64(h.Mean()) && h.OutOfRange() == 0 {
			t.Errorf("mean %v after decoding, want %v", back.Mean(), h.Mean())
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	foreign := func(low, high int64, digits int) string {
		text, err := hdrhistogram.New(low, high, digits).EncodeV2()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good := encoded(t, record(latencies(1, 10)))
	tests := []struct{ name, text, want string }{
		{"nothing", "", "too short"},
		{"no base64", "***", "base64"},
		{"another format", base64.StdEncoding.EncodeToString([]byte("a text that is not a histogram")), "zlib"},
		{"half of one", good[:len(good)/2/4*4], "smaller than"},
		// 50 MB of buckets in a short text.
		{"all of int64 in five digits", foreign(1, math.MaxInt64, 5), "want 1 to"},
		{"microseconds", foreign(1, 3_600_000_000, 3), "want 1 to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := hist.Decode(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add(encoded(f, hist.New()))
	f.Add(encoded(f, record(latencies(1, 100))))
	f.Add(encoded(f, record([]time.Duration{0, time.Hour})))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := hist.Decode(text)
		if err != nil {
			return
		}
		again, err := hist.Decode(encoded(t, h))
		if err != nil || again.Count() != h.Count() || again.Quantile(0.5) != h.Quantile(0.5) {
			t.Errorf("decoding %q, encoding and decoding again: %v", text, err)
		}
	})
}

func TestRecordAllocatesNothing(t *testing.T) {
	h, d := hist.New(), time.Duration(1)
	if n := testing.AllocsPerRun(1000, func() { d = d*3%time.Hour + 1; h.Record(d) }); n != 0 {
		t.Errorf("%v allocations a recording, want 0", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	b.ReportAllocs()
	h, d := hist.New(), time.Duration(1)
	for b.Loop() {
		d = d*3%time.Second + 1
		h.Record(d)
	}
}

func TestAboveAgreesWithQuantile(t *testing.T) {
	h := hist.New()
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	for _, row := range []struct {
		d    time.Duration
		want int64
	}{{0, 1000}, {500 * time.Millisecond, 501}, {500500 * time.Microsecond, 500}, {time.Hour, 0}} {
		if got := h.Above(row.d); got != row.want {
			t.Errorf("Above(%v) = %d, want %d", row.d, got, row.want)
		}
	}
	for _, q := range []float64{0.1, 0.5, 0.99} {
		if got := float64(h.Above(h.Quantile(q))) / 1000; got > 1-q+1e-9 {
			t.Errorf("%v of the recordings lie above quantile %v", got, q)
		}
	}
}

// TestAMillionValues: the last quantile that reports have, of as many values as
// a long run, is that of an exact recorder, and takes no more memory than that
// of a short one.
func TestAMillionValues(t *testing.T) {
	ds := latencies(9, 1_000_000)
	h := hist.New()
	for _, d := range ds[:1000] {
		h.Record(d)
	}
	if n := testing.AllocsPerRun(1, func() {
		for _, d := range ds[1000:] {
			h.Record(d)
		}
		h = record(ds[:1000]) // AllocsPerRun runs once more, to warm up
	}); n > 66 {
		t.Errorf("%v allocations for a million recordings, want those of the blocks only", n)
	}
	for _, d := range ds[1000:] {
		h.Record(d)
	}
	slices.Sort(ds)
	if want := ds[999_000-1]; math.Abs(float64(h.Quantile(0.999)-want)) > 0.001*float64(want) {
		t.Errorf("p99.9 = %v, want %v", h.Quantile(0.999), want)
	}
}
