package crawl

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/fixtures/site"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// words packs n bytes of one-letter words.
func words(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(bytes.Repeat([]byte("a "), n/2)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decode reads a graph from JSON.
func decode(t testing.TB, text string) *Graph {
	t.Helper()
	var g Graph
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

// A graph that has been crawled, sent as JSON and handed in again gets the
// same verdicts without anything being fetched.
func TestJudgeAgain(t *testing.T) {
	base := serve(t, site.Handler())
	crawled, err := complete(t).Crawl(context.Background(), Job{URL: base, Depth: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(crawled)
	if err != nil {
		t.Fatal(err)
	}
	sent := decode(t, string(text))
	for i := range sent.Pages {
		sent.Pages[i].Verdict = verdict.Verdict{} // what a client says does not count
	}
	pictures := image.New(image.Config{Judge: spotSpam})
	offline := New(Config{Judge: spotSpam, Known: pictures.Known, Client: nil})
	got, err := offline.Judge(context.Background(), sent, nil)
	if diff := cmp.Diff(crawled, got); diff != "" || err != nil {
		t.Errorf("error %v, graph (-crawled +judged again):\n%s", err, diff)
	}
}

func TestJudge(t *testing.T) {
	g := decode(t, `{"pages":[
		{"url":"http://a/","title":"A","text":"ask vx_promo now"},
		{"url":"http://b/","text":"nothing","suggestion":"block","label":"forged","hits":[]},
		{"url":"c","images":[{"url":"i","result":{"suggestion":"pass","image":{"phash":"00000000000000ff","qr":["vx_promo"]}}},{"url":"j","error":"lost"}]}
	],"links":[[0,1],[1,2],[2,0],[2,2],[0,1]]}`)
	before, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	pictures := image.New(image.Config{Judge: spotSpam})
	var emitted []string
	got, err := New(Config{Judge: spotSpam, Known: pictures.Known}).Judge(context.Background(), g, func(p Page) error {
		emitted = append(emitted, fmt.Sprint(p.URL, " ", p.Suggestion))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://a/ block", "http://b/ pass", "c block"}, emitted); diff != "" {
		t.Errorf("emitted (-want +got):\n%s", diff)
	}
	// The span counts in the title, a line feed and the text.
	if diff := cmp.Diff([]verdict.Hit{{Rule: "promo", Span: verdict.Span{6, 14}, Text: "vx_promo"}}, got.Pages[0].Hits); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(g.Links, got.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	got.Pages[0].URL, got.Links[0], got.Pages[2].Images[0].Result.QR[0] = "changed", [2]int{9, 9}, "changed"
	after, err := json.Marshal(g)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("error %v, the input has changed from\n%s to\n%s", err, before, after)
	}
}

func TestJudgeEndsWithItsContext(t *testing.T) {
	gone := errors.New("the caller has gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(gone)
	if _, err := New(Config{}).Judge(ctx, &Graph{Pages: []Page{{URL: "a"}}}, nil); !errors.Is(err, gone) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestValidate(t *testing.T) {
	one := []Page{{URL: "a"}}
	manyImages := make([]Image, MaxGraphImages+1)
	for _, row := range []struct {
		name  string
		graph Graph
		want  []string
	}{
		{"one page", Graph{Pages: one}, nil},
		{"a page that links to itself", Graph{Pages: one, Links: [][2]int{{0, 0}}}, nil},
		{"no page", Graph{}, []string{"pages has 0 items, want 1 to 1000"}},
		{"too many pages", Graph{Pages: make([]Page, MaxGraphPages+1)}, []string{"pages has 1001 items, want 1 to 1000"}},
		{"too many links", Graph{Pages: one, Links: make([][2]int, MaxGraphLinks+1)}, []string{"links has 100001 items, want 0 to 100000"}},
		{"indices out of range", Graph{Pages: one, Links: [][2]int{{0, 0}, {-1, 0}, {0, 1}}},
			[]string{"links[1][0] is -1, want 0 to 0", "links[2][1] is 1, want 0 to 0"}},
		{"a page without an address", Graph{Pages: []Page{{}}}, []string{"pages[0].url is empty"}},
		{"a page with too long an address", Graph{Pages: []Page{{URL: strings.Repeat("a", 2049)}}}, []string{"pages[0].url has 2049 bytes, the limit is 2048"}},
		{"too long a text", Graph{Pages: []Page{{URL: "a", Title: "t", Text: strings.Repeat("a", MaxTextBytes)}}},
			[]string{"pages[0].text has 1048578 bytes with the title, the limit is 1048576"}},
		{"too much text in total", Graph{Pages: repeated(Page{URL: "a", Text: strings.Repeat("a", MaxTextBytes)}, 17)},
			[]string{"pages have 17825792 bytes of text, the limit is 16777216"}},
		{"odd numbers", Graph{Pages: []Page{{URL: "a", Depth: -1, Status: 1000}}},
			[]string{"pages[0].depth is -1, want 0 or more", "pages[0].status is 1000, want 0 to 999"}},
		{"too many pictures", Graph{Pages: []Page{{URL: "a", Images: manyImages}}}, []string{"pages[0].images has 101 items, want 0 to 100"}},
		{"too many QR texts", Graph{Pages: []Page{{URL: "a", Images: []Image{{Result: &image.Result{Info: image.Info{QR: make([]string, 101)}}}}}}},
			[]string{"pages[0].images[0].result.image.qr has 101 items, want 0 to 100"}},
		{"too long QR texts", Graph{Pages: []Page{{URL: "a", Images: []Image{{Result: &image.Result{Info: image.Info{QR: []string{strings.Repeat("a", MaxTextBytes+1)}}}}}}}},
			[]string{"pages[0].images[0].result.image.qr has 1048577 bytes, the limit is 1048576"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, v := range row.graph.Validate() {
				got = append(got, v.Field+" "+v.Description)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			_, err := New(Config{}).Judge(context.Background(), &row.graph, nil)
			if invalid, ok := errors.AsType[*Invalid](err); ok != (row.want != nil) || ok && len(invalid.Violations) != len(got) {
				t.Errorf("Judge: error %v", err)
			}
		})
	}
}

// repeated is n times the same page.
func repeated(p Page, n int) []Page {
	out := make([]Page, n)
	for i := range out {
		out[i] = p
	}
	return out
}

func TestValidateStops(t *testing.T) {
	g := Graph{Pages: []Page{{URL: "a"}}, Links: make([][2]int, 1000)}
	for i := range g.Links {
		g.Links[i] = [2]int{7, 7}
	}
	if n := len(g.Validate()); n != maxViolations {
		t.Errorf("%d violations, want %d", n, maxViolations)
	}
}

func TestUnmarshalIsStrict(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"a link with one end", `{"pages":[],"links":[[0,0],[1]]}`, "links[1] has 1 numbers, want a pair"},
		{"a link with three ends", `{"links":[[0,1,2]]}`, "links[0] has 3 numbers, want a pair"},
		{"a link that is no list", `{"links":[null]}`, "links[0] has 0 numbers, want a pair"},
		{"an unknown field", `{"edges":[]}`, `unknown field "edges"`},
		{"an unknown field of a page", `{"pages":[{"uri":"a"}]}`, `unknown field "uri"`},
		{"a bad fingerprint", `{"pages":[{"images":[{"result":{"image":{"phash":"xyz"}}}]}]}`, `parse image hash "xyz"`},
		{"an index that is no integer", `{"links":[[0,0.5]]}`, "cannot unmarshal number 0.5"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var g Graph
			if err := json.Unmarshal([]byte(row.text), &g); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %s", err, row.want)
			}
		})
	}
}

// FuzzGraph holds that a graph of any JSON is refused or judged without a
// panic or a change to it, and that the outcome is the same after being
// printed, parsed and judged again.
func FuzzGraph(f *testing.F) {
	f.Add(`{"pages":[{"url":"a","title":"t","text":"vx_promo"}],"links":[[0,0]]}`)
	f.Add(`{"pages":[{"url":"a","images":[{"url":"i","result":{"hits":null,"image":{"phash":"00000000000000ff","qr":["vx_promo"]}}}]}],"links":[]}`)
	f.Add(`{"pages":[{"url":"a"},{"url":"b"}],"links":[[0,1],[1,0],[1,7]]}`)
	f.Add(`{"pages":null,"links":[[0,-1]]}`)
	pictures := image.New(image.Config{Judge: spotSpam})
	c := New(Config{Judge: spotSpam, Known: pictures.Known})
	f.Fuzz(func(t *testing.T, text string) {
		var g Graph
		if json.Unmarshal([]byte(text), &g) != nil {
			return
		}
		before, err := json.Marshal(&g)
		if err != nil {
			t.Fatal(err)
		}
		once, err := c.Judge(context.Background(), &g, nil)
		if after, _ := json.Marshal(&g); !bytes.Equal(before, after) {
			t.Errorf("the input has changed from\n%s to\n%s", before, after)
		}
		if (err == nil) != (g.Validate() == nil) {
			t.Errorf("error %v, violations %v", err, g.Validate())
		}
		if err != nil {
			return
		}
		printed, err := json.Marshal(once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := c.Judge(context.Background(), decode(t, string(printed)), nil)
		again, _ := json.Marshal(twice)
		if err != nil || !bytes.Equal(printed, again) {
			t.Errorf("error %v, judged twice\n%s, judged once\n%s", err, again, printed)
		}
	})
}

func ExampleCrawler_Judge() {
	known := &Graph{
		Pages: []Page{{URL: "http://a.example/", Text: "harmless"}, {URL: "http://a.example/b", Text: "add vx_promo"}},
		Links: [][2]int{{0, 1}, {1, 0}},
	}
	judged, err := New(Config{Judge: spotSpam}).Judge(context.Background(), known, nil)
	fmt.Println(judged.Pages[0].Suggestion, judged.Pages[1].Suggestion, judged.Links, err)
	// Output:
	// pass block [[0 1] [1 0]] <nil>
}
