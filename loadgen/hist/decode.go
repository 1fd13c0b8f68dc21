package hist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The V2 form: a cookie and a length, then a zlib stream that starts with a
// header of 40 bytes (HdrHistogram, AbstractHistogram.encodeIntoByteBuffer).
const (
	outerHeader   = 8
	innerHeader   = 40
	digitsOffset  = 12 // int32, big endian as all of it
	lowestOffset  = 16 // int64
	highestOffset = 24 // int64
)

// Decode reads what Encode wrote. Min, Mean and Max are then as exact as the
// buckets. A histogram of another geometry is refused before any memory is
// taken for it: a 60-byte text can declare 50 MB of buckets.
func Decode(text string) (*Histogram, error) {
	if err := checkGeometry(text); err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	hdr, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	h := New()
	for i, n := range hdr.Export().Counts {
		if n > 0 {
			h.block(i / blockLen)[i%blockLen] = n
			h.count += n
		}
	}
	if h.count > 0 {
		h.min, h.max = time.Duration(hdr.Min()), time.Duration(hdr.Max())
		h.sum = hdr.Mean() * float64(h.count)
	}
	return h, nil
}

// checkGeometry reads the header only.
func checkGeometry(text string) error {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	if len(data) < outerHeader {
		return fmt.Errorf("%d bytes are too short", len(data))
	}
	stream, err := zlib.NewReader(bytes.NewReader(data[outerHeader:]))
	if err != nil {
		return err
	}
	defer stream.Close()
	var header [innerHeader]byte
	if _, err := io.ReadFull(stream, header[:]); err != nil {
		return err
	}
	low := binary.BigEndian.Uint64(header[lowestOffset:])
	high := binary.BigEndian.Uint64(header[highestOffset:])
	if n := binary.BigEndian.Uint32(header[digitsOffset:]); n != digits || low != lowest || high != uint64(highest) {
		return fmt.Errorf("range %d to %d with %d digits, want %d to %d with %d",
			low, high, n, lowest, uint64(highest), digits)
	}
	if ratio := math.Float64frombits(binary.BigEndian.Uint64(header[32:])); ratio != 1 {
		return fmt.Errorf("conversion ratio %v, want 1", ratio)
	}
	return nil
}
