package replay

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"unicode"
)

// maxIDs bounds how many values a table holds. The oldest go first.
const maxIDs = 1 << 17

// ids knows which values the server of the recording made, and what a live
// server made in their place. There is one for each target and loop. It is
// safe for concurrent use.
type ids struct {
	auto bool // take any value that looks like an id

	mu    sync.Mutex // guards what follows
	live  map[string]string
	taken map[string]bool // the values of live
	order []string        // the keys of live, oldest first
	made  *origins
}

func newIDs(auto bool, made *origins) *ids {
	return &ids{auto: auto, live: map[string]string{}, taken: map[string]bool{}, made: made}
}

// same reports whether a live value stands for a recorded one. A value that
// may be an id, and has not been met before, is learnt by that. Live values
// that the recording has too are not: then the answers were not made anew, but
// exchanged.
func (t *ids) same(recorded, live string, named bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.live[recorded]; ok {
		return known == live
	}
	if !named && !(t.auto && idLike(recorded) && idLike(live)) || t.taken[live] || t.made.has(live) {
		return false
	}
	if len(t.order) >= maxIDs {
		delete(t.taken, t.live[t.order[0]])
		delete(t.live, t.order[0])
		t.order = t.order[1:]
	}
	t.live[recorded], t.taken[live] = live, true
	t.order = append(t.order, recorded)
	return true
}

// replace returns what a live server made in place of a recorded value.
func (t *ids) replace(recorded string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	live, ok := t.live[recorded]
	return live, ok
}

// idLike reports whether a value is likely made up by a server: eight or more
// letters, digits and separators, digits among them.
func idLike(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !strings.ContainsRune("-_.:/+=~", r):
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 512 && digits > 0
}

// origins knows in which recorded answer a value was first seen. It is filled
// by the reader, which is ahead of the calls, and read by them.
type origins struct {
	mu    sync.Mutex // guards what follows
	first map[string]origin
	order []string
}

// origin is an answer: the n-th message of a call, n from 1, or its end.
type origin struct {
	call *call // nil: a request had it first
	n    int
}

func newOrigins() *origins { return &origins{first: map[string]origin{}} }

// note takes a value of the recording.
func (o *origins) note(value string, from origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.first[value]; known {
		return
	}
	if len(o.order) >= maxIDs {
		delete(o.first, o.order[0])
		o.order = o.order[1:]
	}
	o.first[value] = from
	o.order = append(o.order, value)
}

// of returns the answer that a value comes from.
func (o *origins) of(value string) (origin, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from, ok := o.first[value]
	return from, ok && from.call != nil
}

func (o *origins) has(value string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.first[value]
	return ok
}

// values calls f with each string and number of a JSON text, and of JSON in
// its strings.
func values(text []byte, f func(string)) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return
		}
		switch v := token.(type) {
		case json.Number:
			f(v.String())
		case string:
			f(v)
			if looksLikeJSON(v) {
				values([]byte(v), f)
			}
		}
	}
}

// looksLikeJSON reports whether a string may hold an object or a list.
func looksLikeJSON(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n")
	return s != "" && (s[0] == '{' || s[0] == '[')
}
