package crawl

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestByteLimits(t *testing.T) {
	long := strings.Repeat("word ", 40) // 200 bytes
	base := serve(t, pages{"/": links("/a", "/b", "/c"), "/a": long, "/b": long, "/c": long})
	g, err := New(Config{Client: loopback(t), MaxPageBytes: 150, MaxBytes: 300}).
		Crawl(context.Background(), Job{URL: base, Depth: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0 / 200", "1 /a 200 truncated", "2 /b 200 truncated", "3 /c 0 (" + errBytes.Error() + ")", "[[0 1] [0 2] [0 3]]"}
	if diff := cmp.Diff(want, outline(g, base)); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
	if n := len(g.Pages[1].Text); n != 149 {
		t.Errorf("%d bytes of text, want the 150 without a space", n)
	}
}

// A body that unpacks to much more than was sent is bounded by what it unpacks to.
func TestLimitHoldsAfterUnpacking(t *testing.T) {
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(words(t, 10<<20))
	}))
	g, err := New(Config{Client: loopback(t), MaxPageBytes: 1000}).Crawl(context.Background(), Job{URL: base}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := g.Pages[0]; !p.Truncated || len(p.Text) > 1000 {
		t.Errorf("%d bytes of text, truncated %v", len(p.Text), p.Truncated)
	}
}

// slow is a transport on which each request takes a second.
type slow struct{ bodies pages }

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(time.Second):
	}
	w := httptest.NewRecorder()
	s.bodies.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: slow{pages{"/": links("/a", "/b", "/c"), "/a": "", "/b": "", "/c": ""}}}
		start := time.Now()
		g, err := New(Config{Client: client, Timeout: 2500 * time.Millisecond}).
			Crawl(context.Background(), Job{URL: "http://a.example", Depth: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		late := " 0 (" + errTime.Error() + ")"
		want := []string{"0 / 200", "1 /a 200", "2 /b" + late, "3 /c" + late, "[[0 1] [0 2] [0 3]]"}
		if diff := cmp.Diff(want, outline(g, "http://a.example")); diff != "" {
			t.Errorf("graph (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 2500*time.Millisecond {
			t.Errorf("took %v, want the limit", took)
		}
	})
}

// A page that never comes must not make the whole crawl fail, unless it is
// the first.
func TestFirstPageTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: slow{}}
		_, err := New(Config{Client: client, Timeout: time.Millisecond}).
			Crawl(context.Background(), Job{URL: "http://a.example"}, nil)
		if gone, ok := errors.AsType[*Unreachable](err); !ok || !errors.Is(gone, errTime) {
			t.Errorf("error %v, want *Unreachable with the limit of time", err)
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("the caller has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(gone) })
		client := &http.Client{Transport: slow{pages{"/": links("/a"), "/a": ""}}}
		emitted := 0
		_, err := New(Config{Client: client}).Crawl(ctx, Job{URL: "http://a.example", Depth: 1}, func(Page) error {
			emitted++
			return nil
		})
		if !errors.Is(err, gone) || emitted != 1 {
			t.Errorf("error %v after %d pages, want the cause after 1", err, emitted)
		}
	})
}
