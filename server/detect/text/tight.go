package text

// gap says what stood between a character and the one before it.
type gap uint8

// The gaps, by how much they part.
const (
	closed gap = iota // nothing: the characters touch
	dotted            // punctuation only
	spaced            // one space, perhaps punctuation too
	wide              // more white space
	lined             // the end of a line
	parted            // the end of a clause
	broken            // more separators than a word could hide
)

// gapOf is what one separator of a class makes.
var gapOf = [...]gap{soft: dotted, space: spaced, line: lined, hard: parted}

// maxGap is how many separators a gap inside a word may have.
const maxGap = 8

// sign is one character of the tight text: the text without separators.
// Keywords are matched against it, and gaps decide afterwards whether what was
// found reads as the keyword.
type sign struct {
	r     rune
	at    int32 // index of its letter
	gap   gap   // before it
	class class
}

// tighten appends the tight text of the letters to out. It reports whether a
// Latin word of the text has digits in it, so that a second reading by
// [spell] can differ.
func tighten(out []sign, letters []letter) (signs []sign, mixed bool) {
	for i := 0; i < len(letters); i++ {
		if g := closed; letters[i].class.separator() {
			i, g = skip(letters, i)
			if i == len(letters) {
				break
			}
			out = append(out, sign{r: letters[i].r, at: int32(i), gap: g, class: letters[i].class})
			continue
		}
		l := letters[i]
		if n := len(out); n > 0 && l.class != out[n-1].class && l.class != ideo && out[n-1].class != ideo {
			mixed = true
		}
		out = append(out, sign{r: l.r, at: int32(i), class: l.class})
	}
	return out, mixed
}

// skip returns the first letter from i on that is no separator, and the gap
// that the separators make.
func skip(letters []letter, i int) (int, gap) {
	first, g := i, closed
	for ; i < len(letters) && letters[i].class.separator(); i++ {
		g = max(g, gapOf[letters[i].class])
		if letters[i].class == space && i > first {
			g = max(g, afterSpace(letters[i-1]))
		}
	}
	if i-first > maxGap {
		g = broken
	}
	return i, g
}

// afterSpace is the gap that a space makes behind another separator.
func afterSpace(l letter) gap {
	switch {
	case l.r == '.':
		return parted // the end of a sentence
	case l.class == space:
		return wide
	}
	return spaced
}

// spell rewrites Latin words with digits in them as they are read: "c0ca1ne",
// "1d10t". Only a second reading does that, beside the plain one, since "pills
// 50mg" means the number.
func spell(signs []sign) {
	for i := 0; i < len(signs); {
		end, letters := i+1, latin(signs[i].r)
		for ; end < len(signs) && signs[end].gap == closed && signs[end].class != ideo; end++ {
			letters = letters || latin(signs[end].r)
		}
		for ; i < end; i++ {
			if sub := leet(signs[i].r); letters && sub != 0 {
				signs[i].r, signs[i].class = sub, word
			}
		}
	}
}

// leet returns the letter that a digit stands for, 0 for none.
func leet(r rune) rune {
	switch r {
	case '0':
		return 'o'
	case '1':
		return 'i'
	case '3':
		return 'e'
	case '4':
		return 'a'
	case '5':
		return 's'
	case '7':
		return 't'
	}
	return 0
}

func latin(r rune) bool { return 'a' <= r && r <= 'z' }

// keyword is a phrase of the rule file in tight form.
type keyword struct {
	signs []sign
	// openStart and openEnd are set by a "*": the keyword may start or end
	// inside a word.
	openStart, openEnd bool
}

// fits reports whether the signs [i, i+len(k.signs)), whose characters are the
// keyword's, read as the keyword: gaps where words can have them, and no word
// or number cut in two.
func (k *keyword) fits(signs []sign, i int) bool {
	n := len(k.signs)
	all := n >= 3 // a gap before every character but the first
	for m := 1; m < n && all; m++ {
		all = signs[i+m].gap != closed && signs[i+m].gap != broken
	}
	for m := 1; m < n && !all; m++ {
		if !k.joins(signs, i, m) {
			return false
		}
	}
	return (k.openStart || !cuts(signs, i, all)) && (k.openEnd || !cuts(signs, i+n, all))
}

// joins reports whether the gap before character m is one that the keyword
// allows: punctuation anywhere, white space where a script without spaces is on
// one side, and where the keyword has a space of its own, a line end too.
func (k *keyword) joins(signs []sign, i, m int) bool {
	limit := dotted
	switch {
	case k.signs[m].gap != closed:
		limit = lined
	case signs[i+m].class == ideo || signs[i+m-1].class == ideo:
		limit = wide
	}
	return signs[i+m].gap <= limit
}

// cuts reports whether the place before sign i lies inside a word or a number.
// In a word that is spaced out, letters that stand alone on both sides belong
// together: "a s s e t" does not hold the shorter word.
func cuts(signs []sign, i int, spacedOut bool) bool {
	if i <= 0 || i >= len(signs) || signs[i].class != signs[i-1].class || signs[i].class == ideo {
		return false
	}
	if signs[i].gap == closed {
		return true
	}
	return spacedOut && signs[i].gap <= spaced && alone(signs, i-1) && alone(signs, i)
}

// alone reports whether sign i is a letter that stands by itself and is not
// one of the words "a" and "I" in front of or behind a longer word.
func alone(signs []sign, i int) bool {
	before := i > 0 && signs[i].gap == closed
	after := i+1 < len(signs) && signs[i+1].gap == closed
	if before || after {
		return false
	}
	if signs[i].r != 'a' && signs[i].r != 'i' {
		return true
	}
	single := func(j int) bool { return j+1 >= len(signs) || signs[j+1].gap != closed }
	return i+1 < len(signs) && single(i+1)
}
