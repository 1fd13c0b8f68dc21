package text

import (
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestFold(t *testing.T) {
	f := newFolder()
	tests := []struct{ name, in, want string }{
		{"case", "Buy NOW", "buy now"},
		{"full width", "ＢＵＹ１２３", "buy123"},
		{"accents, composed and not", "bùy bu\u0300y", "buy buy"},
		{"zero-width characters, joiners, soft hyphen, byte order mark", "b\u200bu\u200dy\u00ad!\ufeff", "buy!"},
		{"bidirectional controls and tags", "b\u202eu\u2066y\U000E0041", "buy"},
		{"Cyrillic look-alikes", "оnlіnе саsіnо", "online casino"},
		{"Greek look-alikes, both cases", "ΟΝLΙΝΕ onliηe", "online online"},
		{"Cherokee, small capitals, Lisu", "Ꮯᴀꓢɪɴo", "casino"},
		{"mathematical, circled, squared letters", "𝐜𝓪𝔰ⓘⓝⓞ🅲🄰", "casinoca"},
		{"regional indicators", "🇧🇺🇾", "buy"},
		{"ligatures and units take two letters", "ﬁ㎏", "fikg"},
		{"sharp s in both cases", "Straße STRAẞE", "strasse strasse"},
		{"final sigma", "ς", "σ"},
		{"digits of other scripts", "١٢٣ ०१ 𝟗", "123 01 9"},
		{"circled digits", "①③⑧⓪", "1380"},
		{"traditional Han", "澳門賭場 網絡", "澳门赌场 网络"},
		{"compatibility Han and radicals", "⾦\uf90a", "金金"},
		{"white space of all kinds", "a\u00a0b\u3000c\td", "a b c d"},
		{"line ends stay", "a\nb\u2028c", "a\nb\nc"},
		{"Hangul, composed and not", "한글", "한글"},
		{"kana loses its voicing mark, in both widths", "ガｶﾞ", "カカ"},
		{"bad UTF-8 is one replacement a byte", "a\xff\xfeb", "a\uFFFD\uFFFDb"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// Hangul is compared in the one form that folding leaves it in.
			if got, want := foldString(f, test.in), norm.NFD.String(test.want); got != want {
				t.Errorf("fold(%q) = %q, want %q", test.in, got, want)
			}
		})
	}
}

func TestFoldKnowsWhereLettersStood(t *testing.T) {
	f := newFolder()
	type span struct{ start, end int32 }
	tests := []struct {
		name, in string
		want     []span
	}{
		{"astral characters count once", "🎲a", []span{{0, 1}, {1, 2}}},
		{"two letters of one character", "x㎏", []span{{0, 1}, {1, 2}, {1, 2}}},
		{"a mark belongs to its letter", "e\u0301\u0302b", []span{{0, 3}, {3, 4}}},
		{"an invisible character belongs to nobody", "a\u200bb", []span{{0, 1}, {2, 3}}},
		{"a mark without a letter", "\u0301a", []span{{1, 2}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []span
			for _, l := range f.fold(nil, test.in) {
				got = append(got, span{l.start, l.end})
			}
			if len(got) != len(test.want) {
				t.Fatalf("fold(%q) stands at %v, want %v", test.in, got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("fold(%q) stands at %v, want %v", test.in, got, test.want)
				}
			}
		})
	}
}

// TestFoldingTwiceIsFoldingOnce keeps the tables from having chains, which
// would make a keyword differ from the text that it was copied from.
func TestFoldingTwiceIsFoldingOnce(t *testing.T) {
	f := newFolder()
	for r := range rune(0x32000) { // all planes with letters
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		once := foldString(f, string(r))
		if twice := foldString(f, once); twice != once {
			t.Errorf("%U %q folds to %q, which folds to %q", r, r, once, twice)
		}
	}
}

// TestTableAgreesWithSlowFolding compares the table with what it was made of.
func TestTableAgreesWithSlowFolding(t *testing.T) {
	f := newFolder()
	slow := &folder{table: make([]uint32, tableSize), lookalikes: f.lookalikes}
	for r := range rune(tableSize) {
		got, want := f.fold(nil, string(r)), slow.fold(nil, string(r))
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%U folds to %v by the table, to %v without", r, got, want)
		}
	}
}
