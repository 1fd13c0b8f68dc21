package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdimage "image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/server/detect/verdict"
)

// fixtures is where the generated pictures are.
const fixtures = "../../../fixtures/images"

// spamText is what the unwanted QR codes of the fixtures say.
const spamText = "加微信 vx_promo88888 免费领取红包 日赚5000元 http://spam.example/win"

// fixture reads a generated picture.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// spotSpam is a judge that knows one word.
func spotSpam(text string) verdict.Verdict {
	if i := strings.Index(text, "vx_promo"); i >= 0 {
		return verdict.Verdict{
			Suggestion: verdict.Block, Label: "spam", Score: 0.9,
			Hits: []verdict.Hit{{Rule: "promo", Span: verdict.Span{4, 12}, Text: "vx_promo"}},
		}
	}
	return verdict.Normal()
}

// judge judges with a detector that knows spam and the default block list.
func judge(t testing.TB, data []byte) (Result, error) {
	t.Helper()
	return New(Config{Judge: spotSpam}).Judge(context.Background(), data)
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		name, file string
		suggestion verdict.Suggestion
		label      string
		info       Info // PHash is not compared
	}{
		{"a clean PNG", "clean.png", verdict.Pass, "normal", Info{"png", 160, 120, 0, []string{}}},
		{"a clean JPEG", "clean.jpg", verdict.Pass, "normal", Info{"jpeg", 160, 120, 0, []string{}}},
		{"a clean animation", "clean.gif", verdict.Pass, "normal", Info{"gif", 96, 72, 0, []string{}}},
		{"a clean lossless WebP", "clean.webp", verdict.Pass, "normal", Info{"webp", 48, 36, 0, []string{}}},
		{"a transparent PNG", "transparent.png", verdict.Pass, "normal", Info{"png", 64, 64, 0, []string{}}},
		{"a QR code with a harmless address", "qr-clean.png", verdict.Pass, "normal", Info{"png", 148, 148, 0, []string{"https://touchstone.example/welcome"}}},
		{"a QR code with spam", "qr-spam.png", verdict.Block, "spam", Info{"png", 180, 180, 0, []string{spamText}}},
		{"a QR code in white on black", "qr-inverted.png", verdict.Block, "spam", Info{"png", 135, 135, 0, []string{spamText}}},
		{"a QR code at an angle", "qr-rotated.png", verdict.Block, "spam", Info{"png", 315, 315, 0, []string{spamText}}},
		{"spam beside a harmless QR code", "qr-two.jpg", verdict.Block, "spam", Info{"jpeg", 368, 200, 0, []string{"https://touchstone.example/welcome", spamText}}},
		{"a QR code in the last frame of an animation", "qr-last-frame.gif", verdict.Block, "spam", Info{"gif", 135, 135, 0, []string{spamText}}},
		{"a picture on the block list", "blocked-logo.png", verdict.Block, "blocked_image", Info{"png", 128, 128, 0, []string{}}},
		{"the same in another size, shape, format and light", "blocked-logo-changed.jpg", verdict.Block, "blocked_image", Info{"jpeg", 90, 100, 0, []string{}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := judge(t, fixture(t, row.file))
			if err != nil {
				t.Fatal(err)
			}
			if got.Suggestion != row.suggestion || got.Label != row.label {
				t.Errorf("verdict %s %s, want %s %s", got.Suggestion, got.Label, row.suggestion, row.label)
			}
			if row.info.PHash = got.PHash; got.PHash == 0 {
				t.Error("the picture has no fingerprint")
			}
			if diff := cmp.Diff(row.info, got.Info); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
		})
	}
}

// The JSON is part of the wire contract.
func TestResultJSON(t *testing.T) {
	got, err := judge(t, fixture(t, "blocked-logo.png"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	hash := DefaultBlockList()[0].String()
	want := `{"suggestion":"block","label":"blocked_image","score":1,` +
		`"hits":[{"rule":"image-block-list","span":[0,0],"text":"` + hash + `"}],` +
		`"image":{"format":"png","width":128,"height":128,"phash":"` + hash + `","qr":[]}}`
	if string(text) != want {
		t.Errorf("JSON\n%s, want\n%s", text, want)
	}
	var back Result
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, back); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	png, gif, jpg, webp := fixture(t, "clean.png"), fixture(t, "clean.gif"), fixture(t, "clean.jpg"), fixture(t, "clean.webp")
	for _, row := range []struct {
		name string
		cfg  Config
		data []byte
		want error // without the cause
	}{
		{"no bytes", Config{}, nil, &BadFormat{}},
		{"a text", Config{}, fixture(t, "not-an-image.png"), &BadFormat{}},
		{"a format that is not accepted", Config{}, []byte("BM\x00\x00 a bitmap"), &BadFormat{}},
		{"only a signature", Config{}, png[:8], &BadFormat{Format: "png"}},
		{"half a PNG", Config{}, fixture(t, "truncated.png"), &BadFormat{Format: "png"}},
		{"half a JPEG", Config{}, jpg[:len(jpg)/2], &BadFormat{Format: "jpeg"}},
		{"half a GIF", Config{}, gif[:len(gif)/2], &BadFormat{Format: "gif"}},
		{"a GIF without its last byte", Config{}, gif[:len(gif)-1], &BadFormat{Format: "gif"}},
		{"a GIF that is a header", Config{}, gif[:13], &BadFormat{Format: "gif"}},
		{"half a WebP", Config{}, webp[:len(webp)/2], &BadFormat{Format: "webp"}},
		{"a picture one byte too long", Config{MaxBytes: len(png) - 1}, png, &TooLarge{Bytes: int64(len(png)), Limit: len(png) - 1}},
		{"a bomb", Config{}, fixture(t, "bomb.png"), &TooManyPixels{50_000, 50_000, 1, DefaultMaxPixels}},
		{"one pixel row too many", Config{MaxPixels: 160 * 119}, png, &TooManyPixels{160, 120, 1, 160 * 119}},
		{"frames with too many pixels in total", Config{MaxPixels: 50}, animation(10, 5, 41), &TooManyPixels{10, 5, 41, 200}},
		{"too many frames", Config{MaxFrames: 40}, animation(10, 5, 41), &TooManyFrames{41, 40}},
		{"a JPEG with too many scans", Config{}, append(bytes.Clone(jpg), bytes.Repeat([]byte{0xff, 0xda}, maxScans)...), &BadFormat{Format: "jpeg"}},
		{"a GIF without pixels", Config{}, []byte("GIF89a\x00\x00\x00\x00\x00\x00\x00;"), &BadFormat{Format: "gif"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(row.cfg).Judge(context.Background(), row.data)
			if bad, ok := errors.AsType[*BadFormat](err); ok {
				if bad.Cause == nil {
					t.Error("the error has no cause")
				}
				err = &BadFormat{Format: bad.Format}
			}
			if diff := cmp.Diff(row.want, err); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	png := fixture(t, "clean.png")
	for _, row := range []struct {
		name string
		cfg  Config
		data []byte
	}{
		{"as many bytes as allowed", Config{MaxBytes: len(png)}, png},
		{"as many pixels as allowed", Config{MaxPixels: 160 * 120}, png},
		{"as many frames and pixels in them as allowed", Config{MaxFrames: 40, MaxPixels: 500}, animation(10, 5, 40)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := New(row.cfg).Judge(context.Background(), row.data); err != nil {
				t.Error(err)
			}
		})
	}
}

// The bomb must be refused by what it declares. Decoding it would allocate
// 10 GB; memory tells that apart where time, on a slow machine, does not.
func TestBombIsNotDecoded(t *testing.T) {
	bomb := fixture(t, "bomb.png")
	d := New(Config{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := d.Judge(context.Background(), bomb)
	runtime.ReadMemStats(&after)
	if _, ok := errors.AsType[*TooManyPixels](err); !ok {
		t.Fatalf("error %v, want *TooManyPixels", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated to refuse %d", n, len(bomb))
	}
}

func TestKnown(t *testing.T) {
	d := New(Config{Judge: spotSpam})
	for _, name := range []string{"clean.png", "qr-spam.png", "qr-two.jpg", "blocked-logo.png"} {
		t.Run(name+" is judged alike by what is known of it", func(t *testing.T) {
			want, err := judge(t, fixture(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, d.Known(Result{Info: want.Info})); diff != "" {
				t.Errorf("Known (-want +got):\n%s", diff)
			}
		})
	}
	told := Result{Verdict: verdict.Verdict{Suggestion: verdict.Block}, Info: Info{QR: []string{"b", "a", "b"}}}
	if got := d.Known(told); got.Suggestion != verdict.Pass {
		t.Errorf("the verdict that came with it counts: %+v", got)
	}
	if diff := cmp.Diff([]string{"b", "a", "b"}, told.QR); diff != "" {
		t.Errorf("the input has changed (-want +got):\n%s", diff)
	}
}

func TestConcurrentJudgesAgree(t *testing.T) {
	d, data := New(Config{Judge: spotSpam}), fixture(t, "qr-two.jpg")
	want, err := d.Judge(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := d.Judge(context.Background(), data)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("error %v, result (-want +got):\n%s", err, diff)
			}
		})
	}
	wg.Wait()
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	gone := errors.New("the caller has gone")
	cancel(gone)
	if _, err := New(Config{}).Judge(ctx, fixture(t, "clean.png")); !errors.Is(err, gone) {
		t.Errorf("error %v, want the cause", err)
	}
}

// FuzzJudge holds that no bytes make a detector panic, that its limits hold,
// and that a picture which is judged twice gets the same result.
func FuzzJudge(f *testing.F) {
	entries, err := os.ReadDir(fixtures)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() && e.Name() != "bomb.png" {
			f.Add(fixture(f, e.Name()))
		}
	}
	f.Add(animation(3, 3, 3))
	const side = 200
	d := New(Config{Judge: spotSpam, MaxPixels: side * side, MaxFrames: 10})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := d.Judge(context.Background(), data)
		if err != nil {
			return
		}
		if got.Width*got.Height > side*side {
			t.Errorf("%d x %d pixels are too many", got.Width, got.Height)
		}
		again, err := d.Judge(context.Background(), data)
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("error %v, the second result differs (-first +second):\n%s", err, diff)
		}
	})
}

func TestPanicOfADecoderIsDamage(t *testing.T) {
	_, err := contain(func() (int, error) { panic("index out of range") })
	if err == nil || err.Error() != "the decoder panics: index out of range" {
		t.Errorf("error %v", err)
	}
}

func BenchmarkJudge(b *testing.B) {
	noisy := stdimage.NewGray(stdimage.Rect(0, 0, 2000, 1500))
	for i := range noisy.Pix {
		noisy.Pix[i] = uint8(uint32(i) * 2654435761 >> 24)
	}
	var photo, corners, few bytes.Buffer
	if err := errors.Join(jpeg.Encode(&photo, noisy, nil), png.Encode(&corners, tiled(2000)), png.Encode(&few, tiled(11*27))); err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct {
		name string
		data []byte
	}{
		{"clean.png", fixture(b, "clean.png")},
		{"qr-two.jpg", fixture(b, "qr-two.jpg")},
		{"noise-3mpx", photo.Bytes()},
		{"corners-4mpx", corners.Bytes()},
		{"corners-just-few-enough", few.Bytes()},
		{"bomb", fixture(b, "bomb.png")},
	} {
		b.Run("image="+row.name, func(b *testing.B) {
			b.ReportAllocs()
			d := New(Config{})
			for b.Loop() {
				d.Judge(context.Background(), row.data)
			}
		})
	}
}

func ExampleDetector_Judge() {
	data, err := os.ReadFile("../../../fixtures/images/qr-clean.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := New(Config{}).Judge(context.Background(), data)
	fmt.Println(result.Suggestion, result.Format, result.Width, result.QR, err)
	// Output:
	// pass png 148 [https://touchstone.example/welcome] <nil>
}
