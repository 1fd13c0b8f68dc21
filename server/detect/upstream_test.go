package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const fine = `{"code":0,"message":"ok","data":{"suggestion":"review","label":"odd","score":0.5}}`

// backend is an upstream that answers with a status and a body, and keeps what
// it was sent.
type backend struct {
	status int
	body   string
	mu     sync.Mutex
	bodies []string // guarded by mu
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), sent))
	return &http.Response{StatusCode: b.status, Body: io.NopCloser(strings.NewReader(b.body)), Request: r}, nil
}

func upstreamOf(t *testing.T, transport http.RoundTripper) *Upstream {
	t.Helper()
	u, err := NewUpstream(UpstreamConfig{URL: "http://up/detect", Bytes: 200, Client: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUpstreamAnswersInTheDetectorsPlace(t *testing.T) {
	b := &backend{status: 200, body: fine}
	d := New(Config{Judge: scripted, Upstream: upstreamOf(t, b)})
	content := `{"request_type": "TEXT", "content": "\u4f60"}`
	got, err := d.Detect(t.Context(), content)
	if err != nil || got != fine {
		t.Errorf("Detect = %s, %v, want the upstream's answer", got, err)
	}
	if want := []string{"POST http://up/detect application/json " + content}; !slices.Equal(b.bodies, want) {
		t.Errorf("the upstream was sent %q, want %q", b.bodies, want)
	}
	s := d.NewSummary()
	if err := s.Add(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	want := wrap(`{"requests":1,"suggestion":"review","label":"odd","score":0.5,"counts":{"pass":0,"review":1,"block":0},"results":[{"request_id":"","request_type":"TEXT","suggestion":"review","label":"odd","score":0.5}]}`)
	if got := s.Data(); got != want {
		t.Errorf("summary %s, want %s", got, want)
	}
}

func TestUpstreamIsNotAskedWhatIsInvalid(t *testing.T) {
	b := &backend{status: 200, body: fine}
	d := New(Config{Judge: scripted, Upstream: upstreamOf(t, b)})
	if _, err := d.Detect(t.Context(), `{}`); !is[*Invalid](err) || b.bodies != nil {
		t.Errorf("error %v, sent %q: want *Invalid and nothing sent", err, b.bodies)
	}
}

func TestUpstreamGetsABatchItemByItem(t *testing.T) {
	b := &backend{status: 200, body: fine}
	d := New(Config{Judge: scripted, Upstream: upstreamOf(t, b)})
	var parts []string
	err := d.Each(t.Context(), `{"request_type":2,"request_id":"b","contents":[{"id":"x","content":"<a>"},{"id":"y"}]}`, func(data string) error {
		parts = append(parts, data)
		return nil
	})
	want := []string{fine, wrap(`{"request_id":"b","request_type":"TEXT_BATCH","index":1,"id":"y","error":{"field":"contents[1].content","message":"is missing"}}`)}
	if err != nil || !slices.Equal(parts, want) {
		t.Errorf("Each = %q, %v, want %q", parts, err, want)
	}
	sent := []string{`POST http://up/detect application/json {"request_type":"TEXT","request_id":"x","content":"\u003ca\u003e"}`}
	if !slices.Equal(b.bodies, sent) {
		t.Errorf("the upstream was sent %q, want %q", b.bodies, sent)
	}
}

func TestUpstreamFailures(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"an error of the server", 500, fine, "upstream: status 500"},
		{"a redirect", 307, "", "upstream: status 307"},
		{"not modified", 304, "", "upstream: status 304"},
		{"HTML", 200, "<html>", "upstream: body: invalid character '<' looking for beginning of value"},
		{"nothing", 200, "", "upstream: body: unexpected end of JSON input"},
		{"an array", 200, "[]", "upstream: body: json: cannot unmarshal array into"},
		{"an object of something else", 200, `{"error":"x"}`, "upstream: body has no code, message and data"},
		{"a code in words", 200, `{"code":"0","message":"","data":{}}`, "upstream: body: json: cannot unmarshal string into"},
		{"two objects", 200, fine + fine, "upstream: body: invalid character '{' after top-level value"},
		{"too long a body", 200, `{"code":0,"message":"` + strings.Repeat("x", 200) + `","data":1}`, "upstream: body of more than 200 bytes"},
		{"bytes that are not UTF-8", 200, `{"code":0,"message":"` + "\xff" + `","data":1}`, "upstream: body is not UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := upstreamOf(t, &backend{status: test.status, body: test.body})
			_, err := u.Post(t.Context(), "{}")
			if !is[*Unavailable](err) || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Post = %T %v, want *Unavailable %q", err, err, test.want)
			}
		})
	}
}

func TestSummaryWantsAVerdictOfTheUpstream(t *testing.T) {
	d := New(Config{Judge: scripted, Upstream: upstreamOf(t, &backend{status: 200, body: `{"code":0,"message":"ok","data":{}}`})})
	err := d.NewSummary().Add(t.Context(), `{"request_type":1,"content":"a"}`)
	if !is[*Unavailable](err) || !strings.Contains(err.Error(), `suggestion "", want pass, review or block`) {
		t.Errorf("Add = %v, want *Unavailable that names the suggestion", err)
	}
}

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestUpstreamThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := upstreamOf(t, roundTrip(silent))
		start := time.Now()
		_, err := u.Post(t.Context(), "{}")
		if want := "upstream: no answer within 10s"; !is[*Unavailable](err) || err.Error() != want {
			t.Errorf("Post = %T %v, want *Unavailable %q", err, err, want)
		}
		if waited := time.Since(start); waited != DefaultUpstreamTimeout {
			t.Errorf("waited %v, want %v", waited, DefaultUpstreamTimeout)
		}
	})
}

func TestCallerThatLeavesTheUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the caller has had enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := upstreamOf(t, roundTrip(silent)).Post(ctx, "{}"); err != cause {
			t.Errorf("Post = %v, want the cause as it is", err)
		}
	})
}

func TestUpstreamURL(t *testing.T) {
	for _, address := range []string{"", "localhost:80", "/detect", "ftp://a/", "http://", "http://[::1"} {
		if _, err := NewUpstream(UpstreamConfig{URL: address}); err == nil {
			t.Errorf("NewUpstream(%q): no error", address)
		}
	}
}

// TestUpstreamPoolsConnections is the one test with real sockets: many calls at
// once, twice, on no more connections than calls at once.
func TestUpstreamPoolsConnections(t *testing.T) {
	const callers = 16
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, strings.NewReader(fine))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	u, err := NewUpstream(UpstreamConfig{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	var workers sync.WaitGroup
	for range callers {
		workers.Go(func() {
			for range 20 {
				if got, err := u.Post(t.Context(), "{}"); err != nil || got != fine {
					t.Errorf("Post = %s, %v", got, err)
				}
			}
		})
	}
	workers.Wait()
	if n := opened.Load(); n > 2*callers {
		t.Errorf("%d connections for %d callers with 20 calls each", n, callers)
	}
}
