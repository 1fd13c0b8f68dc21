package text

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"touchstone/server/detect/verdict"
)

// Limits on a verdict.
const (
	maxHits     = 100 // listed; the score counts what is not listed too
	maxEvidence = 4   // different phrases of one rule that count
	tailLetters = 100 // how far behind its head a pattern looks
	maxKept     = 1 << 16
)

// Judge judges texts by one set of rules. It is safe for concurrent use, and
// gives equal texts equal verdicts.
type Judge struct {
	rules   *Rules
	words   *automaton // of the phrases, on tight text
	needles *automaton // of what patterns need, on letters
	owners  []int32    // by needle: its pattern
	pool    sync.Pool  // of *reading
}

// New builds the automata of the rules. That takes some milliseconds: make one
// judge and keep it.
func New(rules *Rules) *Judge {
	j := &Judge{rules: rules}
	words := make([][]rune, len(rules.phrases))
	for i, ph := range rules.phrases {
		for _, s := range ph.signs {
			words[i] = append(words[i], s.r)
		}
	}
	var needles [][]rune
	for i, pat := range rules.patterns {
		for _, literal := range pat.needs.anyOf {
			if !pat.headed {
				needles = append(needles, []rune(literal))
				j.owners = append(j.owners, int32(i))
			}
		}
	}
	j.words, j.needles = newAutomaton(words), newAutomaton(needles)
	j.pool.New = func() any { return newReading(rules) }
	return j
}

// match is evidence for a rule in the letters [start, end).
type match struct {
	start, end int32
	rule       int32
	phrase     int32 // which phrase, pattern or kind of repetition it was
}

// reading is the state of judging one text, kept for the next one.
type reading struct {
	letters  []letter
	signs    []sign
	matches  []match
	pardons  [][]match // by allow list
	digits   []int32   // letters that are digits
	numerals []int32   // letters that are digits or Chinese numerals
	wanted   []bool    // by pattern: all its needs are in the text
	seen     []bool    // by phrase
	evidence []int     // by rule: phrases counted
	last     []int32   // by rule: end of its last match
	missing  []float64 // by label: product of (1 - weight)
}

func newReading(rules *Rules) *reading {
	return &reading{
		pardons:  make([][]match, len(rules.allows)),
		wanted:   make([]bool, len(rules.patterns)),
		seen:     make([]bool, len(rules.phrases)+len(rules.patterns)+3),
		evidence: make([]int, len(rules.rules)),
		last:     make([]int32, len(rules.rules)),
		missing:  make([]float64, len(rules.labels)),
	}
}

// Judge returns the verdict on s. Spans count the code points of s.
func (j *Judge) Judge(s string) verdict.Verdict {
	rd := j.pool.Get().(*reading)
	rd.matches = rd.matches[:0]
	for i := range rd.pardons {
		rd.pardons[i] = rd.pardons[i][:0]
	}
	rd.letters = j.rules.folder.fold(rd.letters[:0], s)
	j.findPhrases(rd)
	j.findPatterns(rd)
	j.findRepetition(rd)

	v := verdict.Normal()
	if len(rd.matches) > 0 {
		j.excuse(rd)
		order(rd)
		v = j.decide(rd)
		v.Hits = j.hits(rd, s)
	}
	if cap(rd.letters) <= maxKept { // a rare huge text is not held in memory
		j.pool.Put(rd)
	}
	return v
}

// findPhrases collects the matches of keywords, the phrases of allow lists, and
// the matches of patterns that follow a phrase.
func (j *Judge) findPhrases(rd *reading) {
	var mixed bool
	rd.signs, mixed = tighten(rd.signs[:0], rd.letters)
	j.scanWords(rd)
	if mixed {
		spell(rd.signs)
		j.scanWords(rd)
	}
}

func (j *Judge) scanWords(rd *reading) {
	state := int32(0)
	for i, s := range rd.signs {
		state = j.words.step(state, s.r)
		if state == 0 {
			continue
		}
		for _, id := range j.words.found(state) {
			ph := &j.rules.phrases[id]
			if first := i + 1 - len(ph.signs); ph.fits(rd.signs, first) {
				m := match{start: rd.signs[first].at, end: s.at + 1, rule: int32(ph.rule), phrase: id}
				j.found(rd, ph, m)
			}
		}
	}
}

// found files a phrase by its purpose.
func (j *Judge) found(rd *reading, ph *phrase, m match) {
	switch {
	case ph.allow >= 0:
		rd.pardons[ph.allow] = append(rd.pardons[ph.allow], m)
	case ph.head >= 0:
		j.followHead(rd, ph.head, m)
	default:
		rd.matches = append(rd.matches, m)
	}
}

// followHead matches a pattern right behind its head phrase.
func (j *Judge) followHead(rd *reading, index int, head match) {
	pat := &j.rules.patterns[index]
	tail := rd.letters[head.end:min(int(head.end)+tailLetters, len(rd.letters))]
	text := spellLetters(tail)
	if span := pat.find(text, pat.re.FindStringSubmatchIndex(text)); span != nil {
		head.end += int32(runesIn(text[:span[1]]))
		j.add(rd, index, head)
	}
}

// findPatterns runs those expressions whose needs the text meets.
func (j *Judge) findPatterns(rd *reading) {
	if !j.meetNeeds(rd) {
		return
	}
	text := spellLetters(rd.letters)
	for i := range j.rules.patterns {
		pat := &j.rules.patterns[i]
		if !rd.wanted[i] || pat.headed {
			continue
		}
		at, letter := 0, 0 // a byte of text, and the index of its letter
		for _, groups := range pat.re.FindAllStringSubmatchIndex(text, -1) {
			if span := pat.find(text, groups); span != nil {
				letter += runesIn(text[at:span[0]])
				at = span[0]
				end := letter + runesIn(text[span[0]:span[1]])
				j.add(rd, i, match{start: int32(letter), end: int32(end)})
			}
		}
	}
}

// meetNeeds marks the patterns whose needs the text meets, and reports whether
// there are any.
func (j *Judge) meetNeeds(rd *reading) (any bool) {
	clear(rd.wanted)
	rd.digits, rd.numerals = rd.digits[:0], rd.numerals[:0]
	state := int32(0)
	for i, l := range rd.letters {
		if l.class == digit {
			rd.digits = append(rd.digits, int32(i))
		}
		if l.class >= digit && isNumeral(l.r) {
			rd.numerals = append(rd.numerals, int32(i))
		}
		if state = j.needles.step(state, l.r); state != 0 {
			for _, id := range j.needles.found(state) {
				rd.wanted[j.owners[id]] = true
			}
		}
	}
	for i := range j.rules.patterns {
		pat := &j.rules.patterns[i]
		literal := rd.wanted[i] || len(pat.needs.anyOf) == 0
		rd.wanted[i] = literal && !pat.headed && pat.needs.numbers(rd.digits, rd.numerals)
		any = any || rd.wanted[i]
	}
	return any
}

// find returns the span that counts of one match: the first group, if it took
// part, else the whole. It is nil if there is no match, or the check says no.
func (p *pattern) find(text string, groups []int) []int {
	if groups == nil {
		return nil
	}
	span := groups[:2]
	if len(groups) >= 4 && groups[2] >= 0 {
		span = groups[2:4]
	}
	if p.check != nil && !p.check(digitsOf(text[span[0]:span[1]])) {
		return nil
	}
	return span
}

// add records the match of a pattern, unless it cuts a word or number in two.
func (j *Judge) add(rd *reading, index int, m match) {
	if m.start < m.end && !splits(rd.letters, int(m.start)) && !splits(rd.letters, int(m.end)) {
		m.rule, m.phrase = int32(j.rules.patterns[index].rule), int32(len(j.rules.phrases)+index)
		rd.matches = append(rd.matches, m)
	}
}

// splits reports whether the place before letter i is inside a word or number.
func splits(letters []letter, i int) bool {
	return i > 0 && i < len(letters) && letters[i].class == letters[i-1].class &&
		(letters[i].class == word || letters[i].class == digit)
}

// excuse drops the matches that have a phrase of an allow list near.
func (j *Judge) excuse(rd *reading) {
	for i, pardons := range rd.pardons {
		if len(pardons) == 0 {
			continue
		}
		slices.SortFunc(pardons, func(a, b match) int { return cmp.Compare(a.start, b.start) })
		a := &j.rules.allows[i]
		rd.matches = slices.DeleteFunc(rd.matches, func(m match) bool {
			return a.excuses[m.rule] && a.near(pardons, m)
		})
	}
}

// near reports whether one of the pardons, sorted by start, is in reach of m.
func (a *allow) near(pardons []match, m match) bool {
	low, high := m.start-a.reach, m.end+a.reach
	i, _ := slices.BinarySearchFunc(pardons, low-a.longest, func(p match, start int32) int {
		return cmp.Compare(p.start, start)
	})
	for ; i < len(pardons) && pardons[i].start < high; i++ {
		if pardons[i].end > low {
			return true
		}
	}
	return false
}

// order sorts the matches by place, and of those of one rule that overlap
// keeps the leftmost, then longest.
func order(rd *reading) {
	slices.SortFunc(rd.matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.rule, b.rule), cmp.Compare(a.phrase, b.phrase))
	})
	clear(rd.last)
	rd.matches = slices.DeleteFunc(rd.matches, func(m match) bool {
		if m.start < rd.last[m.rule] {
			return true
		}
		rd.last[m.rule] = m.end
		return false
	})
}

// decide combines the evidence; the package comment has the formula.
func (j *Judge) decide(rd *reading) verdict.Verdict {
	j.weigh(rd)
	v := verdict.Normal()
	for i, l := range j.rules.labels {
		score := math.Round((1-rd.missing[i])*1e4) / 1e4
		c := verdict.Verdict{Suggestion: j.suggest(l, score), Label: l.name, Score: score}
		if c.Suggestion == verdict.Pass {
			c.Label = v.Label // "normal": passing labels come to nothing but a score
		}
		v = verdict.Worst(v, c)
	}
	return v
}

// weigh multiplies what speaks against each label.
func (j *Judge) weigh(rd *reading) {
	clear(rd.seen)
	clear(rd.evidence)
	for i := range rd.missing {
		rd.missing[i] = 1
	}
	for _, m := range rd.matches {
		if rd.seen[m.phrase] || rd.evidence[m.rule] == maxEvidence {
			continue
		}
		rd.seen[m.phrase] = true
		rd.evidence[m.rule]++
		r := j.rules.rules[m.rule]
		rd.missing[r.label] *= 1 - r.weight
	}
	for i, aggravating := range j.rules.labels {
		if aggravating.aggravates == 0 || rd.missing[i] == 1 {
			continue
		}
		for k, l := range j.rules.labels {
			if l.aggravates == 0 && rd.missing[k] < 1 {
				rd.missing[k] *= 1 - float64(aggravating.aggravates*(1-rd.missing[i]))
			}
		}
	}
}

// suggest turns a label's score into a suggestion.
func (j *Judge) suggest(l label, score float64) verdict.Suggestion {
	switch {
	case score >= j.rules.block:
		return l.suggestion
	case score >= j.rules.review:
		return verdict.Review
	}
	return verdict.Pass
}

// hits lists the matches with their places in the original.
func (j *Judge) hits(rd *reading, s string) []verdict.Hit {
	hits := []verdict.Hit{}
	c := cursor{text: s}
	for _, m := range rd.matches[:min(len(rd.matches), maxHits)] {
		start, end := int(rd.letters[m.start].start), int(rd.letters[m.end-1].end)
		hits = append(hits, verdict.Hit{
			Rule: j.rules.rules[m.rule].name,
			Span: verdict.Span{start, end},
			Text: c.slice(start, end),
		})
	}
	slices.SortStableFunc(hits, func(a, b verdict.Hit) int {
		return cmp.Or(slices.Compare(a.Span[:], b.Span[:]), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.Compact(hits)
}
