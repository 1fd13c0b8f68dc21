package crawl

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// userAgent is how a crawl presents itself.
const userAgent = "touchstone-crawler/1"

// request is what fetch is asked for.
type request struct {
	at     address
	limit  int                    // bytes of the body that are read
	follow func(address) bool     // whether to follow a redirect; nil follows all
	accept func(kind string) bool // whether to read the body; nil reads all
}

// answer is what fetch found.
type answer struct {
	at     address   // where the redirects ended
	trail  []address // the redirects, at included; empty without any
	away   bool      // the last redirect was not followed
	status int
	kind   string // media type, such as text/html
	header string // the Content-Type as it was sent
	body   []byte
	cut    bool // the body goes on
}

func (a *answer) isHTML() bool  { return a.kind == "text/html" || a.kind == "application/xhtml+xml" }
func (a *answer) isText() bool  { return a.kind == "text/plain" }
func (a *answer) isImage() bool { return strings.HasPrefix(a.kind, "image/") }

// readable reports whether the body of a page is worth reading.
func readable(kind string) bool {
	a := answer{kind: kind}
	return a.isHTML() || a.isText()
}

// fetch gets what is at an address, and counts its bytes.
func (w *walk) fetch(ctx context.Context, r request) (*answer, error) {
	switch {
	case ctx.Err() != nil:
		return nil, plain(ctx, context.Cause(ctx))
	case w.budget <= 0:
		return nil, errBytes
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := w.client(r.follow).Do(req)
	if err != nil {
		return nil, plain(ctx, err)
	}
	defer resp.Body.Close()
	got, err := w.arrived(resp, r)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return got, nil
}

// client is the Config's client, which in addition stops before a redirect
// that is not to be followed, and returns it as the response.
func (w *walk) client(follow func(address) bool) *http.Client {
	client := *w.cfg.Client
	client.Jar = nil // a cookie would make pages depend on the order of visits
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if w.cfg.Client.CheckRedirect != nil {
			if err := w.cfg.Client.CheckRedirect(req, via); err != nil {
				return err
			}
		} else if len(via) >= 10 {
			return errors.New("stopped after 10 redirects") // as net/http does
		}
		if to, err := normal(req.URL); follow != nil && err == nil && !follow(to) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &client
}

// arrived reads a response as far as it is wanted.
func (w *walk) arrived(resp *http.Response, r request) (*answer, error) {
	at, err := normal(resp.Request.URL)
	if err != nil {
		return nil, err
	}
	got := &answer{at: at, trail: trail(resp), status: resp.StatusCode, header: resp.Header.Get("Content-Type")}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		if next, err := normal(to); err == nil {
			got.trail, got.away = append(got.trail, next), true
			return got, nil
		}
	}
	got.kind, _, _ = mime.ParseMediaType(got.header)
	if got.kind != "" && r.accept != nil && !r.accept(got.kind) {
		return got, nil
	}
	limit := min(r.limit, w.budget)
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	got.cut = len(body) > limit
	got.body = body[:min(len(body), limit)]
	w.budget -= len(got.body)
	if got.kind == "" {
		got.kind, _, _ = mime.ParseMediaType(http.DetectContentType(got.body))
	}
	return got, nil
}

// trail lists the addresses that a response's redirects led to.
func trail(resp *http.Response) []address {
	var out []address
	for r := resp.Request; r != nil && r.Response != nil; r = r.Response.Request {
		if at, err := normal(r.URL); err == nil {
			out = append(out, at)
		}
	}
	slices.Reverse(out)
	return out
}

// download gets the bytes of a picture.
func (w *walk) download(ctx context.Context, at address) ([]byte, error) {
	got, err := w.fetch(ctx, request{at: at, limit: w.cfg.MaxImageBytes})
	switch {
	case err != nil:
		return nil, err
	case got.status != http.StatusOK:
		return nil, fmt.Errorf("status %d", got.status)
	case got.cut && w.budget <= 0:
		return nil, errBytes
	case got.cut:
		return nil, fmt.Errorf("has more than %d bytes", w.cfg.MaxImageBytes)
	}
	return got.body, nil
}

// inline reads a picture that is written in the page itself, as a data: URL
// (RFC 2397). It returns a short name, the same for the same picture, and a
// function for its bytes, nil when raw is an address.
func inline(raw string) (name string, load func() ([]byte, error)) {
	raw = strings.TrimSpace(raw)
	if len(raw) < 5 || !strings.EqualFold(raw[:5], "data:") {
		return "", nil
	}
	head, body, found := strings.Cut(raw[5:], ",")
	sum := sha256.Sum256([]byte(body))
	kind, _, _ := mime.ParseMediaType(head)
	name = fmt.Sprintf("data:%s;sha256=%x", cmp.Or(kind, "unknown"), sum[:8])
	return name, func() ([]byte, error) {
		if !found {
			return nil, errors.New("data URL without data")
		}
		return unpack(head, body)
	}
}

// unpack decodes the body of a data: URL.
func unpack(head, body string) ([]byte, error) {
	plain, err := url.PathUnescape(body)
	if err != nil {
		return nil, fmt.Errorf("data URL: %w", err)
	}
	if !strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
		return []byte(plain), nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(plain), ""))
	if err != nil {
		return nil, fmt.Errorf("data URL: %w", err)
	}
	return data, nil
}
