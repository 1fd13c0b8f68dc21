package diff

import (
	glob "path"
	"strconv"
	"strings"
)

// segment is one step of a path: a name, an index, or the key of a map.
type segment struct {
	kind segmentKind
	name string // of a name or key; a glob in a rule
	at   int    // of an index; any below zero
}

type segmentKind int

const (
	isName segmentKind = iota
	isIndex
	isKey
	isAny // ** in a rule: any number of segments
)

func named(name string) segment { return segment{kind: isName, name: name} }
func indexed(i int) segment     { return segment{kind: isIndex, at: i} }
func keyed(key string) segment  { return segment{kind: isKey, name: key} }

// path leads from an answer to one of its values.
type path []segment

// String writes a path as rules are written.
func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.kind == isIndex && s.at < 0:
			b.WriteString("[]")
		case s.kind == isIndex:
			b.WriteString("[" + strconv.Itoa(s.at) + "]")
		case s.kind == isKey || !plain(s.name):
			b.WriteString("[" + strconv.Quote(s.name) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// plain reports whether a name can be written without quotes. A name with a
// star is quoted: it would be a pattern.
func plain(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-@#$", r)) {
			return false
		}
	}
	return name != ""
}

// general returns the path with its indexes left out.
func (p path) general() path {
	out := make(path, len(p))
	for i, s := range p {
		if s.kind == isIndex {
			s.at = -1
		}
		out[i] = s
	}
	return out
}

// matches reports whether a pattern covers a path: * is any name, or part of
// one, [] any index, ** any number of steps.
func (pattern path) matches(p path) bool {
	for i, s := range pattern {
		if s.kind == isAny {
			for skip := range len(p) + 1 {
				if pattern[i+1:].matches(p[skip:]) {
					return true
				}
			}
			return false
		}
		if len(p) == 0 || !s.covers(p[0]) {
			return false
		}
		p = p[1:]
	}
	return len(p) == 0
}

// covers reports whether a segment of a pattern covers one of a path.
func (s segment) covers(other segment) bool {
	switch {
	case s.kind == isIndex || other.kind == isIndex:
		return s.kind == other.kind && (s.at < 0 || s.at == other.at)
	case s.kind == isKey: // quoted: taken literally
		return s.name == other.name
	}
	if s.name == "*" {
		return true // of keys too, which may hold a slash
	}
	ok, err := glob.Match(s.name, other.name)
	return err == nil && ok
}

// parsePath reads a path or pattern.
func parsePath(text string) (path, bool) {
	var p path
	for rest := text; rest != ""; {
		var s segment
		var ok bool
		if rest[0] == '[' {
			s, rest, ok = parseBracket(rest)
		} else {
			s, rest, ok = parseName(rest, len(p) == 0)
		}
		if !ok {
			return nil, false
		}
		p = append(p, s)
	}
	return p, len(p) > 0
}

// parseBracket reads [], [*], [3] or ["key"].
func parseBracket(text string) (segment, string, bool) {
	body := text[1:]
	if strings.HasPrefix(body, `"`) {
		quoted, err := strconv.QuotedPrefix(body)
		if err != nil || !strings.HasPrefix(body[len(quoted):], "]") {
			return segment{}, "", false
		}
		key, err := strconv.Unquote(quoted)
		return keyed(key), body[len(quoted)+1:], err == nil
	}
	inner, rest, ok := strings.Cut(body, "]")
	if inner == "" || inner == "*" {
		return indexed(-1), rest, ok
	}
	n, err := strconv.Atoi(inner)
	return indexed(n), rest, ok && err == nil && n >= 0
}

// parseName reads a name, after a dot unless it is the first.
func parseName(text string, first bool) (segment, string, bool) {
	if !first {
		var ok bool
		if text, ok = strings.CutPrefix(text, "."); !ok {
			return segment{}, "", false
		}
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	name := text[:end]
	if name == "**" {
		return segment{kind: isAny}, text[end:], true
	}
	return named(name), text[end:], plain(strings.ReplaceAll(name, "*", "x"))
}
