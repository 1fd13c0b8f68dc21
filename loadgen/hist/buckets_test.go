package hist_test

import (
	"testing"
	"time"

	"touchstone/loadgen/hist"
)

// TestBucketsAreTheHistogram records every bucket again at its value: the
// result has the same encoding as the original.
func TestBucketsAreTheHistogram(t *testing.T) {
	for name, n := range map[string]int{"empty": 0, "one": 1, "many": 5000} {
		t.Run(name, func(t *testing.T) {
			want, again := encoded(t, record(latencies(7, n))), hist.New()
			err := hist.Buckets(want, func(d time.Duration, count int64) {
				for range count {
					again.Record(d)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := encoded(t, again); got != want {
				t.Error("the buckets make another histogram")
			}
		})
	}
}

func TestBucketsRefuses(t *testing.T) {
	whole := encoded(t, record(latencies(7, 100)))
	for name, text := range map[string]string{"nothing": "", "noise": "####", "a part": whole[:len(whole)/2/4*4]} {
		if err := hist.Buckets(text, func(time.Duration, int64) {}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkBuckets(b *testing.B) {
	text := encoded(b, record(latencies(7, 500)))
	b.ReportAllocs()
	for b.Loop() {
		if err := hist.Buckets(text, func(time.Duration, int64) {}); err != nil {
			b.Fatal(err)
		}
	}
}
