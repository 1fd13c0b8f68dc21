package hist

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Buckets calls each for every bucket that holds something of a histogram that
// Encode wrote, in order: the lowest duration of the bucket and its count. It
// reads what Decode reads, without the array of all buckets that Decode goes
// through, which counts where a report has a histogram for each second.
func Buckets(text string, each func(d time.Duration, count int64)) error {
	if err := checkGeometry(text); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	packed, err := hdrhistogram.DecodePacked([]byte(text))
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	packed.ForEachBucket(func(value, count int64) bool {
		each(time.Duration(value), count)
		return true
	})
	return nil
}
