package crawl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/fixtures/site"
	"touchstone/server/detect/guard"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// loopback is a client that may fetch from the servers of these tests, all of
// which listen on loopback.
func loopback(t testing.TB) *http.Client {
	t.Helper()
	client := guard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Client(0)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// pages serves bodies by path, as HTML.
type pages map[string]string

func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := p[r.URL.RequestURI()]
	switch to, moved := strings.CutPrefix(body, "-> "); {
	case !ok:
		http.NotFound(w, r)
	case moved:
		http.Redirect(w, r, to, http.StatusFound)
	default:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, body)
	}
}

// serve starts a server, and returns its address without a final slash.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// links is a page with these links.
func links(to ...string) string {
	var b strings.Builder
	for _, href := range to {
		fmt.Fprintf(&b, `<a href="%s">x</a> `, href)
	}
	return b.String()
}

// outline writes a graph in short: a line for each page, with what is unusual
// about it, and the links.
func outline(g *Graph, base string) []string {
	var lines []string
	for i, p := range g.Pages {
		line := fmt.Sprintf("%d %s %d", i, p.URL, p.Status)
		if len(p.Redirects) > 0 {
			line += " -> " + strings.Join(p.Redirects, " -> ")
		}
		if p.Skipped > 0 {
			line += fmt.Sprintf(" skipped %d", p.Skipped)
		}
		if p.Truncated {
			line += " truncated"
		}
		if p.Error != "" {
			line += " (" + p.Error + ")"
		}
		lines = append(lines, strings.ReplaceAll(line, base, ""))
	}
	return append(lines, fmt.Sprint(g.Links))
}

func TestCrawl(t *testing.T) {
	for _, row := range []struct {
		name  string
		site  pages
		depth int
		pages int
		want  []string
	}{
		{"a page alone", pages{"/": links("/a")}, 0, 0,
			[]string{"0 / 200 skipped 1", "[]"}},
		{"a cycle", pages{"/": links("/b"), "/b": links("/c"), "/c": links("/")}, 5, 0,
			[]string{"0 / 200", "1 /b 200", "2 /c 200", "[[0 1] [1 2] [2 0]]"}},
		{"a page that links to itself", pages{"/": links("/", "#top", "")}, 1, 0,
			[]string{"0 / 200", "[[0 0]]"}},
		{"breadth before depth", pages{"/": links("/a", "/b"), "/a": links("/a1"), "/b": links("/b1"), "/a1": "", "/b1": ""}, 2, 0,
			[]string{"0 / 200", "1 /a 200", "2 /b 200", "3 /a1 200", "4 /b1 200", "[[0 1] [0 2] [1 3] [2 4]]"}},
		{"the limit of depth, and a link back from it", pages{"/": links("/a"), "/a": links("/", "/b"), "/b": ""}, 1, 0,
			[]string{"0 / 200", "1 /a 200 skipped 1", "[[0 1] [1 0]]"}},
		{"the limit of pages", pages{"/": links("/a", "/b", "/c"), "/a": links("/b", "/"), "/b": ""}, 2, 2,
			[]string{"0 / 200 skipped 2", "1 /a 200 skipped 1", "[[0 1] [1 0]]"}},
		{"one page by several spellings", pages{"/": links("/a", "/a#b", "/./a", "/b/../a", " /a\n"), "/a": ""}, 1, 0,
			[]string{"0 / 200", "1 /a 200", "[[0 1]]"}},
		{"queries, which make another page", pages{"/": links("/a?x=1&y=2", "/a?y=2&x=1"), "/a?x=1&y=2": "", "/a?y=2&x=1": ""}, 1, 0,
			[]string{"0 / 200", "1 /a?x=1&y=2 200", "2 /a?y=2&x=1 200", "[[0 1] [0 2]]"}},
		{"a dead link, whose own links are not followed", pages{"/": links("/gone")}, 2, 0,
			[]string{"0 / 200", "1 /gone 404", "[[0 1]]"}},
		{"links to nothing we know", pages{"/": links("mailto:a@b", "javascript:x()", "tel:1", "http://", "http://[", "ftp://a/")}, 1, 0,
			[]string{"0 / 200", "[]"}},
		{"links to another host, each counted once", pages{"/": links("http://other.example/", "//other.example/#a", "https://third.example:8443/")}, 1, 0,
			[]string{"0 / 200 skipped 2", "[]"}},
		{"a redirect to a page that is not known", pages{"/": links("/old"), "/old": "-> /new", "/new": links("/new", "/old")}, 1, 0,
			[]string{"0 / 200", "1 /old 200 -> /new", "[[0 1] [1 1]]"}},
		{"a redirect to a page that is known", pages{"/": links("/old", "/new"), "/old": "-> /new", "/new": ""}, 1, 0,
			[]string{"0 / 200", "1 /old 200 -> /new", "2 /new 200", "[[0 1] [0 2] [1 2]]"}},
		{"a redirect back to the first page", pages{"/": links("/home"), "/home": "-> /"}, 1, 0,
			[]string{"0 / 200", "1 /home 200 -> /", "[[0 1] [1 0]]"}},
		{"two redirects in a row", pages{"/": links("/a"), "/a": "-> /b", "/b": "-> /c", "/c": links("/b")}, 1, 0,
			[]string{"0 / 200", "1 /a 200 -> /b -> /c", "[[0 1] [1 1]]"}},
		{"a redirect in a circle", pages{"/": links("/a"), "/a": "-> /a"}, 1, 0,
			[]string{"0 / 200", "1 /a 0 (stopped after 5 redirects)", "[[0 1]]"}},
		{"a redirect to another host", pages{"/": links("/a"), "/a": "-> http://other.example/x"}, 1, 0,
			[]string{"0 / 200", "1 /a 302 -> http://other.example/x (redirects to another host)", "[[0 1]]"}},
		{"a redirect to a file", pages{"/": links("/a"), "/a": "-> file:///etc/passwd"}, 1, 0,
			[]string{"0 / 200", `1 /a 0 (refused: the scheme "file" is not http or https)`, "[[0 1]]"}},
		{"a base for links", pages{"/": `<base href="/sub/">` + links("a"), "/sub/a": ""}, 1, 0,
			[]string{"0 / 200", "1 /sub/a 200", "[[0 1]]"}},
		{"a refresh, a frame and an area", pages{"/": `<meta http-equiv="Refresh" content="0; URL='/a'"><iframe src="/b"></iframe><area href=/c>`}, 1, 0,
			[]string{"0 / 200", "1 /a 404", "2 /b 404", "3 /c 404", "[[0 1] [0 2] [0 3]]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			base := serve(t, row.site)
			c := New(Config{Client: loopback(t)})
			got, err := c.Crawl(context.Background(), Job{URL: base, Depth: row.depth, MaxPages: row.pages}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, outline(got, base)); diff != "" {
				t.Errorf("graph (-want +got):\n%s", diff)
			}
			if bad := got.Validate(); bad != nil {
				t.Errorf("the graph is not valid: %v", bad)
			}
		})
	}
}

// spotSpam is a judge that knows one word.
func spotSpam(text string) verdict.Verdict {
	runes := []rune(text)
	for i := range runes {
		if strings.HasPrefix(string(runes[i:]), "vx_promo") {
			return verdict.Verdict{
				Suggestion: verdict.Block, Label: "spam", Score: 0.9,
				Hits: []verdict.Hit{{Rule: "promo", Span: verdict.Span{i, i + 8}, Text: "vx_promo"}},
			}
		}
	}
	return verdict.Normal()
}

// complete is a crawler with all that it can be given.
func complete(t testing.TB) *Crawler {
	t.Helper()
	client := loopback(t)
	pictures := image.New(image.Config{Judge: spotSpam, Client: client})
	return New(Config{Judge: spotSpam, Image: pictures.Judge, Known: pictures.Known, Client: client})
}

// The fixture site has each oddity once. This is the whole pipeline on it.
func TestSite(t *testing.T) {
	base := serve(t, site.Handler())
	c := complete(t)
	var emitted []Page
	got, err := c.Crawl(context.Background(), Job{URL: base, Depth: 3}, func(p Page) error {
		emitted = append(emitted, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0 / 200 skipped 1", "1 /about.html 200", "2 /zh.html 200", "3 /gallery.html 200", "4 /ring/a.html 200",
		"5 /offers.html 200", "6 /old.html 200 -> /about.html", "7 /missing.html 404", "8 /gbk.html 200",
		"9 /img/photo.jpg 200", "10 /ring/b.html 200", "11 /ring/c.html 200",
		"[[0 1] [0 2] [0 3] [0 4] [0 5] [0 6] [0 7] [1 1] [1 0] [2 0] [2 8] [2 3] [3 9] [3 0] [4 10] [5 0] [6 1] [8 2] [10 11] [11 4]]",
	}
	if diff := cmp.Diff(want, outline(got, base)); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got.Pages, emitted); diff != "" {
		t.Errorf("emitted pages (-graph +emitted):\n%s", diff)
	}
	var suggestions []verdict.Suggestion
	for _, p := range got.Pages {
		suggestions = append(suggestions, p.Suggestion)
	}
	if diff := cmp.Diff("[pass pass pass pass pass block pass pass pass pass pass pass]", fmt.Sprint(suggestions)); diff != "" {
		t.Errorf("suggestions (-want +got):\n%s", diff)
	}
	if title := got.Pages[8].Title; title != "茶馆旧事" {
		t.Errorf("the GBK page has the title %q", title)
	}
	again, err := c.Crawl(context.Background(), Job{URL: base + "/#x", Depth: 3}, nil)
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("error %v, a second crawl differs (-first +second):\n%s", err, diff)
	}
}

func TestContentTypes(t *testing.T) {
	kinds := map[string]string{
		"/html": "text/html", "/xhtml": "application/xhtml+xml", "/plain": "text/plain; charset=utf-8",
		"/pdf": "application/pdf", "/image": "image/png", "/odd": "; x", "/none": "",
	}
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		if kind := kinds[r.URL.Path]; kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		io.WriteString(w, "<html>\n <b>a</b>   b\n\n<p>c")
	}))
	for _, row := range []struct{ name, path, text, fault string }{
		{"HTML", "/html", "a b\nc", ""},
		{"XHTML", "/xhtml", "a b\nc", ""},
		{"plain text, line by line", "/plain", "<html>\n<b>a</b> b\n<p>c", ""},
		{"what is no text", "/pdf", "", `content type "application/pdf" is not judged`},
		{"a picture, when pictures are not judged", "/image", "", ""},
		{"no type, but HTML", "/none", "a b\nc", ""},
		{"no readable type, but HTML", "/odd", "a b\nc", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			g, err := New(Config{Client: loopback(t)}).Crawl(context.Background(), Job{URL: base + row.path}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := g.Pages[0]; p.Text != row.text || p.Error != row.fault {
				t.Errorf("text %q, error %q, want %q, %q", p.Text, p.Error, row.text, row.fault)
			}
		})
	}
}

func TestOtherHosts(t *testing.T) {
	other := serve(t, pages{"/": "other", "/moved": "here"})
	base := serve(t, pages{"/": links(other, "/away"), "/away": "-> " + other + "/moved"})
	for _, row := range []struct {
		name   string
		follow bool
		want   []string
	}{
		{"are left alone", false, []string{"0 / 200 skipped 1", "1 /away 302 -> OTHER/moved (redirects to another host)", "[[0 1]]"}},
		{"are followed when asked for", true, []string{"0 / 200", "1 OTHER/ 200", "2 /away 200 -> OTHER/moved", "[[0 1] [0 2]]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := New(Config{Client: loopback(t), OtherHosts: row.follow})
			g, err := c.Crawl(context.Background(), Job{URL: base, Depth: 1}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := outline(g, base)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], other, "OTHER")
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("graph (-want +got):\n%s", diff)
			}
		})
	}
}

// Sites like to redirect example.com to www.example.com. The site is where the
// first page is.
func TestFirstPageMayMove(t *testing.T) {
	home := serve(t, pages{"/": links("/a"), "/a": ""})
	base := serve(t, pages{"/": "-> " + home})
	g, err := New(Config{Client: loopback(t)}).Crawl(context.Background(), Job{URL: base, Depth: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0 " + base + "/ 200 -> /", "1 /a 200", "[[0 1]]"}
	if diff := cmp.Diff(want, outline(g, home)); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
}

func TestErrorOfEmitEndsTheCrawl(t *testing.T) {
	var calls atomic.Int32
	site := pages{"/": links("/a"), "/a": ""}
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		site.ServeHTTP(w, r)
	}))
	full := errors.New("the stream is closed")
	c := New(Config{Client: loopback(t)})
	_, err := c.Crawl(context.Background(), Job{URL: base, Depth: 1}, func(Page) error { return full })
	if err != full || calls.Load() != 1 {
		t.Errorf("error %v after %d requests, want that of emit after 1", err, calls.Load())
	}
	_, err = c.Judge(context.Background(), &Graph{Pages: []Page{{URL: "a"}}}, func(Page) error { return full })
	if err != full {
		t.Errorf("Judge: error %v, want that of emit", err)
	}
}

func TestRefusedJobs(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	inward := serve(t, pages{"/": "-> http://169.254.169.254/latest/"})
	for _, row := range []struct {
		name string
		job  Job
		want string // by kind
	}{
		{"no address", Job{}, "invalid: url want an absolute http or https address"},
		{"another scheme", Job{URL: "ftp://a.example/"}, "invalid: url want an absolute http or https address"},
		{"no host", Job{URL: "http:///x"}, "invalid: url want an absolute http or https address"},
		{"a mistyped address", Job{URL: "http://a b/"}, `invalid: url invalid character " " in host name`},
		{"a long address", Job{URL: "http://a/" + strings.Repeat("x", 3000)}, "invalid: url is too long for an address"},
		{"all at once", Job{URL: "x", Depth: 6, MaxPages: 51}, "invalid: url want an absolute http or https address; depth is 6, want 0 to 5; max_pages is 51, want 1 to 50"},
		{"negative numbers", Job{URL: "http://a", Depth: -1, MaxPages: -1}, "invalid: depth is -1, want 0 to 5; max_pages is -1, want 1 to 50"},
		{"nobody there", Job{URL: closed.URL}, "unreachable"},
		{"a private address", Job{URL: "http://192.168.0.1/"}, "blocked: private"},
		{"a redirect to the metadata service", Job{URL: inward}, "blocked: cloud metadata"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(Config{Client: loopback(t)}).Crawl(context.Background(), row.job, nil)
			if got := kindOf(err); got != row.want {
				t.Errorf("Crawl(%+v): %s (%v), want %s", row.job, got, err, row.want)
			}
		})
	}
}

// kindOf tells the errors of Crawl apart as a caller does.
func kindOf(err error) string {
	if blocked, ok := errors.AsType[*guard.Blocked](err); ok {
		return "blocked: " + blocked.Why
	}
	switch e := err.(type) {
	case *Invalid:
		return "invalid: " + strings.TrimPrefix(e.Error(), "crawl: ")
	case *Unreachable:
		return "unreachable"
	}
	return fmt.Sprint("other: ", err)
}

// The zero Config must not reach into the own network.
func TestDefaultClientIsGuarded(t *testing.T) {
	base := serve(t, pages{"/": "inside"})
	_, err := New(Config{}).Crawl(context.Background(), Job{URL: base}, nil)
	if got := kindOf(err); got != "blocked: loopback" {
		t.Errorf("error %v, want a refusal", err)
	}
}

func ExampleCrawler_Crawl() {
	srv := httptest.NewServer(site.Handler())
	defer srv.Close()
	client := guard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Client(0)
	defer client.CloseIdleConnections()

	graph, err := New(Config{Client: client}).Crawl(context.Background(), Job{URL: srv.URL + "/ring/a.html", Depth: 3}, func(p Page) error {
		fmt.Println(p.Depth, p.Status, p.Title)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(graph.Links)
	// Output:
	// 0 200 Around the lake, part 1
	// 1 200 Around the lake, part 2
	// 2 200 Around the lake, part 3
	// [[0 1] [1 2] [2 0]]
}
