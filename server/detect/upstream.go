package detect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Defaults of an UpstreamConfig.
const (
	DefaultUpstreamTimeout = 10 * time.Second
	DefaultUpstreamBytes   = 16 << 20
)

// UpstreamConfig describes a backend. All but the URL can be zero.
type UpstreamConfig struct {
	URL     string        // absolute, http or https
	Timeout time.Duration // of one answer, from dialling to its last byte; 0: DefaultUpstreamTimeout
	Bytes   int           // of the body of an answer; 0: DefaultUpstreamBytes
	Client  *http.Client  // nil: one with a pool of its own, that follows no redirect
}

// Upstream is an HTTP backend that answers requests. It is safe for concurrent
// use; share it, since it pools its connections.
type Upstream struct {
	cfg UpstreamConfig
}

// NewUpstream returns an upstream with the defaults of cfg filled in. Nothing is
// dialled yet.
func NewUpstream(cfg UpstreamConfig) (*Upstream, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("upstream %q: want an absolute http or https URL", cfg.URL)
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultUpstreamTimeout)
	cfg.Bytes = cmp.Or(cfg.Bytes, DefaultUpstreamBytes)
	if cfg.Client == nil {
		cfg.Client = pooledClient()
	}
	return &Upstream{cfg: cfg}, nil
}

// pooledClient keeps as many idle connections as a busy server uses; the
// default of two a host would dial anew for most calls. A redirect is not
// followed: it would turn the POST into a GET.
func pooledClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         dialer.DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        256,
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 5 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close closes the idle connections.
func (u *Upstream) Close() { u.cfg.Client.CloseIdleConnections() }

// Post sends the content of a request, and returns the answer as it came. Errors
// are the cause of ctx's end, and *Unavailable for whatever the upstream does
// wrong: no connection, no answer in time, a status other than 2xx, a body that
// is too long or not a JSON object of code, message and data.
//
// Nothing is retried here. Clients retry UNAVAILABLE by a policy of theirs, and
// retries at two levels multiply.
func (u *Upstream) Post(ctx context.Context, content string) (string, error) {
	limited, cancel := context.WithTimeoutCause(ctx, u.cfg.Timeout, errUpstreamTime)
	defer cancel()
	body, err := u.post(limited, content)
	switch {
	case err == nil:
		return body, nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(context.Cause(limited), errUpstreamTime):
		err = fmt.Errorf("no answer within %v", u.cfg.Timeout)
	}
	return "", &Unavailable{fmt.Errorf("upstream: %w", err)}
}

var errUpstreamTime = errors.New("upstream timeout")

func (u *Upstream) post(ctx context.Context, content string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.cfg.URL, strings.NewReader(content))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := u.cfg.Client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return "", wrapped.Err // without the address, which is not the caller's to know
	}
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(u.cfg.Bytes)+1))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return "", fmt.Errorf("status %d", resp.StatusCode)
	case err != nil:
		return "", fmt.Errorf("read body: %w", err)
	case len(body) > u.cfg.Bytes:
		return "", fmt.Errorf("body of more than %d bytes", u.cfg.Bytes)
	}
	return string(body), checkAnswer(body)
}

// checkAnswer reports whether a body is an answer that clients can read.
func checkAnswer(body []byte) error {
	var answer struct {
		Code    *int64          `json:"code"`
		Message *string         `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if !utf8.Valid(body) {
		return errors.New("body is not UTF-8")
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if answer.Code == nil || answer.Message == nil || answer.Data == nil {
		return errors.New("body has no code, message and data")
	}
	return nil
}
