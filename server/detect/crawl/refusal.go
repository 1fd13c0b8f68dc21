package crawl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"touchstone/server/detect/guard"
)

// Invalid is the error for a job or a graph that cannot be judged.
type Invalid struct {
	Violations []Violation // at least one
}

// Error lists the violations.
func (e *Invalid) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + " " + v.Description
	}
	return "crawl: " + strings.Join(parts, "; ")
}

// Unreachable is the error for a crawl whose first page could not be fetched.
type Unreachable struct {
	URL   string
	Cause error
}

// Error names the page and the cause.
func (e *Unreachable) Error() string { return fmt.Sprintf("crawl %q: %v", e.URL, e.Cause) }

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Cause }

// Why a page or a picture was not fetched though its site was crawled.
var (
	errTime   = errors.New("not fetched: the time limit of the crawl is reached")
	errBytes  = errors.New("not fetched: the byte limit of the crawl is reached")
	errImages = errors.New("not fetched: the limit of pictures of the crawl is reached")
	errAway   = errors.New("redirects to another host")
)

// unreachable is the error of a crawl whose first page met err.
func unreachable(address string, err error) error {
	if blocked, ok := errors.AsType[*guard.Blocked](err); ok {
		return fmt.Errorf("crawl %q: %w", address, blocked)
	}
	return &Unreachable{URL: address, Cause: err}
}

// plain strips an error of the client of the address, which the page has, and
// names the limit of time when that is what ended the request.
func plain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTime) {
		return errTime
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
