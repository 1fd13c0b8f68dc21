package image

import stdimage "image"

// maxSide bounds the work on a picture once it has been decoded: a larger one
// is reduced to it in a single pass.
const maxSide = 2048

// bounded returns a picture in grey, reduced so that neither side is longer
// than side.
func bounded(img stdimage.Image, side int) *stdimage.Gray {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if longest := max(w, h); longest > side {
		w, h = max(1, w*side/longest), max(1, h*side/longest)
	}
	return shrink(img, w, h)
}

// shrink returns a picture in grey of w x h pixels, at most as many as img has
// in each direction. Each pixel is the mean of those that fall on it. All of
// it is done in integers, so that the outcome is the same on every machine.
func shrink(img stdimage.Image, w, h int) *stdimage.Gray {
	b := img.Bounds()
	light := lightness(img)
	out := stdimage.NewGray(stdimage.Rect(0, 0, w, h))
	sums, counts := make([]int, w), make([]int, w)
	for y := range h {
		clear(sums)
		clear(counts)
		for sy := ceil(y*b.Dy(), h); sy < ceil((y+1)*b.Dy(), h); sy++ {
			for sx := range b.Dx() {
				x := sx * w / b.Dx()
				sums[x] += light(b.Min.X+sx, b.Min.Y+sy)
				counts[x]++
			}
		}
		for x := range w {
			out.Pix[y*out.Stride+x] = uint8((sums[x] + counts[x]/2) / counts[x])
		}
	}
	return out
}

// ceil is a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// lightness returns a function from a place to its lightness of 0 to 255, on a
// white page where the picture is transparent.
func lightness(img stdimage.Image) func(x, y int) int {
	switch img := img.(type) {
	case *stdimage.Gray:
		return func(x, y int) int { return int(img.Pix[img.PixOffset(x, y)]) }
	case *stdimage.YCbCr:
		return func(x, y int) int { return int(img.Y[img.YOffset(x, y)]) }
	case stdimage.RGBA64Image: // all others of the standard library
		return func(x, y int) int {
			c := img.RGBA64At(x, y)
			return luma(uint32(c.R), uint32(c.G), uint32(c.B), uint32(c.A))
		}
	}
	return func(x, y int) int { return luma(img.At(x, y).RGBA()) }
}

// luma weighs premultiplied 16-bit channels as ITU-R BT.601 does.
func luma(r, g, b, a uint32) int {
	const full = 0xffff
	sum := 299*uint64(r) + 587*uint64(g) + 114*uint64(b) + 1000*uint64(full-min(a, full))
	return int(min(sum/1000, full) >> 8)
}

// enlarge repeats each pixel k times in both directions.
func enlarge(g *stdimage.Gray, k int) *stdimage.Gray {
	w, h := g.Rect.Dx()*k, g.Rect.Dy()*k
	out := stdimage.NewGray(stdimage.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			out.Pix[y*out.Stride+x] = g.Pix[y/k*g.Stride+x/k]
		}
	}
	return out
}
