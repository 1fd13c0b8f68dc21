package image

import (
	"bytes"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decodePNG decodes a generated picture.
func decodePNG(t testing.TB, name string) stdimage.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(fixture(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// pixels makes a grey picture from a function.
func pixels(w, h int, light func(x, y int) uint8) *stdimage.Gray {
	g := stdimage.NewGray(stdimage.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			g.SetGray(x, y, color.Gray{Y: light(x, y)})
		}
	}
	return g
}

func TestHashStaysNear(t *testing.T) {
	logo := decodePNG(t, "blocked-logo.png")
	gray := bounded(logo, maxSide)
	want := HashOf(logo)
	for _, row := range []struct {
		name string
		img  stdimage.Image
		far  int // bits
	}{
		{"itself", logo, 0},
		{"in grey", gray, 1},
		{"at twice the size", enlarge(gray, 2), 1},
		{"at three quarters", shrink(gray, 96, 96), 4},
		{"at half the height", shrink(gray, 128, 64), 4},
		{"at less than what is hashed", shrink(gray, 30, 30), 8},
		{"darker", pixels(128, 128, func(x, y int) uint8 { return uint8(int(gray.GrayAt(x, y).Y) * 3 / 4) }), 2},
		{"brighter, cut off at white", pixels(128, 128, func(x, y int) uint8 { return uint8(min(255, int(gray.GrayAt(x, y).Y)+40)) }), 6},
		{"with noise", pixels(128, 128, func(x, y int) uint8 { return gray.GrayAt(x, y).Y&0xf0 | uint8(x*7+y*13)&0xf }), 4},
		{"not at the origin", moved{gray, stdimage.Pt(-50, 1000)}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := HashOf(row.img); got.Distance(want) > row.far {
				t.Errorf("HashOf = %s, %d bits from %s, want at most %d", got, got.Distance(want), want, row.far)
			}
		})
	}
}

// moved is a picture whose bounds do not begin at the origin.
type moved struct {
	*stdimage.Gray
	by stdimage.Point
}

func (m moved) Bounds() stdimage.Rectangle { return m.Gray.Bounds().Add(m.by) }
func (m moved) At(x, y int) color.Color    { return m.Gray.At(x-m.by.X, y-m.by.Y) }
func (m moved) RGBA64At(x, y int) color.RGBA64 {
	return m.Gray.RGBA64At(x-m.by.X, y-m.by.Y)
}

// Pictures that have nothing to do with one another must not be taken for each
// other, the inverse of a picture included.
func TestHashTellsApart(t *testing.T) {
	logo := bounded(decodePNG(t, "blocked-logo.png"), maxSide)
	for _, row := range []struct {
		name string
		img  stdimage.Image
	}{
		{"a landscape", decodePNG(t, "clean.png")},
		{"a QR code", decodePNG(t, "qr-spam.png")},
		{"a ring", decodePNG(t, "transparent.png")},
		{"the negative", pixels(128, 128, func(x, y int) uint8 { return 255 - logo.GrayAt(x, y).Y })},
		{"the picture upside down", pixels(128, 128, func(x, y int) uint8 { return logo.GrayAt(x, 127-y).Y })},
	} {
		t.Run(row.name, func(t *testing.T) {
			if d := HashOf(row.img).Distance(HashOf(logo)); d <= 2*DefaultDistance {
				t.Errorf("only %d bits apart", d)
			}
		})
	}
}

// A flat picture has no features, and its rounding errors must not be taken
// for some: all blank pictures would then be like one another by chance.
func TestFlatPicturesHaveNoHash(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 5000}, {32, 32}, {640, 480}} {
		for _, light := range []uint8{0, 1, 127, 255} {
			img := pixels(size[0], size[1], func(int, int) uint8 { return light })
			if h := HashOf(img); h != 0 {
				t.Errorf("HashOf(%v of lightness %d) = %s, want 0", size, light, h)
			}
		}
	}
	d := New(Config{BlockList: []Hash{0}})
	if v := d.likeness(0); v.Suggestion != "pass" {
		t.Errorf("a flat picture is like a flat one on the list: %+v", v)
	}
}

// frequenciesSlowly is the formula of the DCT-II with no thought for speed or
// for equal rounding everywhere.
func frequenciesSlowly(g *stdimage.Gray) []float64 {
	var out []float64
	for v := 1; v <= hashLow; v++ {
		for u := 1; u <= hashLow; u++ {
			sum := 0.0
			for y := range hashSide {
				for x := range hashSide {
					sum += float64(g.GrayAt(x, y).Y) *
						math.Cos(math.Pi/hashSide*(float64(x)+0.5)*float64(u)) *
						math.Cos(math.Pi/hashSide*(float64(y)+0.5)*float64(v))
				}
			}
			out = append(out, sum)
		}
	}
	return out
}

func TestFrequenciesFollowTheFormula(t *testing.T) {
	g := pixels(hashSide, hashSide, func(x, y int) uint8 { return uint8(x*x + 3*y + x*y) })
	got, want := frequencies(g), frequenciesSlowly(g)
	const unit = 1 << 28 // of two cosines
	for i := range want {
		exact := want[i] * unit
		if math.Abs(exact) < flat {
			exact = 0
		}
		if off := math.Abs(float64(got[i])-exact) / unit; off > 16 {
			t.Errorf("frequency %d is %d, want about %.0f", i, got[i], exact)
		}
	}
}

func TestLightness(t *testing.T) {
	one := stdimage.Rect(0, 0, 1, 1)
	nrgba := stdimage.NewNRGBA(one)
	nrgba.SetNRGBA(0, 0, color.NRGBA{0, 0, 0, 0})
	red := stdimage.NewRGBA(one)
	red.SetRGBA(0, 0, color.RGBA{255, 0, 0, 255})
	ycbcr := stdimage.NewYCbCr(one, stdimage.YCbCrSubsampleRatio420)
	ycbcr.Y[0] = 77
	for _, row := range []struct {
		name string
		img  stdimage.Image
		want int
	}{
		{"nothing is as white as the page", nrgba, 255},
		{"red is dark", red, 76},
		{"luminance is taken as it is", ycbcr, 77},
		{"one colour everywhere", stdimage.NewUniform(color.White), 255},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := lightness(row.img)(0, 0); got != row.want {
				t.Errorf("lightness = %d, want %d", got, row.want)
			}
		})
	}
}

func TestShrinkTakesMeans(t *testing.T) {
	g := pixels(5, 2, func(x, y int) uint8 { return uint8(10*x + 100*y) })
	for _, row := range []struct {
		name string
		w, h int
		want []uint8
	}{
		{"as it is", 5, 2, []uint8{0, 10, 20, 30, 40, 100, 110, 120, 130, 140}},
		{"into columns that are not equal", 2, 1, []uint8{60, 85}},
		{"into one pixel", 1, 1, []uint8{70}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, shrink(g, row.w, row.h).Pix); diff != "" {
				t.Errorf("shrink (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseHash(t *testing.T) {
	for _, row := range []struct {
		name, text string
		ok         bool
	}{
		{"16 digits", "00ff00ff00ff00ff", true},
		{"15 digits", "0ff00ff00ff00ff", false},
		{"17 digits", "000ff00ff00ff00ff", false},
		{"capitals, which are not printed", "00FF00FF00FF00FF", false},
		{"a sign", "+0ff00ff00ff00ff", false},
		{"an underscore", "00ff_0ff00ff00ff", false},
		{"nothing", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := ParseHash(row.text)
			if (err == nil) != row.ok || row.ok && h.String() != row.text {
				t.Errorf("ParseHash(%q) = %s, %v", row.text, h, err)
			}
		})
	}
}

func TestParseBlockList(t *testing.T) {
	got, err := ParseBlockList("list", "# head\n\n00000000000000ff # a\r\n  ff00000000000000")
	if diff := cmp.Diff([]Hash{0xff, 0xff << 56}, got); diff != "" || err != nil {
		t.Errorf("error %v, hashes (-want +got):\n%s", err, diff)
	}
	_, err = ParseBlockList("list", "# head\nnonsense\n")
	if want := `list:2: parse image hash "nonsense": want 16 lower-case hexadecimal digits`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestDefaultBlockListNamesTheFixture(t *testing.T) {
	if h := HashOf(decodePNG(t, "blocked-logo.png")); !slices.Contains(DefaultBlockList(), h) {
		t.Errorf("%s is not on the default list", h)
	}
}

func TestDistance(t *testing.T) {
	h := HashOf(decodePNG(t, "blocked-logo.png"))
	for _, row := range []struct {
		name     string
		distance int
		flipped  Hash
		want     string
	}{
		{"equal", 0, 0, "block 1"},
		{"as far as the default", 0, 0xff, "block 0.875"},
		{"farther than the default", 0, 0x1ff, "pass 0"},
		{"as far as asked", 1, 1, "block 0.9844"},
		{"farther than asked", 1, 3, "pass 0"},
		{"equal, when equality is asked for", -1, 0, "block 1"},
		{"not equal, when equality is asked for", -1, 1, "pass 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := New(Config{Distance: row.distance, BlockList: []Hash{^h, h ^ row.flipped}})
			v := d.likeness(h)
			if got := fmt.Sprintf("%s %v", v.Suggestion, v.Score); got != row.want {
				t.Errorf("likeness = %s, want %s", got, row.want)
			}
		})
	}
}

// FuzzParseBlockList holds that a list that parses is the same after being
// printed and parsed again.
func FuzzParseBlockList(f *testing.F) {
	f.Add("# comment\n00000000000000ff # a\n")
	f.Add("nonsense")
	f.Fuzz(func(t *testing.T, text string) {
		hashes, err := ParseBlockList("list", text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, h := range hashes {
			fmt.Fprintln(&b, h)
		}
		again, err := ParseBlockList("printed", b.String())
		if diff := cmp.Diff(hashes, again); diff != "" || err != nil {
			t.Errorf("error %v, after printing (-first +second):\n%s", err, diff)
		}
	})
}

func ExampleHash_Distance() {
	a, _ := ParseHash("00000000000000ff")
	b, _ := ParseHash("00000000000000f0")
	fmt.Println(a, b, a.Distance(b))
	// Output:
	// 00000000000000ff 00000000000000f0 4
}
