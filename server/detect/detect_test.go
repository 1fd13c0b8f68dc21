package detect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"touchstone/server/detect/crawl"
	"touchstone/server/detect/guard"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

func ExampleDetector_Detect() {
	d := New(Config{})
	data, err := d.Detect(context.Background(), `{"request_type": "TEXT", "request_id": "r-1", "content": "QQ：123456789"}`)
	fmt.Println(data, err)
	_, err = d.Detect(context.Background(), `{"request_type": "TEXT", "contnet": "hello"}`)
	fmt.Println(err)
	// Output:
	// {"code":0,"message":"ok","data":{"request_id":"r-1","request_type":"TEXT","suggestion":"review","label":"contact","score":0.6,"hits":[{"rule":"contact/qq","span":[0,12],"text":"QQ：123456789"}]}} <nil>
	// invalid request: contnet: is unknown: did you mean "content"?; content: is missing
}

// scripted judges by what the text says: "bad", "odd", or anything else. It
// panics on "panic".
func scripted(s string) verdict.Verdict {
	v := verdict.Verdict{Suggestion: verdict.Pass, Label: "normal", Hits: []verdict.Hit{}}
	switch s {
	case "bad":
		v.Suggestion, v.Label, v.Score = verdict.Block, "evil", 0.9
	case "odd":
		v.Suggestion, v.Label, v.Score = verdict.Review, "odd", 0.5
	case "panic":
		panic("as asked")
	}
	return v
}

const (
	onePixel  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
	hugePixel = "iVBORw0KGgoAAAANSUhEUgAAw1AAAMNQCAAAAABuxGIWAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
)

func TestAnswers(t *testing.T) {
	pages := `"graph":{"pages":[{"url":"http://a/","text":"fine"},{"url":"http://b/","text":"bad"}],"links":[[0,1],[1,0]]}`
	tests := []struct {
		name, content string
		whole         string   // Detect's data
		parts         []string // Each's data, nil: the same as whole
	}{
		{"a text", `{"request_type":1,"request_id":"<é>","content":"odd"}`,
			`{"request_id":"<é>","request_type":"TEXT","suggestion":"review","label":"odd","score":0.5,"hits":[]}`, nil},
		{"a batch with an error", `{"request_type":2,"request_id":"b","contents":[{"id":"x","content":"odd"},{"id":"y"},{"id":"z","content":"bad"}]}`,
			`{"request_id":"b","request_type":"TEXT_BATCH","suggestion":"block","label":"evil","score":0.9,"results":[` +
				`{"id":"x","suggestion":"review","label":"odd","score":0.5,"hits":[]},{"id":"y","error":{"field":"contents[1].content","message":"is missing"}},` +
				`{"id":"z","suggestion":"block","label":"evil","score":0.9,"hits":[]}]}`,
			[]string{
				`{"request_id":"b","request_type":"TEXT_BATCH","index":0,"id":"x","suggestion":"review","label":"odd","score":0.5,"hits":[]}`,
				`{"request_id":"b","request_type":"TEXT_BATCH","index":1,"id":"y","error":{"field":"contents[1].content","message":"is missing"}}`,
				`{"request_id":"b","request_type":"TEXT_BATCH","index":2,"id":"z","suggestion":"block","label":"evil","score":0.9,"hits":[]}`,
			}},
		{"a batch of errors passes", `{"request_type":2,"contents":[{"id":"y"}]}`,
			`{"request_id":"","request_type":"TEXT_BATCH","suggestion":"pass","label":"normal","score":0,"results":[{"id":"y","error":{"field":"contents[0].content","message":"is missing"}}]}`,
			[]string{`{"request_id":"","request_type":"TEXT_BATCH","index":0,"id":"y","error":{"field":"contents[0].content","message":"is missing"}}`}},
		{"an image", `{"request_type":3,"image":{"base64":"` + onePixel + `"}}`,
			`{"request_id":"","request_type":"IMAGE","suggestion":"pass","label":"normal","score":0,"hits":[],"image":{"format":"png","width":1,"height":1,"phash":"0000000000000000","qr":[]}}`, nil},
		{"a graph with a cycle", `{"request_type":4,` + pages + `}`,
			`{"request_id":"","request_type":"CRAWLER","suggestion":"block","label":"evil","score":0.9,"hits":[],"page":1,"graph":{"pages":[` +
				`{"url":"http://a/","status":0,"depth":0,"title":"","text":"fine","suggestion":"pass","label":"normal","score":0,"hits":[]},` +
				`{"url":"http://b/","status":0,"depth":0,"title":"","text":"bad","suggestion":"block","label":"evil","score":0.9,"hits":[]}],"links":[[0,1],[1,0]]}}`,
			[]string{
				`{"request_id":"","request_type":"CRAWLER","index":0,"url":"http://a/","status":0,"depth":0,"title":"","text":"fine","suggestion":"pass","label":"normal","score":0,"hits":[]}`,
				`{"request_id":"","request_type":"CRAWLER","index":1,"url":"http://b/","status":0,"depth":0,"title":"","text":"bad","suggestion":"block","label":"evil","score":0.9,"hits":[]}`,
			}},
	}
	d := New(Config{Judge: scripted})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := d.Detect(t.Context(), test.content)
			if want := wrap(test.whole); err != nil || got != want {
				t.Errorf("Detect(%s)\n got %s, %v\nwant %s", test.content, got, err, want)
			}
			if test.parts == nil {
				test.parts = []string{test.whole}
			}
			var parts []string
			err = d.Each(t.Context(), test.content, func(data string) error {
				parts = append(parts, data)
				return nil
			})
			if err != nil || len(parts) != len(test.parts) {
				t.Fatalf("Each(%s) = %q, %v, want %d parts", test.content, parts, err, len(test.parts))
			}
			for i, want := range test.parts {
				if parts[i] != wrap(want) {
					t.Errorf("Each(%s), part %d\n got %s\nwant %s", test.content, i, parts[i], wrap(want))
				}
			}
		})
	}
}

func wrap(data string) string { return `{"code":0,"message":"ok","data":` + data + `}` }

// noSite is a client for which every site is down, or behind the guard.
func noSite(err error) *http.Client {
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestErrorsOfDetectors(t *testing.T) {
	down := noSite(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
	forbidden := noSite(&guard.Blocked{Why: "loopback"})
	with := func(client *http.Client) *Detector {
		return New(Config{
			Judge:   scripted,
			Image:   image.New(image.Config{Client: client}),
			Crawler: crawl.New(crawl.Config{Client: client}),
		})
	}
	tests := []struct {
		name, content string
		client        *http.Client
		field         string // of the violation; "": unavailable
	}{
		{"an image of too many pixels", `{"request_type":3,"image":{"base64":"` + hugePixel + `"}}`, down, "image.base64"},
		{"an image that is none", `{"request_type":3,"image":{"base64":"aGVsbG8="}}`, down, "image.base64"},
		{"an image in a file", `{"request_type":3,"image":{"url":"file:///etc/passwd"}}`, down, "image.url"},
		{"an image behind the guard", `{"request_type":3,"image":{"url":"http://localhost/"}}`, forbidden, "image.url"},
		{"an image that is not there", `{"request_type":3,"image":{"url":"http://a/"}}`, down, ""},
		{"a site that is no URL", `{"request_type":4,"url":"not a url"}`, down, "url"},
		{"a site too deep", `{"request_type":4,"url":"http://a/","depth":1000}`, down, "depth"},
		{"a site behind the guard", `{"request_type":4,"url":"http://localhost/"}`, forbidden, "url"},
		{"a site that is not there", `{"request_type":4,"url":"http://a/"}`, down, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := with(test.client).Detect(t.Context(), test.content)
			each := with(test.client).Each(t.Context(), test.content, func(string) error { return nil })
			if fmt.Sprint(err) != fmt.Sprint(each) {
				t.Errorf("Detect: %v, Each: %v", err, each)
			}
			if test.field == "" {
				if !is[*Unavailable](err) {
					t.Errorf("error %T %v, want *Unavailable", err, err)
				}
				return
			}
			bad, ok := errors.AsType[*Invalid](err)
			if !ok || len(bad.Violations) != 1 || bad.Violations[0].Field != test.field {
				t.Errorf("error %T %v, want a violation at %s", err, err, test.field)
			}
		})
	}
}

// batchOf returns a batch of n items, the text of item i being text(i).
func batchOf(n int, text func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":"%d","content":%q}`, i, text(i))
	}
	return `{"request_type":2,"contents":[` + strings.Join(items, ",") + `]}`
}

func TestBatchesAreInOrderAndDeterministic(t *testing.T) {
	d := New(Config{Judge: scripted})
	content := batchOf(1000, func(i int) string { return []string{"fine", "odd", "bad"}[i%3] })
	first, err := d.Detect(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i := range 1000 {
		next := strings.Index(first[at:], fmt.Sprintf(`{"id":"%d","suggestion":"%s"`, i, []string{"pass", "review", "block"}[i%3]))
		if next < 0 {
			t.Fatalf("item %d does not follow the one before", i)
		}
		at += next
	}
	for range 20 {
		if again, _ := d.Detect(t.Context(), content); again != first {
			t.Fatal("the same batch got another answer")
		}
	}
}

func TestPanicOfAnItemReachesTheCaller(t *testing.T) {
	d := New(Config{Judge: scripted})
	defer func() {
		if p := recover(); p == nil || !strings.HasPrefix(fmt.Sprint(p), "as asked") {
			t.Errorf("recovered %v, want the judge's panic", p)
		}
	}()
	_, _ = d.Detect(t.Context(), batchOf(50, func(i int) string { return map[bool]string{true: "panic"}[i == 20] }))
}

func TestEndOfContextIsPassedOn(t *testing.T) {
	cause := errors.New("the caller has had enough")
	for name, content := range map[string]string{
		"text":  `{"request_type":1,"content":"a"}`,
		"batch": batchOf(3, func(int) string { return "a" }),
		"image": `{"request_type":3,"image":{"url":"http://a/"}}`,
		"graph": `{"request_type":4,"graph":{"pages":[{"url":"http://a/"}],"links":[]}}`,
		"crawl": `{"request_type":4,"url":"http://a/"}`,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		d := New(Config{Judge: scripted})
		if _, err := d.Detect(ctx, content); err != cause {
			t.Errorf("%s: Detect = %v, want the cause as it is", name, err)
		}
		if err := d.Each(ctx, content, func(string) error { return nil }); err != cause {
			t.Errorf("%s: Each = %v, want the cause as it is", name, err)
		}
		if err := d.NewSummary().Add(ctx, content); err != cause {
			t.Errorf("%s: Add = %v, want the cause as it is", name, err)
		}
	}
}

func TestContextEndsABatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var judged atomic.Int64
	d := New(Config{Judge: func(s string) verdict.Verdict {
		if judged.Add(1) == 10 {
			cancel()
		}
		return scripted(s)
	}})
	_, err := d.Detect(ctx, batchOf(1000, func(int) string { return "a" }))
	if !errors.Is(err, context.Canceled) || judged.Load() > 900 {
		t.Errorf("error %v after %d items, want the end of the context soon after 10", err, judged.Load())
	}
}

func TestEachEndsWithTheErrorOfEmit(t *testing.T) {
	gone := errors.New("client is gone")
	d := New(Config{Judge: scripted})
	for name, content := range map[string]string{
		"text":  `{"request_type":1,"content":"a"}`,
		"batch": batchOf(3, func(int) string { return "a" }),
		"graph": `{"request_type":4,"graph":{"pages":[{"url":"http://a/"},{"url":"http://b/"}],"links":[]}}`,
	} {
		calls := 0
		err := d.Each(t.Context(), content, func(string) error { calls++; return gone })
		if err != gone || calls != 1 {
			t.Errorf("%s: %v after %d calls, want emit's error after 1", name, err, calls)
		}
	}
}

func TestSummary(t *testing.T) {
	s := New(Config{Judge: scripted}).NewSummary()
	want := wrap(`{"requests":0,"suggestion":"pass","label":"normal","score":0,"counts":{"pass":0,"review":0,"block":0},"results":[]}`)
	if got := s.Data(); got != want {
		t.Errorf("summary of nothing\n got %s\nwant %s", got, want)
	}
	for _, content := range []string{
		`{"request_type":1,"request_id":"a","content":"odd"}`,
		`{"request_type":2,"request_id":"b","contents":[{"content":"bad"},{"content":"fine"}]}`,
		`{"request_type":1,"request_id":"c","content":"fine"}`,
	} {
		if err := s.Add(t.Context(), content); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Add(t.Context(), `{"request_type":1}`)
	if err == nil || err.Error() != "invalid request: content: is missing (in request 4)" {
		t.Errorf("error %v, want one that names request 4", err)
	}
	want = wrap(`{"requests":3,"suggestion":"block","label":"evil","score":0.9,"counts":{"pass":1,"review":1,"block":1},"results":[` +
		`{"request_id":"a","request_type":"TEXT","suggestion":"review","label":"odd","score":0.5},` +
		`{"request_id":"b","request_type":"TEXT_BATCH","suggestion":"block","label":"evil","score":0.9},` +
		`{"request_id":"c","request_type":"TEXT","suggestion":"pass","label":"normal","score":0}]}`)
	if got := s.Data(); got != want {
		t.Errorf("summary\n got %s\nwant %s", got, want)
	}
}
