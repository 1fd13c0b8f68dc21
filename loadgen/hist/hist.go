// Package hist counts durations in HDR histograms.
//
// A Histogram holds durations of one nanosecond to one hour with three
// significant digits. Its buckets are those of HdrHistogram, in blocks that are
// made when the first recording falls into them: it takes 8 kB for each power
// of two that the recordings span, 270 kB at most, whatever their number. It is
// not safe for concurrent use. Give each worker its own, then Merge.
package hist

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The geometry of every histogram. Histograms of another geometry do not merge
// without loss, so Decode refuses them.
const (
	lowest  = 1
	highest = int64(time.Hour)
	digits  = 3
)

// Three digits take 2,048 buckets of one nanosecond each; from there on, each
// power of two has 1,024 buckets, twice as wide as those of the one before.
const (
	blockBits = 10
	blockLen  = 1 << blockBits
	blocks    = 33 // up to an hour, which has 42 bits
)

// Histogram is a distribution of durations. Count, Min, Mean and Max are
// exact; quantiles are within 0.1 %. Make one with New.
type Histogram struct {
	blocks [blocks]*[blockLen]int64 // nil: nothing recorded there
	count  int64

	sum        float64 // nanoseconds
	min, max   time.Duration
	outOfRange int64
}

// New returns an empty histogram.
func New() *Histogram { return &Histogram{} }

// Record adds one duration. One outside of [0, 1 h] goes into the nearest
// bucket and is counted in OutOfRange; Min, Mean and Max keep its true value.
func (h *Histogram) Record(d time.Duration) {
	if h.count == 0 {
		h.min, h.max = d, d
	}
	h.count++
	h.min, h.max = min(h.min, d), max(h.max, d)
	h.sum += float64(d)

	clamped := min(max(int64(d), 0), highest)
	if clamped != int64(d) {
		h.outOfRange++
	}
	shift := max(bits.Len64(uint64(clamped))-blockBits-1, 0)
	index := int(clamped >> shift)
	h.block(shift + index>>blockBits)[index%blockLen]++
}

// block returns a block, made if need be.
func (h *Histogram) block(i int) *[blockLen]int64 {
	if h.blocks[i] == nil {
		h.blocks[i] = new([blockLen]int64)
	}
	return h.blocks[i]
}

// top returns the largest duration that falls into a bucket.
func top(block, i int) time.Duration {
	if block == 0 {
		return time.Duration(i)
	}
	shift := block - 1
	return time.Duration((blockLen+i+1)<<shift - 1)
}

// Merge adds all recordings of other, which is not changed.
func (h *Histogram) Merge(other *Histogram) {
	switch {
	case other.count == 0:
		return
	case h.count == 0:
		h.min, h.max = other.min, other.max
	}
	h.min, h.max = min(h.min, other.min), max(h.max, other.max)
	h.sum += other.sum
	h.count += other.count
	h.outOfRange += other.outOfRange
	for i, from := range other.blocks {
		if from == nil {
			continue
		}
		to := h.block(i)
		for j, n := range from {
			to[j] += n
		}
	}
}

// Reset forgets all recordings, and keeps the memory that they took.
func (h *Histogram) Reset() {
	for _, block := range h.blocks {
		if block != nil {
			clear(block[:])
		}
	}
	*h = Histogram{blocks: h.blocks}
}

// Count returns the number of recordings.
func (h *Histogram) Count() int64 { return h.count }

// OutOfRange returns how many recordings were clamped.
func (h *Histogram) OutOfRange() int64 { return h.outOfRange }

// Min returns the smallest recording, 0 when there is none.
func (h *Histogram) Min() time.Duration { return h.min }

// Max returns the largest recording, 0 when there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean returns the arithmetic mean, 0 when there is no recording.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(math.Round(h.sum / float64(h.count)))
}

// Quantile returns the duration that a share q of the recordings does not
// exceed, 0 when there is none; q is clamped to [0, 1]. It answers for any
// sample: ask Supported whether the answer means anything.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	// The number of recordings that may not exceed the answer, rounded up; the
	// last bit of 0.07*100 is not to ask for an eighth.
	rank := max(int64(math.Ceil(min(max(q, 0), 1)*float64(h.count)*(1-1e-12))), 1)
	return min(max(h.ranked(rank), h.min), h.max)
}

// ranked returns the top of the bucket that holds the recording number rank,
// from 1, in order of size.
func (h *Histogram) ranked(rank int64) time.Duration {
	for i, block := range h.blocks {
		if block == nil {
			continue
		}
		for j, n := range block {
			if rank -= n; rank <= 0 {
				return top(i, j)
			}
		}
	}
	return h.max
}

// Above returns how many recordings are longer than d, to the precision of the
// buckets: the one that d lies in counts as Quantile takes it, by its end.
func (h *Histogram) Above(d time.Duration) int64 {
	var n int64
	for bar := range h.Bars() {
		if bar.High > d {
			n += bar.Count
		}
	}
	return n
}

// confidence is that of the interval which a reported quantile must have.
const confidence = 0.95

// Needed returns the smallest sample that supports quantile q: p50 needs 6,
// p99 368, p99.9 3,688. No sample supports a q that is not within (0, 1).
//
// The true quantile lies above all n recordings with probability q^n, and
// below all with (1-q)^n. A two-sided interval made of recordings leaves at
// most (1-0.95)/2 = 2.5 % on each side, so it exists from the smallest n with
// max(q, 1-q)^n <= 0.025, which is ln(0.025) / ln(max(q, 1-q)) rounded up.
// A smaller sample has no upper end to offer: its quantile is a guess.
func Needed(q float64) int64 {
	n := math.Ceil(math.Log((1-confidence)/2) / math.Log(max(q, 1-q)))
	if !(q > 0 && q < 1 && n < math.MaxInt64) {
		return math.MaxInt64
	}
	return int64(n)
}

// Supported reports whether the sample is large enough for quantile q.
func (h *Histogram) Supported(q float64) bool { return h.Count() >= Needed(q) }

// Encode returns the HdrHistogram V2 form, compressed, base64. The exact Min,
// Mean and Max are not in it.
func (h *Histogram) Encode() (string, error) {
	counts := make([]int64, blocks*blockLen)
	for i, block := range h.blocks {
		if block != nil {
			copy(counts[i*blockLen:], block[:])
		}
	}
	text, err := hdrhistogram.Import(&hdrhistogram.Snapshot{
		LowestTrackableValue: lowest, HighestTrackableValue: highest, SignificantFigures: digits, Counts: counts,
		IntegerToDoubleConversionRatio: 1,
	}).EncodeV2()
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(text), nil
}
