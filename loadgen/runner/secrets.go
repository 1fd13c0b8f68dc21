package runner

import (
	"encoding/json"
	"strings"
	"sync"
)

// secrets knows the values of environment variables that scenarios have asked
// for. Such a value is a password as often as not, and what was said on a call
// goes into a report that others read: there, its name stands in its place.
type secrets struct {
	mu    sync.Mutex // guards names
	names map[string]string
}

// minSecret is how long a value has to be to be hidden. Shorter ones stand for
// themselves in too many places.
const minSecret = 6

// watch returns a lookup that remembers what it has found.
func (s *secrets) watch(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := lookup(name)
		if ok && len(value) >= minSecret {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.names == nil {
				s.names = map[string]string{}
			}
			s.names[value] = name
		}
		return value, ok
	}
}

// hide replaces the values within a text, as they are and as JSON has them, by
// ${env.NAME}.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, name := range s.names {
		text = strings.ReplaceAll(text, value, "${env."+name+"}")
		if quoted, err := json.Marshal(value); err == nil {
			text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), "${env."+name+"}")
		}
	}
	return text
}
