package hist

import (
	"cmp"
	"iter"
	"time"
)

// Bar is one bucket of a histogram: Count recordings of Low to High, both
// included.
type Bar struct {
	Low, High time.Duration
	Count     int64
}

// Bars yields the buckets that are not empty, from the lowest.
func (h *Histogram) Bars() iter.Seq[Bar] {
	return func(yield func(Bar) bool) {
		for i, block := range h.blocks {
			if block == nil {
				continue
			}
			for j, n := range block {
				if n > 0 && !yield(Bar{bottom(i, j), top(i, j), n}) {
					return
				}
			}
		}
	}
}

// bottom returns the smallest duration that falls into a bucket.
func bottom(block, i int) time.Duration {
	if block == 0 {
		return time.Duration(i)
	}
	return time.Duration(blockLen+i) << (block - 1)
}

// Equal reports whether both histograms count the same recordings in every
// bucket.
func (h *Histogram) Equal(other *Histogram) bool {
	var none [blockLen]int64
	for i := range h.blocks {
		mine, others := cmp.Or(h.blocks[i], &none), cmp.Or(other.blocks[i], &none)
		if *mine != *others {
			return false
		}
	}
	return true
}
