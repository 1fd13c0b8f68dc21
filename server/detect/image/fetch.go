package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"touchstone/server/detect/guard"
)

// Fetch gets the bytes of a picture, at most MaxBytes, through the guarded
// client. Its errors are *BadURL, *TooLarge, a wrapped *guard.Blocked when the
// address or that of a redirect is refused, *Unreachable for all that the
// other side may do wrong, and the cause of ctx's end.
func (d *Detector) Fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := request(ctx, address)
	if err != nil {
		return nil, &BadURL{URL: address, Cause: err}
	}
	data, err := d.get(req)
	if err == nil || isType[*TooLarge](err) {
		return data, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if blocked, ok := errors.AsType[*guard.Blocked](err); ok {
		return nil, fmt.Errorf("fetch image %q: %w", address, blocked)
	}
	return nil, &Unreachable{URL: address, Cause: err}
}

// isType reports whether err is, or wraps, an E.
func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// request makes the request for a picture.
func request(ctx context.Context, address string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.Unwrap(err) // without the address, which BadURL names
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("want an absolute http or https address")
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
}

// get sends the request and reads the answer. The declared length is looked
// at first; the limit holds without one as well.
func (d *Detector) get(req *http.Request) ([]byte, error) {
	resp, err := d.cfg.Client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return nil, wrapped.Err // without the address, which our errors name
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	limit := d.cfg.MaxBytes
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	if resp.ContentLength > int64(limit) {
		return nil, &TooLarge{Bytes: resp.ContentLength, Limit: limit}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, &TooLarge{Bytes: int64(len(data)), Limit: limit}
	}
	return data, nil
}
