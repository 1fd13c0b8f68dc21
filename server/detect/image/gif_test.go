package image

import (
	"bytes"
	stdimage "image"
	"image/color"
	"image/gif"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// animation makes a GIF of n small frames.
func animation(w, h, n int) []byte {
	frame := stdimage.NewPaletted(stdimage.Rect(0, 0, w, h), color.Palette{color.Black, color.White})
	anim := gif.GIF{Image: make([]*stdimage.Paletted, n), Delay: make([]int, n)}
	for i := range n {
		anim.Image[i] = frame
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &anim); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// A frame of a GIF may be small while its canvas is large, and there may be
// many that must be undone. Only the small area may be kept for that.
func TestAnimationUndoesSmallAreas(t *testing.T) {
	const side, frames = 1000, 400
	anim := gif.GIF{Config: stdimage.Config{Width: side, Height: side}}
	for range frames {
		dot := stdimage.NewPaletted(stdimage.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})
		anim.Image = append(anim.Image, dot)
		anim.Delay = append(anim.Delay, 1)
		anim.Disposal = append(anim.Disposal, gif.DisposalPrevious)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &anim); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := judge(t, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > frames*side*side {
		t.Errorf("%d bytes allocated", n)
	}
}

// What is shown is not what a frame holds: a later one may cover a part only.
func TestAnimationIsComposed(t *testing.T) {
	for _, row := range []struct {
		name     string
		disposal byte
		want     [2]uint8 // of the lightness of the left and the right pixel at last
	}{
		{"frames that stay", gif.DisposalNone, [2]uint8{0, 0}},
		{"a frame that leaves the background", gif.DisposalBackground, [2]uint8{255, 0}}, // transparent, on white
		{"a frame that gives back what was there", gif.DisposalPrevious, [2]uint8{255, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dot := func(x int) *stdimage.Paletted {
				return stdimage.NewPaletted(stdimage.Rect(x, 0, x+1, 1), color.Palette{color.Black, color.White})
			}
			anim := gif.GIF{
				Config:   stdimage.Config{Width: 2, Height: 1},
				Image:    []*stdimage.Paletted{dot(0), dot(1)},
				Delay:    []int{1, 1},
				Disposal: []byte{row.disposal, gif.DisposalNone},
			}
			var b bytes.Buffer
			if err := gif.EncodeAll(&b, &anim); err != nil {
				t.Fatal(err)
			}
			frames, err := gifFrames(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			var last [2]uint8
			for frame := range frames {
				copy(last[:], bounded(frame, 2).Pix)
			}
			if last != row.want {
				t.Errorf("the last frame shows %v, want %v", last, row.want)
			}
		})
	}
}

func TestSampled(t *testing.T) {
	for _, row := range []struct {
		name string
		n    int
		want []int
	}{
		{"a still picture", 1, []int{0}},
		{"as many as are looked at", 5, []int{0, 1, 2, 3, 4}},
		{"one more", 6, []int{0, 1, 2, 3, 5}},
		{"many: the first, the last and between", 101, []int{0, 25, 50, 75, 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []int
			for i := range row.n {
				if sampled(i, row.n) {
					got = append(got, i)
				}
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("sampled of %d (-want +got):\n%s", row.n, diff)
			}
		})
	}
}
