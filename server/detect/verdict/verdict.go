// Package verdict holds the outcome of judging one item: a text, an image, a
// page. Every detector answers with it.
package verdict

import "cmp"

// Suggestion is what a detector advises. The order is that of severity.
type Suggestion string

// The three suggestions.
const (
	Pass   Suggestion = "pass"
	Review Suggestion = "review"
	Block  Suggestion = "block"
)

// severity orders suggestions.
var severity = map[Suggestion]int{Pass: 0, Review: 1, Block: 2}

// Worse compares two suggestions: positive when s is more severe than t.
func (s Suggestion) Worse(t Suggestion) int { return cmp.Compare(severity[s], severity[t]) }

// Span is the half-open range [Start, End) of a hit in the original text,
// counted in Unicode code points, as a Python client slices a string.
type Span [2]int

// Hit is one reason for a verdict.
type Hit struct {
	Rule string `json:"rule"` // the name of the rule that matched
	Span Span   `json:"span"` // [0, 0] where the hit has no place in a text
	Text string `json:"text"` // the original text of the span, or what was found (a link, a hash)
}

// Verdict is the outcome for one item.
type Verdict struct {
	Suggestion Suggestion `json:"suggestion"`
	Label      string     `json:"label"` // the category that decided, "normal" when nothing did
	Score      float64    `json:"score"` // in [0, 1], rounded to 4 decimals
	Hits       []Hit      `json:"hits"`  // never nil; in order of span, then rule
}

// Normal is the verdict on an item that nothing speaks against.
func Normal() Verdict {
	return Verdict{Suggestion: Pass, Label: "normal", Hits: []Hit{}}
}

// Worst returns the more severe of two verdicts, a when they are equal: first
// by suggestion, then by score. The hits are those of the verdict returned.
func Worst(a, b Verdict) Verdict {
	if cmp.Or(b.Suggestion.Worse(a.Suggestion), cmp.Compare(b.Score, a.Score)) > 0 {
		return b
	}
	return a
}
