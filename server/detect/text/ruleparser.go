package text

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"touchstone/server/detect/verdict"
	"touchstone/server/source"
)

// ruleParser reads a rule file into rules.
type ruleParser struct {
	*source.Reporter
	rules  *Rules
	labels map[string]int        // index by name
	names  map[string]source.Pos // of rules and allow lists: where they stand
}

// maxPhrases and maxPatterns bound what a file can make a judge cost.
const (
	maxPhrases     = 200_000
	maxPatterns    = 1000
	maxPhraseRunes = 64
)

func (p *ruleParser) file(node *source.Node) {
	m := p.Mapping(node)
	if version := m.Need("version"); version != nil {
		p.Int(version, 1, 1)
	}
	p.thresholds(m.Take("thresholds"))
	p.labelTable(m.Need("labels"))
	for _, n := range p.items(m.Need("rules")) {
		p.rule(n)
	}
	for _, n := range p.items(m.Take("allow")) {
		p.allow(n)
	}
	p.repetition(m.Take("repetition"))
	m.Done()
	if len(p.rules.phrases) > maxPhrases {
		p.Errorf(node.Pos, "%d phrases, more than the limit of %d", len(p.rules.phrases), maxPhrases)
	}
	if len(p.rules.patterns) > maxPatterns {
		p.Errorf(node.Pos, "%d patterns, more than the limit of %d", len(p.rules.patterns), maxPatterns)
	}
	p.growExcuses()
}

// items reads a list, strictly: a single value does not stand for one.
func (p *ruleParser) items(n *source.Node) []*source.Node {
	if n != nil && n.Kind != source.List {
		p.Errorf(n.Pos, "want a list, got %s", n.Kind)
		return nil
	}
	return p.List(n)
}

func (p *ruleParser) thresholds(n *source.Node) {
	p.rules.review, p.rules.block = 0.5, 0.8
	if n == nil {
		return
	}
	m := p.Mapping(n)
	p.fraction(m.Take("review"), &p.rules.review)
	p.fraction(m.Take("block"), &p.rules.block)
	m.Done()
	if p.rules.review > p.rules.block {
		p.Errorf(n.Pos, "the review threshold %g is above the block threshold %g", p.rules.review, p.rules.block)
	}
}

// fraction reads a number in (0, 1] into v; an absent one leaves it alone.
func (p *ruleParser) fraction(n *source.Node, v *float64) {
	if n == nil {
		return
	}
	*v = p.Float(n)
	if isNumber := n.Kind == source.Int || n.Kind == source.Float; isNumber && (*v <= 0 || *v > 1) {
		p.Errorf(n.Pos, "%s is not above 0 and at most 1", n.Text)
	}
}

func (p *ruleParser) labelTable(n *source.Node) {
	if n == nil {
		return
	}
	p.Mapping(n) // reports another kind
	for _, f := range n.Fields {
		l := label{name: f.Key, suggestion: verdict.Block, weight: 0.5}
		p.checkName(f.Key, f.Pos)
		if f.Key == verdict.Normal().Label {
			p.Errorf(f.Pos, "label %q is what a text has when no rule speaks against it", f.Key)
		}
		m := p.Mapping(f.Value)
		if s := m.Need("suggestion"); s != nil {
			l.suggestion = p.suggestion(s)
		}
		p.fraction(m.Take("weight"), &l.weight)
		p.fraction(m.Take("aggravates"), &l.aggravates)
		m.Done()
		p.labels[f.Key] = len(p.rules.labels)
		p.rules.labels = append(p.rules.labels, l)
	}
}

func (p *ruleParser) suggestion(n *source.Node) verdict.Suggestion {
	s := verdict.Suggestion(p.Str(n))
	known := []string{string(verdict.Review), string(verdict.Block)}
	if n.Kind == source.String && !slices.Contains(known, n.Text) {
		e := p.Errorf(n.Pos, "unknown suggestion %q", n.Text)
		e.Hint = "a label leads to review or block"
	}
	return s
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9/_-]{0,63}$`)

func (p *ruleParser) checkName(name string, pos source.Pos) {
	if !namePattern.MatchString(name) {
		e := p.Errorf(pos, "name %q is not readable", name)
		e.Hint = "use at most 64 small letters, digits, '/', '_' and '-'"
	}
}

// claim reads a name that no other rule or list may have.
func (p *ruleParser) claim(n *source.Node) string {
	if n == nil || n.Kind != source.String {
		return p.Str(n)
	}
	p.checkName(n.Text, n.Pos)
	if first, taken := p.names[n.Text]; taken {
		e := p.Errorf(n.Pos, "name %q is taken", n.Text)
		e.Hint = fmt.Sprintf("it was given in line %d", first.Line)
	}
	p.names[n.Text] = n.Pos
	return n.Text
}

func (p *ruleParser) rule(n *source.Node) {
	m := p.Mapping(n)
	r := rule{name: p.claim(m.Need("name")), label: -1, weight: 0.5}
	if l := m.Need("label"); l != nil {
		r.label = p.label(l)
	}
	if r.label >= 0 {
		r.weight = p.rules.labels[r.label].weight
	}
	p.fraction(m.Take("weight"), &r.weight)
	index := len(p.rules.rules)
	p.rules.rules = append(p.rules.rules, r)
	keywords, patterns := m.Take("keywords"), m.Take("patterns")
	m.Done()
	if len(p.List(keywords))+len(p.List(patterns)) == 0 && n.Kind == source.Object {
		p.Errorf(n.Pos, "rule %q has neither keywords nor patterns", r.name)
	}
	p.phraseList(keywords, phrase{rule: index, allow: -1, head: -1})
	for _, item := range p.items(patterns) {
		p.pattern(item, index)
	}
}

func (p *ruleParser) label(n *source.Node) int {
	name := p.Str(n)
	index, ok := p.labels[name]
	if !ok {
		if n.Kind == source.String {
			e := p.Errorf(n.Pos, "unknown label %q", name)
			e.Hint = source.DidYouMean(name, slices.Sorted(maps.Keys(p.labels)))
		}
		return -1
	}
	return index
}

// phraseList reads keywords, each a copy of the purpose like.
func (p *ruleParser) phraseList(n *source.Node, like phrase) {
	seen := map[string]int{}
	for _, item := range p.items(n) {
		text := p.Str(item)
		if item.Kind != source.String {
			continue
		}
		like.keyword = p.keyword(item, text)
		if len(like.signs) == 0 {
			continue
		}
		folded := spelling(like.signs)
		if first, twice := seen[folded]; twice {
			e := p.Errorf(item.Pos, "%q is the same keyword as the one in line %d", text, first)
			e.Hint = "case, width, accents, separators and look-alikes are folded already"
			continue
		}
		seen[folded] = item.Pos.Line
		p.rules.phrases = append(p.rules.phrases, like)
	}
}

// keyword reads a phrase into tight form; no signs when it is unusable.
func (p *ruleParser) keyword(n *source.Node, text string) keyword {
	k := keyword{}
	text, k.openStart = strings.CutPrefix(text, "*")
	text, k.openEnd = strings.CutSuffix(text, "*")
	signs, _ := tighten(nil, p.rules.folder.fold(nil, text))
	switch {
	case len(signs) == 0:
		p.Errorf(n.Pos, "keyword %q has no letter or digit", n.Text)
	case len(signs) == 1:
		e := p.Errorf(n.Pos, "keyword %q is a single character, which is in every other text", n.Text)
		e.Hint = "write a pattern"
	case len(signs) > maxPhraseRunes:
		p.Errorf(n.Pos, "a keyword of %d characters, more than the limit of %d", len(signs), maxPhraseRunes)
	default:
		signs[0].gap = closed
		k.signs = signs
	}
	return k
}

// spelling returns the characters of signs, a space where there is a gap.
func spelling(signs []sign) string {
	var b strings.Builder
	for _, s := range signs {
		if s.gap != closed {
			b.WriteByte(' ')
		}
		b.WriteRune(s.r)
	}
	return b.String()
}

func (p *ruleParser) allow(n *source.Node) {
	m := p.Mapping(n)
	p.claim(m.Need("name"))
	phrases, excuses := m.Need("phrases"), m.Need("excuses")
	a := allow{reach: int32(p.Int(m.Take("reach"), 0, 1000))}
	m.Done()
	a.excuses = p.excused(excuses)
	first := len(p.rules.phrases)
	p.phraseList(phrases, phrase{rule: -1, allow: len(p.rules.allows), head: -1})
	for _, ph := range p.rules.phrases[first:] {
		// Gaps widen a phrase, each by at most maxGap.
		a.longest = max(a.longest, int32(len(ph.signs)*(maxGap+1)))
	}
	p.rules.allows = append(p.rules.allows, a)
}

// excused reads names of labels and rules.
func (p *ruleParser) excused(n *source.Node) []bool {
	out := make([]bool, len(p.rules.rules))
	for _, item := range p.items(n) {
		name, found := p.Str(item), false
		for i, r := range p.rules.rules {
			if r.name == name || r.label >= 0 && p.rules.labels[r.label].name == name {
				out[i], found = true, true
			}
		}
		if _, isLabel := p.labels[name]; !found && !isLabel && item.Kind == source.String {
			e := p.Errorf(item.Pos, "no rule or label is called %q", name)
			e.Hint = source.DidYouMean(name, slices.Sorted(maps.Keys(p.names)))
		}
	}
	return out
}

// growExcuses makes room for the rules of the repetition block.
func (p *ruleParser) growExcuses() {
	for i := range p.rules.allows {
		excuses := make([]bool, len(p.rules.rules))
		copy(excuses, p.rules.allows[i].excuses)
		p.rules.allows[i].excuses = excuses
	}
}

func (p *ruleParser) repetition(n *source.Node) {
	if n == nil {
		return
	}
	m := p.Mapping(n)
	r := rule{label: -1, weight: 0.5}
	if l := m.Need("label"); l != nil {
		r.label = p.label(l)
	}
	if r.label >= 0 {
		r.weight = p.rules.labels[r.label].weight
	}
	p.fraction(m.Take("weight"), &r.weight)
	f := &flood{
		run:    p.times(m.Take("run")),
		phrase: p.times(m.Take("phrase")),
		line:   p.times(m.Take("line")),
		rule:   len(p.rules.rules),
	}
	m.Done()
	for _, kind := range []string{"run", "phrase", "line"} {
		r.name = "repetition/" + kind
		if first, taken := p.names[r.name]; taken {
			p.Errorf(first, "name %q is what repetition is reported under", r.name)
		}
		p.rules.rules = append(p.rules.rules, r)
	}
	p.rules.flood = f
}

// times reads how often something is repeated; 0 when it is not judged.
func (p *ruleParser) times(n *source.Node) int {
	if n == nil {
		return 0
	}
	return p.Int(n, 3, 10_000)
}
