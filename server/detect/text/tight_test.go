package text

import (
	"strings"
	"testing"
)

// find reports where a keyword is found in a text by trying it at every place:
// the slow twin of the automaton with its two readings.
func find(f *folder, word, text string) bool {
	p := &ruleParser{rules: &Rules{folder: f}}
	k := p.keyword(nil, word)
	signs, mixed := tighten(nil, f.fold(nil, text))
	found := anywhere(&k, signs)
	if mixed {
		spell(signs)
		found = found || anywhere(&k, signs)
	}
	return found
}

func anywhere(k *keyword, signs []sign) bool {
	for i := range signs {
		if equalAt(k, signs, i) && k.fits(signs, i) {
			return true
		}
	}
	return false
}

func equalAt(k *keyword, signs []sign, i int) bool {
	for m := range k.signs {
		if i+m >= len(signs) || signs[i+m].r != k.signs[m].r {
			return false
		}
	}
	return true
}

func TestKeywordsAreFoundInDisguise(t *testing.T) {
	f := newFolder()
	tests := []struct {
		name, word, text string
		want             bool
	}{
		{"as it is", "casino", "the casino is open", true},
		{"spaced out", "casino", "the c a s i n o is open", true},
		{"spaced out, two words", "free money", "f r e e  m o n e y", true},
		{"punctuation inside a word", "viagra", "cheap vi.ag-ra", true},
		{"a comma after every letter", "buy", "b, u, y", true},
		{"a comma in the middle of a word", "viagra", "via, gra", false},
		{"a space in the middle of a word", "class", "cl ass", false},
		{"two words that make a third", "sex", "pens export", false},
		{"inside a longer word", "ass", "classic assets", false},
		{"inside a spaced-out longer word", "ass", "a s s e t s", false},
		{"spaced out before an article", "you have won", "y o u  h a v e  w o n a phone", true},
		{"inside a longer word, as the star says", "gambl*", "gambling", true},
		{"a star in front", "*burger", "cheeseburger", true},
		{"no star in front", "burger", "cheeseburger", false},
		{"its own space is missing", "free money", "freemoney", true},
		{"its own space is a line end", "free money", "free\nmoney", true},
		{"its own space is the end of a sentence", "free money", "free. Money", false},
		{"digits as letters", "casino", "c4s1n0", true},
		{"digits as letters at both ends", "idiot", "1d10t", true},
		{"a number behind a word stays one", "tramadol", "tramadol50mg", true},
		{"digits that are digits", "18+ club", "18 club", true},
		{"a number is not cut", "100", "1000", false},
		{"Han with spaces", "赌博", "赌 博", true},
		{"Han with symbols and emoji", "代开发票", "代🌟开*发_票", true},
		{"Han across the end of a clause", "赌博", "别赌。博物馆见", false},
		{"Han with a full stop after every character", "代开发票", "代。开。发。票", true},
		{"Han next to Latin is a boundary", "qq群", "加QQ群吧", true},
		{"Latin next to Han is a boundary", "qq", "加QQ群吧", true},
		{"Han with more between than a word can hide", "赌博", "赌" + strings.Repeat(" ", maxGap+1) + "博", false},
		{"Han with as much between as a word can hide", "赌博", "赌" + strings.Repeat(" ", maxGap) + "博", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := find(f, test.word, test.text); got != test.want {
				t.Errorf("%q in %q: found = %v, want %v", test.word, test.text, got, test.want)
			}
		})
	}
}
