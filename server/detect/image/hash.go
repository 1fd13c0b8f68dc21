package image

import (
	"fmt"
	stdimage "image"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

const (
	hashSide = 32 // the picture is reduced to this many pixels a side
	hashLow  = 8  // and described by this many frequencies in each direction

	// flat is the size below which a frequency counts as absent: about
	// a quarter of a step of lightness over the whole picture, in the
	// fixed-point units of frequencies.
	flat = 1 << 34
)

// Hash is a perceptual fingerprint: pictures that look alike have fingerprints
// that differ in few bits. 0 is that of a picture without features.
//
// It is the DCT hash of Zauner, "Implementation and Benchmarking of Perceptual
// Image Hash Functions" (2010), section 3.2.1: of the picture in grey at 32 x 32, the
// frequencies 1 to 8 in both directions, one bit each, set where the frequency
// is above the median of all. Frequency 0 is left out, so that brightness does
// not matter.
type Hash uint64

// ParseHash reads what String prints.
func ParseHash(s string) (Hash, error) {
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 || Hash(v).String() != s {
		return 0, fmt.Errorf("parse image hash %q: want 16 lower-case hexadecimal digits", s)
	}
	return Hash(v), nil
}

// String prints 16 hexadecimal digits.
func (h Hash) String() string { return fmt.Sprintf("%016x", uint64(h)) }

// MarshalText is String, for JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is ParseHash, for JSON.
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err == nil {
		*h = parsed
	}
	return err
}

// Distance is the number of bits, 0 to 64, in which two fingerprints differ.
func (h Hash) Distance(other Hash) int { return bits.OnesCount64(uint64(h ^ other)) }

// HashOf returns the fingerprint of a picture that has at least one pixel.
func HashOf(img stdimage.Image) Hash { return hashOf(bounded(img, maxSide)) }

// hashOf is HashOf for a picture in grey that has been reduced to maxSide.
func hashOf(gray *stdimage.Gray) Hash {
	if shortest := min(gray.Rect.Dx(), gray.Rect.Dy()); shortest < hashSide {
		gray = enlarge(gray, ceil(hashSide, shortest))
	}
	freq := frequencies(shrink(gray, hashSide, hashSide))
	sorted := slices.Sorted(slices.Values(freq[:]))
	median := (sorted[31] + sorted[32]) / 2
	var h Hash
	for _, f := range freq {
		h <<= 1
		if f > median {
			h |= 1
		}
	}
	return h
}

// frequencies is the low part of the two-dimensional discrete cosine transform
// (DCT-II) of 32 x 32 pixels, row by row. It works with cosines in units of
// 2^-14 and is exact from there on: floating-point sums would round
// differently from one processor to another.
func frequencies(g *stdimage.Gray) (freq [hashLow * hashLow]int64) {
	var cos [hashLow][hashSide]int64
	for u := range hashLow {
		for x := range hashSide {
			angle := float64((2*x+1)*(u+1)) * math.Pi / (2 * hashSide)
			cos[u][x] = int64(math.Round(math.Cos(angle) * (1 << 14)))
		}
	}
	var rows [hashSide][hashLow]int64 // transformed along x only
	for y := range hashSide {
		for u := range hashLow {
			for x := range hashSide {
				rows[y][u] += int64(g.Pix[y*g.Stride+x]) * cos[u][x]
			}
		}
	}
	for i := range freq {
		for y := range hashSide {
			freq[i] += rows[y][i%hashLow] * cos[i/hashLow][y]
		}
		if -flat < freq[i] && freq[i] < flat {
			freq[i] = 0
		}
	}
	return freq
}
