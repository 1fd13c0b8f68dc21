package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"touchstone/loadgen/live/web"
	"touchstone/loadgen/report"
)

func soFar() *report.Report { return &report.Report{Name: "nightly"} }

func Example() {
	s, err := web.Listen(context.Background(), ":0", soFar)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(strings.HasPrefix(s.URL(), "http://127.0.0.1:"))
	// Output: true
}

func listen(t *testing.T, address string, snapshot func() *report.Report) *web.Server {
	t.Helper()
	s, err := web.Listen(t.Context(), address, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ask makes a request to a server, under a Host of its own when one is given.
func ask(t *testing.T, method, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestPage(t *testing.T) {
	s := listen(t, "127.0.0.1:0", soFar)
	answer, body := ask(t, http.MethodGet, s.URL(), "")
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, "nightly") || !strings.Contains(body, "Running") {
		t.Errorf("%s\n%s", answer.Status, body)
	}
	for name, want := range map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(body, "default-src &#39;none&#39;") && !strings.Contains(body, "default-src 'none'") || !strings.Contains(body, "connect-src") {
		t.Error("the page has no policy that allows asking for itself, and nothing else")
	}
}

func TestWhoIsServed(t *testing.T) {
	s := listen(t, "127.0.0.1:0", soFar)
	_, port, err := net.SplitHostPort(strings.Trim(strings.TrimPrefix(s.URL(), "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, method, path, host string
		want                     int
	}{
		{"the page", "GET", "", "", 200},
		{"its head", "HEAD", "", "", 200},
		{"under the name of the machine", "GET", "", "localhost:" + port, 200},
		{"over IPv6", "GET", "", "[::1]:" + port, 200},
		{"nothing can be changed", "POST", "", "", 405},
		{"another page", "GET", "report.json", "", 404},
		{"a name that points here", "GET", "", "evil.example:" + port, 403},
		{"a name that looks like one of ours", "GET", "", "localhost.evil.example", 403},
	} {
		if answer, _ := ask(t, test.method, s.URL()+test.path, test.host); answer.StatusCode != test.want {
			t.Errorf("%s: %s, want %d", test.name, answer.Status, test.want)
		}
	}
}

// On an address that others can reach, the page is where the URL says, and
// nowhere else.
func TestTokenElsewhere(t *testing.T) {
	s := listen(t, "0.0.0.0:0", soFar)
	parts := strings.Split(s.URL(), "/")
	if len(parts) != 5 || len(parts[3]) < 26 {
		t.Fatalf("URL %s has no token", s.URL())
	}
	_, port, _ := net.SplitHostPort(parts[2])
	base := "http://127.0.0.1:" + port
	for path, want := range map[string]int{"/" + parts[3] + "/": 200, "/": 404, "/" + parts[3]: 404, "/" + strings.ToLower(parts[3]) + "/": 404, "/" + parts[3] + "/x": 404} {
		if answer, _ := ask(t, http.MethodGet, base+path, ""); answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, answer.Status, want)
		}
	}
	if other := listen(t, "0.0.0.0:0", soFar); strings.HasSuffix(other.URL(), parts[3]+"/") {
		t.Error("two servers have the same token")
	}
}

// Many viewers cost no more than one: the page is made once in a second.
func TestPageIsMadeOnce(t *testing.T) {
	var made atomic.Int64
	s := listen(t, ":0", func() *report.Report { made.Add(1); return soFar() })
	for range 10 {
		ask(t, http.MethodGet, s.URL(), "")
	}
	if n := made.Load(); n == 10 { // a few seconds may have passed
		t.Errorf("made %d times for 10 viewers", n)
	}
}

func TestNothingIsServedAfterwards(t *testing.T) {
	s, err := web.Listen(t.Context(), ":0", soFar)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if answer, err := http.Get(s.URL()); err == nil {
		answer.Body.Close()
		t.Errorf("still there: %s", answer.Status)
	}
}
