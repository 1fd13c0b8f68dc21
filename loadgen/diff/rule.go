package diff

import (
	"errors"
	"fmt"
	"math"
	glob "path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rules say which differences do not count. Each is a text of words: a method
// as pkg.Service/Method, with * for any part of a name, or none for all
// methods; then a path such as message.items[].score, in which * is any name,
// [] any index and ** any number of steps.
type Rules struct {
	// Ignore covers differences at a path, all of them or those of one kind:
	// "Detect/detect message.data.score", "trailer.x-took", "message.at changed".
	Ignore []string
	// Tolerance lets numbers and times differ by so much: "message.score 0.01",
	// "message.score 1%", "message.created 5s". At the path latency it makes
	// slower answers differences: "latency 50%".
	Tolerance []string
	// Unordered says that the order of a list means nothing, and which field of
	// the items is their key, if there is one: "message.items",
	// "message.items by id".
	Unordered []string
	// Keys aligns a list by a field of its items, in which the order counts:
	// "messages by seq". Without, items are aligned by what they have in common.
	Keys []string
	// IDs are paths of values that the server makes anew: Comparer.Same is told
	// of them.
	IDs []string
}

// New returns a comparer that goes by rules. The error says which rule cannot
// be read, and why.
func New(r Rules) (*Comparer, error) {
	c := &Comparer{}
	for _, part := range []struct {
		texts []string
		into  *[]rule
		rest  func(*rule, []string) error
	}{
		{r.Ignore, &c.rules.ignore, (*rule).readKind},
		{r.Tolerance, &c.rules.tolerances, (*rule).readTolerance},
		{r.Unordered, &c.rules.lists, (*rule).readUnordered},
		{r.Keys, &c.rules.lists, (*rule).readKey},
		{r.IDs, &c.rules.ids, (*rule).readNothing},
	} {
		for _, text := range part.texts {
			one, err := parseRule(text, part.rest)
			if err != nil {
				return nil, fmt.Errorf("rule %q: %w", text, err)
			}
			*part.into = append(*part.into, one)
		}
	}
	return c, nil
}

// rules are Rules that have been read.
type rules struct{ ignore, tolerances, lists, ids []rule }

// rule is one of them.
type rule struct {
	method string // a glob; "" for all
	path   path
	kind   Kind // of ignore; "" for all
	allowance
	unordered bool // of lists
	key       path // of lists; nil for none
}

// allowance is how far values may be apart.
type allowance struct {
	abs, rel float64
	time     time.Duration
}

// allows reports whether two numbers are close enough. NaN is close to
// nothing but itself, which is equal anyway.
func (a *allowance) allows(want, got float64) bool {
	d := math.Abs(got - want)
	return d <= a.abs || d <= a.rel*math.Abs(want)
}

func (r *rule) fits(method string, p path) bool {
	if r.method != "" {
		if ok, err := glob.Match(r.method, method); err != nil || !ok {
			return false
		}
	}
	return r.path.matches(p)
}

// ignores reports whether a rule covers a difference.
func (r *rules) ignores(method string, p path, kind Kind) bool {
	return slices.ContainsFunc(r.ignore, func(one rule) bool {
		return (one.kind == "" || one.kind == kind) && one.fits(method, p)
	})
}

// names reports whether a value is made anew by the server.
func (r *rules) names(method string, p path) bool {
	return slices.ContainsFunc(r.ids, func(one rule) bool { return one.fits(method, p) })
}

// tolerance returns the first allowance for a path, nil for none.
func (r *rules) tolerance(method string, p path) *allowance {
	for i := range r.tolerances {
		if r.tolerances[i].fits(method, p) {
			return &r.tolerances[i].allowance
		}
	}
	return nil
}

// list returns the first rule for a list, nil for none.
func (r *rules) list(method string, p path) *rule {
	for i := range r.lists {
		if r.lists[i].fits(method, p) {
			return &r.lists[i]
		}
	}
	return nil
}

// loose reports whether a value says nothing about which item it is part of:
// it is ignored, or need not be exact.
func (r *rules) loose(method string, p path) bool {
	return r.ignores(method, p, Changed) || r.tolerance(method, p) != nil
}

// parseRule reads the method and path of a rule, and leaves the rest to more.
func parseRule(text string, more func(*rule, []string) error) (rule, error) {
	var r rule
	words := splitWords(text)
	if len(words) > 0 && strings.Contains(words[0], "/") && !strings.Contains(words[0], `"`) {
		r.method = strings.TrimPrefix(words[0], "/")
		if _, err := glob.Match(r.method, ""); err != nil {
			return r, fmt.Errorf("%q is no pattern of methods", r.method)
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return r, fmt.Errorf("a path is missing, such as message.items[].score")
	}
	var ok bool
	if r.path, ok = parsePath(words[0]); !ok {
		return r, fmt.Errorf("%q is no path, such as message.items[].score, header.x-id or message.**", words[0])
	}
	return r, more(&r, words[1:])
}

// splitWords splits at spaces outside of quotes.
func splitWords(text string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(text, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quoted:
			escaped = true
		case r == '"':
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
}

func (r *rule) readKind(words []string) error {
	kinds := []Kind{Changed, Missing, Extra, Reordered, Type}
	switch {
	case len(words) == 0:
		return nil
	case len(words) > 1 || !slices.Contains(kinds, Kind(words[0])):
		return fmt.Errorf("after the path comes nothing, or one of changed, missing, extra, reordered, type")
	}
	r.kind = Kind(words[0])
	return nil
}

func (r *rule) readNothing(words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("nothing comes after the path")
	}
	return nil
}

func (r *rule) readTolerance(words []string) error {
	want := errors.New("after the path comes a tolerance, such as 0.01, 1% or 5s")
	if len(words) != 1 {
		return want
	}
	number, relative := strings.CutSuffix(words[0], "%")
	value, err := strconv.ParseFloat(number, 64)
	switch {
	case err == nil && (!(value >= 0) || math.IsInf(value, 0)):
		return want
	case err == nil && relative:
		r.rel = value / 100
		return nil
	case err == nil:
		r.abs = value
		return nil
	}
	if r.time, err = time.ParseDuration(words[0]); err != nil || r.time < 0 {
		return want
	}
	return nil
}

func (r *rule) readUnordered(words []string) error {
	r.unordered = true
	if len(words) == 0 {
		return nil
	}
	return r.readKey(words)
}

func (r *rule) readKey(words []string) error {
	if len(words) != 2 || words[0] != "by" {
		return fmt.Errorf("after the path comes the key of the items, such as: by id")
	}
	var ok bool
	if r.key, ok = parsePath(words[1]); !ok {
		return fmt.Errorf("%q is no path within an item", words[1])
	}
	return nil
}
