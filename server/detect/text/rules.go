package text

import (
	_ "embed"
	"regexp"

	"touchstone/server/detect/verdict"
	"touchstone/server/source"
)

// Rules is a rule file that has been read and checked. It is immutable, and
// any number of judges can be made from it.
type Rules struct {
	review, block float64
	labels        []label
	rules         []rule
	allows        []allow
	flood         *flood // nil: repetition is not judged
	phrases       []phrase
	patterns      []pattern
	folder        *folder
}

// label is a category of the rule file.
type label struct {
	name       string
	suggestion verdict.Suggestion // the most severe that the label leads to
	weight     float64            // of its rules, unless they have their own
	aggravates float64            // how much it adds to other labels, 0 to 1
}

// rule is one named reason for a verdict.
type rule struct {
	name   string
	label  int
	weight float64
}

// allow is a list of phrases that excuse hits of some rules.
type allow struct {
	excuses []bool // by rule
	reach   int32  // how far away, in folded characters, a phrase may stand; 0: it overlaps the hit
	longest int32  // letters of the longest phrase, at the widest
}

// flood holds what counts as repetition. A zero turns that kind off.
type flood struct {
	run    int // the same character so often
	phrase int // the same 2 to 32 characters so often, back to back
	line   int // the same line so often
	rule   int // index of the first of the three rules
}

// phrase is a keyword with its purpose. Exactly one of rule, allow and head is
// not -1.
type phrase struct {
	keyword
	rule  int // evidence for the rule
	allow int // an excuse of the list
	head  int // what the pattern's match has to follow
}

// pattern is a regular expression of a rule, matched against folded text.
type pattern struct {
	rule   int
	re     *regexp.Regexp
	check  func(digits string) bool // nil: none
	headed bool                     // matched only behind a head phrase
	needs  needs
}

//go:embed rules.yaml
var defaultRules []byte

// DefaultRules returns the rules that are built in: rules.yaml in this folder.
func DefaultRules() *Rules {
	rules, err := ParseRules("rules.yaml", defaultRules)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return rules
}

// Labels returns the names of the labels in the order of the file, without
// "normal".
func (r *Rules) Labels() []string {
	names := make([]string, len(r.labels))
	for i, l := range r.labels {
		names[i] = l.name
	}
	return names
}

// ParseRules reads a rule file; the package comment describes it. The name is
// the one that mistakes are reported under. The error is a [source.Errors] with
// every mistake of the file.
func ParseRules(name string, data []byte) (*Rules, error) {
	return parseRules(newFolder(), name, data)
}

func parseRules(f *folder, name string, data []byte) (*Rules, error) {
	file := source.NewFile(name, string(data))
	node, err := source.ParseYAML(file, data)
	if err != nil {
		return nil, err
	}
	p := &ruleParser{
		Reporter: &source.Reporter{File: file},
		rules:    &Rules{folder: f},
		labels:   map[string]int{},
		names:    map[string]source.Pos{},
	}
	p.file(node)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return p.rules, nil
}
