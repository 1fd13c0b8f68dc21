package fault

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the suffixes of sizes, in bytes. The longer ones come first,
// since B is a suffix of all.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// ParseSize reads a number of bytes: digits with one of the units B, kB, MB,
// GB, KiB, MiB and GiB directly behind them, or none for bytes.
func ParseSize(text string) (int64, error) {
	digits, factor := text, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			digits, factor = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || digits[0] == '+' {
		return 0, fmt.Errorf("size %q: want digits and a unit: 512, 64KiB, 100MiB", text)
	}
	if int64(n) > math.MaxInt64/factor {
		return 0, fmt.Errorf("size %q is out of range", text)
	}
	return int64(n) * factor, nil
}
