package text

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"touchstone/server/source"
)

// checks are the conditions that a pattern can put on the digits of a match.
func checks() map[string]func(digits string) bool {
	return map[string]func(string) bool{"luhn": luhn, "resident-id": residentID}
}

// luhn reports whether the last digit is the check digit of the others (ISO/IEC
// 7812-1, annex B): every second digit from the right is doubled, and the sum
// of all digits has to be a multiple of ten.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return len(digits) > 1 && sum%10 == 0
}

// residentID reports whether the 17 digits in front fit the check character, a
// digit or x, of a Chinese resident number (GB 11643-1999: ISO 7064 MOD 11-2).
func residentID(number string) bool {
	if len(number) != 18 {
		return false
	}
	rest := 0
	for i := range 17 {
		rest = (rest + int(number[i]-'0')) * 2 % 11
	}
	return number[17] == "10x98765432"[rest]
}

// pattern reads one pattern: a regular expression, or a mapping with more.
func (p *ruleParser) pattern(n *source.Node, rule int) {
	index := len(p.rules.patterns)
	pat := pattern{rule: rule}
	expr := n
	if n.Kind != source.String {
		m := p.Mapping(n)
		expr = m.Need("regexp")
		pat.check = p.check(m.Take("check"))
		if after := m.Take("after"); after != nil {
			pat.headed = true
			p.phraseList(after, phrase{rule: -1, allow: -1, head: index})
		}
		m.Done()
	}
	if expr == nil || expr.Kind != source.String {
		p.Str(expr)
		return
	}
	p.compile(expr, &pat)
	p.rules.patterns = append(p.rules.patterns, pat)
}

func (p *ruleParser) check(n *source.Node) func(string) bool {
	name := p.Str(n)
	check, ok := checks()[name]
	if n != nil && n.Kind == source.String && !ok {
		e := p.Errorf(n.Pos, "unknown check %q", name)
		e.Hint = source.DidYouMean(name, slices.Sorted(maps.Keys(checks())))
	}
	return check
}

// compile compiles an expression, and refuses those that match nothing at all,
// or that folded text cannot match.
func (p *ruleParser) compile(n *source.Node, pat *pattern) {
	expr := n.Text
	if pat.headed {
		expr = `^(?:` + expr + `)`
	}
	tree, err := syntax.Parse(n.Text, syntax.Perl)
	if err != nil {
		e := p.Errorf(n.Pos, "%v", err)
		e.Hint = "patterns are in RE2 syntax: https://github.com/google/re2/wiki/Syntax"
		return
	}
	re, err := regexp.Compile(expr)
	switch {
	case err != nil:
		p.Errorf(n.Pos, "%v", err)
	case re.MatchString(""):
		p.Errorf(n.Pos, "the pattern %q matches the empty text", n.Text)
	default:
		p.checkFolded(n, tree)
		pat.re, pat.needs = re, needsOf(tree, p.rules.folder)
	}
}

// checkFolded reports a literal that folded text never has, such as one in
// upper case.
func (p *ruleParser) checkFolded(n *source.Node, tree *syntax.Regexp) {
	if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		text := string(tree.Rune)
		if folded := foldString(p.rules.folder, text); folded != text {
			e := p.Errorf(n.Pos, "%q never occurs in folded text", text)
			e.Hint = "write " + folded
		}
	}
	for _, sub := range tree.Sub {
		p.checkFolded(n, sub)
	}
}

func foldString(f *folder, s string) string {
	var b strings.Builder
	for _, l := range f.fold(nil, s) {
		b.WriteRune(l.r)
	}
	return b.String()
}

// needs is what every match of an expression contains. Judging a text starts
// with a scan for the needs of all patterns, so that the expressions run on few
// texts. It may ask for less than the expression does, never for more.
type needs struct {
	digits   int      // ASCII digits
	numerals int      // ASCII digits or Chinese numerals
	width    int      // letters that these stand within
	anyOf    []string // one of these; empty: no condition
}

// numbers reports whether the numbers of a text, given by the places of its
// digits and of its numerals, can make a match.
func (n *needs) numbers(digits, numerals []int32) bool {
	return within(digits, n.digits, n.width) && within(numerals, n.numerals, n.width)
}

// within reports whether any n of the places, which are sorted, stand within
// width letters.
func within(places []int32, n, width int) bool {
	if n == 0 {
		return true
	}
	for i := n - 1; i < len(places); i++ {
		if int(places[i]-places[i-n+1]) < width {
			return true
		}
	}
	return false
}

// minLiteral is the length, in bytes, below which a literal is too frequent to
// tell texts apart. A Han character has three.
const minLiteral = 2

func needsOf(re *syntax.Regexp, f *folder) needs {
	re = re.Simplify()
	n := needs{
		digits:   fewest(re, isDigit),
		numerals: fewest(re, isNumeral),
		width:    longest(re),
		anyOf:    literals(re, f),
	}
	if slices.ContainsFunc(n.anyOf, func(s string) bool { return len(s) < minLiteral && !rare(s) }) {
		n.anyOf = nil
	}
	return n
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// isNumeral reports digits and the Han characters that numbers are written
// with.
func isNumeral(r rune) bool {
	switch r {
	case '零', '〇', '一', '二', '两', '三', '四', '五', '六', '七', '八', '九', '十', '百', '幺',
		'壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖', '拾':
		return true
	}
	return isDigit(r)
}

// rare reports whether a single character is worth looking for.
func rare(s string) bool { return strings.ContainsAny(s, "+@/[]_#") }

// fewest returns a lower bound for how many characters of a kind are in every
// match of the expression, which has to be simplified.
func fewest(re *syntax.Regexp, kind func(rune) bool) int {
	switch re.Op {
	case syntax.OpLiteral:
		n := 0
		for _, r := range re.Rune {
			if kind(r) {
				n++
			}
		}
		return n
	case syntax.OpCharClass:
		if classWithin(re.Rune, kind) {
			return 1
		}
	case syntax.OpCapture, syntax.OpPlus:
		return fewest(re.Sub[0], kind)
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += fewest(sub, kind)
		}
		return n
	case syntax.OpAlternate:
		n := fewest(re.Sub[0], kind)
		for _, sub := range re.Sub[1:] {
			n = min(n, fewest(sub, kind))
		}
		return n
	}
	return 0
}

// unbounded is the length of a match that can be of any length.
const unbounded = 1 << 20

// longest returns an upper bound for the letters of a match of the expression,
// which has to be simplified.
func longest(re *syntax.Regexp) int {
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		n = 1
	case syntax.OpStar, syntax.OpPlus:
		n = unbounded
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n = max(n, longest(sub))
		}
	default: // concatenations, groups, options; anchors have no parts
		for _, sub := range re.Sub {
			n += longest(sub)
		}
	}
	return min(n, unbounded)
}

// classWithin reports whether a class, given as pairs of bounds, has characters
// of the kind only. Large classes are taken as having others.
func classWithin(bounds []rune, kind func(rune) bool) bool {
	for i := 0; i+1 < len(bounds); i += 2 {
		if bounds[i+1]-bounds[i] > 32 {
			return false
		}
		for r := bounds[i]; r <= bounds[i+1]; r++ {
			if !kind(r) {
				return false
			}
		}
	}
	return len(bounds) > 0
}

// literals returns texts of which every match contains at least one, nil when
// there is no such list. The best list is the one whose shortest text is
// longest.
func literals(re *syntax.Regexp, f *folder) []string {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 {
			text = foldString(f, text) // the form it has in folded text
		}
		return []string{text}
	case syntax.OpCharClass:
		return smallClass(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return literals(re.Sub[0], f)
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if list := literals(sub, f); shortest(list) > shortest(best) {
				best = list
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			list := literals(sub, f)
			if list == nil {
				return nil
			}
			all = append(all, list...)
		}
		return all
	}
	return nil
}

// smallClass returns the characters of a class with few of them.
func smallClass(bounds []rune) []string {
	var out []string
	for i := 0; i+1 < len(bounds); i += 2 {
		for r := bounds[i]; r <= bounds[i+1]; r++ {
			if out = append(out, string(r)); len(out) > 4 {
				return nil
			}
		}
	}
	return out
}

func shortest(list []string) int {
	if len(list) == 0 {
		return 0
	}
	return len(slices.MinFunc(list, func(a, b string) int { return len(a) - len(b) }))
}
