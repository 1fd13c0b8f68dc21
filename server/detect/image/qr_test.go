package image

import (
	"bytes"
	stdimage "image"
	"image/draw"
	"image/png"
	"testing"
)

// tiled is a picture full of what looks like corners of QR codes.
func tiled(side int) *stdimage.Gray {
	m := stdimage.NewGray(stdimage.Rect(0, 0, side, side))
	draw.Draw(m, m.Rect, stdimage.White, stdimage.Point{}, draw.Src)
	for y := 0; y+21 < side; y += 27 {
		for x := 0; x+21 < side; x += 27 {
			for k, c := range []stdimage.Image{stdimage.Black, stdimage.White, stdimage.Black} {
				in := 3 * k
				draw.Draw(m, stdimage.Rect(x+in, y+in, x+21-in, y+21-in), c, stdimage.Point{}, draw.Src)
			}
		}
	}
	return m
}

// The search for codes grows with the cube of the corners.
func TestTooManyCornersGiveUp(t *testing.T) {
	m := tiled(700)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	got, err := judge(t, b.Bytes())
	if err != nil || len(got.QR) != 0 {
		t.Errorf("QR texts %q, error %v, want none", got.QR, err)
	}
}

// A code is found at the size at which it can be read, and by no other.
func TestCodesAtAllSizes(t *testing.T) {
	code := bounded(decodePNG(t, "qr-spam.png"), maxSide) // 4 pixels a module
	for _, row := range []struct {
		name string
		img  stdimage.Image
		want int // at least so many readings
	}{
		{"one pixel a module, in a tiny picture", shrink(code, 45, 45), 1},
		{"small in a large picture", placed(code, 3000, 2900), 1},
		{"as large as the picture", enlarge(code, 12), 1},
		{"no code", placed(shrink(code, 20, 20), 500, 10), 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := codes(bounded(row.img, maxSide))
			if len(got) < row.want || row.want == 0 && len(got) > 0 {
				t.Fatalf("codes = %q", got)
			}
			for _, text := range got {
				if text != spamText {
					t.Errorf("codes has %q, want %q", text, spamText)
				}
			}
		})
	}
}

// placed puts a picture near the corner of a light one.
func placed(g *stdimage.Gray, side, at int) *stdimage.Gray {
	out := pixels(side, side, func(int, int) uint8 { return 230 })
	to := g.Rect.Add(stdimage.Pt(min(at, side-g.Rect.Dx()-10), 30))
	draw.Draw(out, to, g, stdimage.Point{}, draw.Src)
	return out
}

// What the library is not prepared for must not reach the caller.
func TestScanContainsPanics(t *testing.T) {
	broken := &stdimage.Gray{Pix: make([]uint8, 10), Stride: 100, Rect: stdimage.Rect(0, 0, 100, 100)}
	if got := scan(broken); got != nil {
		t.Errorf("scan = %q", got)
	}
}
