package image

import (
	stdimage "image"

	"github.com/makiuchi-d/gozxing"
	multi "github.com/makiuchi-d/gozxing/multi/qrcode/detector"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// Bounds on the search for QR codes. Its work grows with the cube of what
// looks like a corner of a code, so that a picture tiled with corners could
// keep a processor busy for hours.
const (
	maxCorners    = 128 // of 42 codes; a pass that meets more gives up
	maxCandidates = 256 // groups of three corners that are tried in a pass
)

// codes returns the texts of the QR codes in a picture, in no useful order and
// with repetitions.
//
// Codes are found at any angle. They are looked for in dark on light and in
// light on dark, and at several sizes: in a large picture a small code needs
// the detail, a noisy one is easier to read without it, and in a tiny picture
// the reader wants more pixels than there are.
func codes(picture *stdimage.Gray) []string {
	var texts []string
	full := max(picture.Rect.Dx(), picture.Rect.Dy())
	last := 0
	for _, side := range []int{512, 1024, maxSide} {
		if side = min(side, full); side == last {
			break // the picture has no more detail
		}
		last = side
		gray := bounded(picture, side)
		if side < 256 {
			gray = enlarge(gray, 4)
		}
		texts = append(texts, scan(gray)...)
		invert(gray)
		texts = append(texts, scan(gray)...)
	}
	return texts
}

// invert turns light into dark.
func invert(g *stdimage.Gray) {
	for i, v := range g.Pix {
		g.Pix[i] = 255 - v
	}
}

// scan reads the dark codes in a picture. The library is known to panic on odd
// inputs: what was read until then counts.
func scan(g *stdimage.Gray) (texts []string) {
	defer func() {
		_ = recover()
	}()
	w, h := g.Rect.Dx(), g.Rect.Dy()
	source, err := gozxing.NewPlanarYUVLuminanceSource(g.Pix, w, h, 0, 0, w, h, false)
	if err != nil {
		return nil
	}
	matrix, err := gozxing.NewHybridBinarizer(source).GetBlackMatrix()
	if err != nil {
		return nil
	}
	// Note: the library's own reader of many codes is these lines without
	// the bounds.
	finder := multi.NewMultiFinderPatternFinder(matrix, giveUpAfter(maxCorners))
	found, err := finder.FindMulti(map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return nil
	}
	detector := multi.NewMultiDetector(matrix)
	for _, corners := range found[:min(len(found), maxCandidates)] {
		grid, err := detector.ProcessFinderPatternInfo(corners)
		if err != nil {
			continue
		}
		if code, err := decoder.NewDecoder().Decode(grid.GetBits(), nil); err == nil {
			texts = append(texts, code.GetText())
		}
	}
	return texts
}

// giveUpAfter returns a callback that ends the search at too many corners. A
// panic, which scan contains, is the only way out that the library leaves.
func giveUpAfter(limit int) gozxing.ResultPointCallback {
	return func(gozxing.ResultPoint) {
		if limit--; limit < 0 {
			panic("too many corners of QR codes")
		}
	}
}
