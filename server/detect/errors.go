package detect

import (
	"errors"
	"fmt"
	"strings"

	"touchstone/server/detect/crawl"
	"touchstone/server/detect/guard"
	"touchstone/server/detect/image"
)

// Violation is one thing that is wrong with a request.
type Violation struct {
	Field       string // such as contents[3].content; "content" for the JSON text as a whole
	Description string // such as "is missing"
}

// Invalid is the error for a request that is wrong. It is the caller's fault,
// and asking again does not help.
type Invalid struct {
	Violations []Violation // at least one
}

// Error lists the violations.
func (e *Invalid) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + ": " + v.Description
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// Unavailable is the error for a request that could not be answered because
// somebody else did not: the upstream, or the site of an image or a page. Asking
// again may help.
type Unavailable struct {
	Cause error
}

// Error tells the cause.
func (e *Unavailable) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Cause }

// invalid is the error for one violation.
func invalid(field, format string, args ...any) error {
	return &Invalid{Violations: []Violation{{field, fmt.Sprintf(format, args...)}}}
}

// maxViolations bounds how much is said about a hopeless request.
const maxViolations = 100

// violations collects what is wrong.
type violations []Violation

func (v *violations) add(field, format string, args ...any) {
	if len(*v) < maxViolations {
		*v = append(*v, Violation{field, fmt.Sprintf(format, args...)})
	}
}

// err returns an *Invalid, nil when nothing is wrong.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	return &Invalid{Violations: v}
}

// imageError sorts the errors of the image package. What it does not know, such
// as the end of a context, it passes on.
func imageError(field string, err error) error {
	if is[*image.TooLarge](err) || is[*image.TooManyPixels](err) || is[*image.TooManyFrames](err) ||
		is[*image.BadFormat](err) || is[*image.BadURL](err) || is[*guard.Blocked](err) {
		return invalid(field, "%v", err)
	}
	if is[*image.Unreachable](err) {
		return &Unavailable{Cause: err}
	}
	return err
}

// crawlError sorts the errors of the crawl package; prefix goes before the
// fields that it names.
func crawlError(prefix string, err error) error {
	if bad, ok := errors.AsType[*crawl.Invalid](err); ok {
		out := &Invalid{}
		for _, v := range bad.Violations {
			out.Violations = append(out.Violations, Violation{prefix + v.Field, v.Description})
		}
		return out
	}
	if is[*guard.Blocked](err) {
		return invalid("url", "%v", err)
	}
	if is[*crawl.Unreachable](err) {
		return &Unavailable{Cause: err}
	}
	return err
}

// is reports whether err is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
