package crawl

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/fixtures/site"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// A page is as bad as the worst thing in it, and its pictures count.
func TestPictures(t *testing.T) {
	base := serve(t, site.Handler())
	c := complete(t)
	for _, row := range []struct {
		name, page string
		want       []string
		suggestion verdict.Suggestion
	}{
		{"harmless ones, one of them missing", "/gallery.html",
			[]string{"/img/photo.jpg pass", "/img/hill.png pass", "/img/lost.png status 404"}, verdict.Pass},
		{"a QR code and a blocked one", "/offers.html",
			[]string{"/img/join.png block", "/img/logo.png block"}, verdict.Block},
		{"a picture as a page", "/img/join.png", []string{"/img/join.png block"}, verdict.Block},
	} {
		t.Run(row.name, func(t *testing.T) {
			g, err := c.Crawl(context.Background(), Job{URL: base + row.page}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, album(g.Pages[0], base)); diff != "" {
				t.Errorf("pictures (-want +got):\n%s", diff)
			}
			if got := g.Pages[0].Suggestion; got != row.suggestion {
				t.Errorf("the page is %s, want %s", got, row.suggestion)
			}
		})
	}
}

// album writes the pictures of a page in short.
func album(p Page, base string) []string {
	var lines []string
	for _, img := range p.Images {
		outcome := img.Error
		if img.Result != nil {
			outcome = string(img.Result.Suggestion)
		}
		lines = append(lines, strings.TrimPrefix(img.URL, base)+" "+outcome)
	}
	return lines
}

// countingImages is a Config.Image that takes any bytes, and counts.
func countingImages(n *atomic.Int32) func(context.Context, []byte) (image.Result, error) {
	return func(_ context.Context, data []byte) (image.Result, error) {
		n.Add(1)
		return image.Result{Verdict: verdict.Normal(), Info: image.Info{QR: []string{string(data)}}}, nil
	}
}

func TestPictureLimits(t *testing.T) {
	var judged, fetched atomic.Int32
	mux := http.NewServeMux()
	mux.Handle("/", pages{
		"/":  `<img src=/i/1><img src=/i/1><img src=/i/2><img src="data:text/plain,a%20b"><img src="DATA:;base64,YSBi">` + links("/2"),
		"/2": `<img src=/i/1><img src=/i/3><img src=/i/4><img src=data:x><img src="mailto:x">`,
	})
	mux.HandleFunc("/i/", func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		io.WriteString(w, strings.Repeat(r.URL.Path, 2))
	})
	base := serve(t, mux)
	g, err := New(Config{Client: loopback(t), Image: countingImages(&judged), MaxImages: 5, MaxImageBytes: 8}).
		Crawl(context.Background(), Job{URL: base, Depth: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if fetched.Load() != 3 || judged.Load() != 5 {
		t.Errorf("%d fetched and %d judged, want 3 and 5: each address once, and no more than the limit", fetched.Load(), judged.Load())
	}
	if diff := cmp.Diff([]string{"/i/1 pass", "/i/2 pass"}, album(g.Pages[0], base)[:2]); diff != "" {
		t.Errorf("pictures of the first page (-want +got):\n%s", diff)
	}
	for _, k := range []int{2, 3} {
		img := g.Pages[0].Images[k]
		if got := img.Result.QR[0]; got != "a b" || !strings.HasPrefix(img.URL, "data:") || !strings.Contains(img.URL, ";sha256=") {
			t.Errorf("picture %d is in the page, as %q with the bytes %q", k, img.URL, got)
		}
	}
	limit := errImages.Error()
	if diff := cmp.Diff([]string{"/i/1 pass", "/i/3 pass", "/i/4 " + limit}, album(g.Pages[1], base)[:3]); diff != "" {
		t.Errorf("pictures of the second page (-want +got):\n%s", diff)
	}
}

func TestPictureErrors(t *testing.T) {
	base := serve(t, pages{
		"/":     `<img src=/long><img src="data:;base64,%%%"><img src="data:;base64,a"><img src="data:nothing"><img src="http://10.0.0.1/x.png">`,
		"/long": "123456789",
	})
	var judged atomic.Int32
	g, err := New(Config{Client: loopback(t), Image: countingImages(&judged), MaxImageBytes: 8}).
		Crawl(context.Background(), Job{URL: base}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, img := range g.Pages[0].Images {
		got = append(got, img.Error)
	}
	want := []string{
		"has more than 8 bytes",
		`data URL: invalid URL escape "%%%"`,
		"data URL: illegal base64 data at input byte 0",
		"data URL without data",
		"dial tcp 10.0.0.1:80: 10.0.0.1:80 is refused: private",
	}
	if diff := cmp.Diff(want, got); diff != "" || judged.Load() != 0 {
		t.Errorf("%d judged, errors (-want +got):\n%s", judged.Load(), diff)
	}
}
