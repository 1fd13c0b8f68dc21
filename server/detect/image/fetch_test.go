package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"

	"touchstone/server/detect/guard"
)

// fetcher is a detector that may fetch from the servers of these tests.
func fetcher(t *testing.T, limit int) *Detector {
	t.Helper()
	client := guard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}).Client(0)
	t.Cleanup(client.CloseIdleConnections)
	return New(Config{Client: client, MaxBytes: limit})
}

// album is a server of odd answers of ten bytes.
func album(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ten", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789") })
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush() // so that no length is declared
		io.WriteString(w, "0123456789")
	})
	mux.HandleFunc("/claims/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		io.WriteString(w, "0123456789")
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ten", http.StatusFound) })
	mux.HandleFunc("/inward", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestFetch(t *testing.T) {
	base := album(t)
	for _, row := range []struct {
		name, url string
		limit     int
		want      string // the kind of error, "" for none
	}{
		{"a picture", base + "/ten", 0, ""},
		{"exactly the limit", base + "/ten", 10, ""},
		{"over the limit by its declared length", base + "/ten", 9, "too large: 10"},
		{"over the limit with no declared length", base + "/chunked", 9, "too large: 10"},
		{"a redirect", base + "/moved", 0, ""},
		{"a redirect into the own network", base + "/inward", 0, "blocked: cloud metadata"},
		{"the own network", "http://10.0.0.1/", 0, "blocked: private"},
		{"nothing there", base + "/nothing", 0, "unreachable: status 404"},
		{"less than was declared", base + "/claims/20", 0, "unreachable: unexpected EOF"},
		{"no scheme", "example.com/a.png", 0, "bad url: want an absolute http or https address"},
		{"a file", "file:///etc/passwd", 0, "bad url: want an absolute http or https address"},
		{"no host", "http:///a.png", 0, "bad url: want an absolute http or https address"},
		{"not an address", "http://[::1", 0, "bad url: missing ']' in host"},
	} {
		t.Run(row.name, func(t *testing.T) {
			data, err := fetcher(t, row.limit).Fetch(context.Background(), row.url)
			if got := kindOf(err); got != row.want {
				t.Errorf("Fetch(%q): %s (%v), want %q", row.url, got, err, row.want)
			}
			if err == nil && string(data) != "0123456789" {
				t.Errorf("Fetch(%q) = %q", row.url, data)
			}
		})
	}
}

// kindOf tells the errors of Fetch apart as a caller does.
func kindOf(err error) string {
	if blocked, ok := errors.AsType[*guard.Blocked](err); ok {
		return "blocked: " + blocked.Why
	}
	switch e := err.(type) {
	case nil:
		return ""
	case *TooLarge:
		return fmt.Sprint("too large: ", e.Bytes)
	case *BadURL:
		return fmt.Sprint("bad url: ", e.Cause)
	case *Unreachable:
		return fmt.Sprint("unreachable: ", e.Cause)
	}
	return "other: " + err.Error()
}

func TestFetchEndsWithItsContext(t *testing.T) {
	gone := errors.New("the caller has gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(gone) }))
	defer srv.Close()
	if _, err := fetcher(t, 0).Fetch(ctx, srv.URL); err != nil && !errors.Is(err, gone) {
		t.Errorf("error %v, want the cause", err)
	}
	if _, err := fetcher(t, 0).Fetch(ctx, srv.URL); !errors.Is(err, gone) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	cause := errors.New("unexpected EOF")
	for _, row := range []struct {
		err  error
		want string
	}{
		{&TooLarge{20, 10}, "image has 20 bytes or more, the limit is 10"},
		{&TooManyPixels{50000, 50000, 1, 100}, "image declares 50000 x 50000 pixels, the limit is 100 in total"},
		{&TooManyPixels{10, 10, 7, 400}, "animation of 10 x 10 pixels has 7 frames with more than 400 pixels in total"},
		{&TooManyFrames{9, 8}, "animation has 9 frames, the limit is 8"},
		{&BadFormat{Cause: cause}, "not an image: unexpected EOF"},
		{&BadFormat{"png", cause}, "damaged png image: unexpected EOF"},
		{&BadURL{"http:", cause}, `image url "http:": unexpected EOF`},
		{&Unreachable{"http://a/", cause}, `fetch image "http://a/": unexpected EOF`},
	} {
		if got := row.err.Error(); got != row.want {
			t.Errorf("%T: %q, want %q", row.err, got, row.want)
		}
	}
}
