package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// occurrence is a phrase and where it ends.
type occurrence struct{ end, phrase int }

func scan(a *automaton, text []rune) []occurrence {
	var out []occurrence
	state := int32(0)
	for i, r := range text {
		state = a.step(state, r)
		for _, p := range a.found(state) {
			out = append(out, occurrence{i + 1, int(p)})
		}
	}
	return out
}

// naive is the obvious twin: every phrase at every place.
func naive(phrases [][]rune, text []rune) []occurrence {
	var out []occurrence
	for end := range len(text) + 1 {
		for p, phrase := range phrases {
			if len(phrase) <= end && slices.Equal(text[end-len(phrase):end], phrase) {
				out = append(out, occurrence{end, p})
			}
		}
	}
	return out
}

// sortOccurrences puts both in one order: phrases that end at one place come
// longest first from the automaton, by index from its twin.
func sortOccurrences(o []occurrence) []occurrence {
	slices.SortFunc(o, func(a, b occurrence) int {
		if a.end != b.end {
			return a.end - b.end
		}
		return a.phrase - b.phrase
	})
	return o
}

func TestAutomatonAgreesWithNaiveSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	// Few letters, so that phrases overlap, repeat and end in one another;
	// some of them far apart, so that the table is stretched.
	alphabet := []rune("aab赌博♥z")
	word := func(n int) []rune {
		w := make([]rune, n)
		for i := range w {
			w[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return w
	}
	for range 1000 {
		phrases := make([][]rune, rng.IntN(20))
		for i := range phrases {
			phrases[i] = word(1 + rng.IntN(5))
		}
		text := word(rng.IntN(60))
		got, want := sortOccurrences(scan(newAutomaton(phrases), text)), sortOccurrences(naive(phrases, text))
		if !slices.Equal(got, want) {
			t.Fatalf("phrases %q in %q: %v, want %v", phrases, string(text), got, want)
		}
	}
}

func TestAutomatonOfTheDefaultRulesIsSmall(t *testing.T) {
	j := New(DefaultRules())
	states := 0
	for _, parent := range j.words.check {
		if parent >= 0 {
			states++
		}
	}
	if cells := len(j.words.check); cells > 2*states {
		t.Errorf("%d cells for %d states, want at most two a state", cells, states)
	}
}

func TestAutomatonWithoutPhrases(t *testing.T) {
	if got := scan(newAutomaton(nil), []rune("anything 赌博")); got != nil {
		t.Errorf("found %v, want nothing", got)
	}
}

func FuzzAutomaton(f *testing.F) {
	f.Add("he she his hers", "ushers")
	f.Add("赌博 赌 博彩", "赌博彩")
	f.Fuzz(func(t *testing.T, words, text string) {
		var phrases [][]rune
		for _, w := range strings.Fields(words) {
			phrases = append(phrases, []rune(w))
		}
		runes := []rune(text)
		if len(runes)*len(phrases) > 1<<14 {
			t.Skip("too long for the twin")
		}
		got, want := sortOccurrences(scan(newAutomaton(phrases), runes)), sortOccurrences(naive(phrases, runes))
		if !slices.Equal(got, want) {
			t.Errorf("phrases %q in %q: %v, want %v", phrases, text, got, want)
		}
	})
}
