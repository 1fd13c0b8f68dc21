package fault

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"touchstone/server/source"
)

// maxRules bounds a plan: every call is held against every rule.
const maxRules = 1000

// Parse reads a plan; name is what its mistakes are reported under. The error
// is a [source.Errors] with every mistake found.
func Parse(name string, text []byte) (*Plan, error) {
	file := source.NewFile(name, string(text))
	node, err := source.ParseYAML(file, text)
	if err != nil {
		return nil, err
	}
	r := &source.Reporter{File: file}
	plan := FromNode(r, node)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return plan, nil
}

// FromNode reads a plan that is part of another file. Mistakes go to r; with
// any of them the plan is not fit for use.
func FromNode(r *source.Reporter, n *source.Node) *Plan {
	plan := &Plan{file: r.File}
	if n.Kind != source.List {
		e := r.Errorf(n.Pos, "want a list of rules, got %s", n.Kind)
		e.Hint = "a rule is: - {match: {method: Service/Method}, inject: {status: UNAVAILABLE}}"
		return plan
	}
	if len(n.Items) > maxRules {
		r.Errorf(n.Pos, "%d rules, more than the limit of %d", len(n.Items), maxRules)
		return plan
	}
	for _, item := range n.Items {
		plan.Rules = append(plan.Rules, parseRule(r, item))
	}
	return plan
}

func parseRule(r *source.Reporter, n *source.Node) Rule {
	rule := Rule{Pos: n.Pos, words: map[string]source.Pos{}}
	m := r.Mapping(n)
	match, inject := m.Take("match"), m.Need("inject")
	m.Done()
	if match != nil {
		rule.Match = parseMatch(r, match)
	}
	if inject != nil {
		rule.Action = parseAction(r, inject)
	}
	for _, part := range []*source.Node{match, inject} {
		if part == nil {
			continue
		}
		for _, f := range part.Fields {
			rule.words[f.Key] = f.Pos
		}
	}
	return rule
}

func parseMatch(r *source.Reporter, n *source.Node) Match {
	m := r.Mapping(n)
	out := Match{
		Method:   parseMethod(r, m.Take("method")),
		Attempt:  parseRange(r, m.Take("attempt")),
		Call:     parseRange(r, m.Take("call")),
		Every:    atLeast(r, m.Take("every"), 1),
		Percent:  parsePercent(r, m.Take("percent")),
		Metadata: parsePairs(r, m.Take("metadata")),
	}
	m.Done()
	return out
}

// parseMethod reads a pattern of "Service/Method". A leading slash is that of
// the path on the wire, and dropped.
func parseMethod(r *source.Reporter, n *source.Node) string {
	if n == nil {
		return ""
	}
	text := strings.TrimPrefix(r.Str(n), "/")
	odd := strings.ContainsFunc(text, func(c rune) bool {
		return c != '.' && c != '_' && c != '*' && c != '/' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
	service, method, ok := strings.Cut(text, "/")
	if text == "*" || ok && !odd && service != "" && method != "" && !strings.Contains(method, "/") {
		return text
	}
	if n.Kind == source.String {
		e := r.Errorf(n.Pos, "%q is not a method", n.Text)
		e.Hint = `write "Service/Method", such as Detect/detect, Detect/* or *`
	}
	return ""
}

// parseRange reads 3, "3", "1-2" or "4-".
func parseRange(r *source.Reporter, n *source.Node) Range {
	if n == nil {
		return Range{}
	}
	low, high, isRange := strings.Cut(n.Text, "-")
	if n.Kind != source.Int && n.Kind != source.String {
		low = "" // reported below
	}
	from, err := strconv.ParseUint(low, 10, 31)
	out := Range{From: int(from), To: int(from)}
	if isRange {
		out.To = 0
	}
	if isRange && high != "" && err == nil {
		var to uint64
		to, err = strconv.ParseUint(high, 10, 31)
		out.To = int(to)
		if to < from {
			err = strconv.ErrRange
		}
	}
	if err != nil || from == 0 {
		e := r.Errorf(n.Pos, "want a range of ordinals, got %s", n.JSON())
		e.Hint = `ordinals count from 1: write 3, 1-2 or "4-"`
		return Range{}
	}
	return out
}

// atLeast reads an integer that is not below low.
func atLeast(r *source.Reporter, n *source.Node, low int) int {
	return r.Int(n, low, 1<<31-1)
}

func parsePercent(r *source.Reporter, n *source.Node) float64 {
	v := r.Float(n)
	if n != nil && (n.Kind == source.Int || n.Kind == source.Float) && (v <= 0 || v > 100) {
		r.Errorf(n.Pos, "%s is not above 0 and up to 100", n.Text)
	}
	return v
}

// parsePairs reads a mapping of metadata keys to one value each.
func parsePairs(r *source.Reporter, n *source.Node) map[string]string {
	if n == nil {
		return nil
	}
	r.Mapping(n) // reports what is no mapping
	out := map[string]string{}
	for _, f := range n.Fields {
		checkKey(r, f)
		out[f.Key] = r.Scalar(f.Value)
		checkValue(r, f.Value)
	}
	return out
}

// checkKey reports keys that no metadata can have, and those that gRPC keeps
// for itself.
func checkKey(r *source.Reporter, f source.Field) {
	odd := strings.ContainsFunc(f.Key, func(c rune) bool {
		return c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
	if odd || f.Key == "" {
		e := r.Errorf(f.Pos, "%q is not a metadata key", f.Key)
		e.Hint = "keys are lower-case letters, digits and - _ ."
	}
}

// checkValue reports values that no metadata can have.
func checkValue(r *source.Reporter, n *source.Node) {
	if strings.ContainsFunc(n.Text, func(c rune) bool { return c < ' ' || c > '~' }) {
		r.Errorf(n.Pos, "%q is not a metadata value: printable ASCII only", n.Text)
	}
}

// text reads a string that can travel as UTF-8.
func text(r *source.Reporter, n *source.Node) string {
	s := r.Str(n)
	if !utf8.ValidString(s) {
		r.Errorf(n.Pos, "%q is not valid UTF-8", s)
		return ""
	}
	return s
}

// oneOf reads one of a few words.
func oneOf(r *source.Reporter, n *source.Node, what string, words []string) string {
	s := r.Str(n)
	if n == nil || n.Kind != source.String || slices.Contains(words, s) {
		return s
	}
	e := r.Errorf(n.Pos, "unknown %s %q", what, s)
	if e.Hint = source.DidYouMean(s, words); e.Hint == "" {
		e.Hint = "one of " + strings.Join(words, ", ")
	}
	return ""
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
