package text

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRepetition(t *testing.T) {
	judge := New(DefaultRules())
	tests := []struct {
		name, text, rule string
	}{
		{"laughter", "哈哈哈哈哈哈哈哈", ""},
		{"much too much laughter", strings.Repeat("哈", 16), "repetition/run"},
		{"a run across look-alikes", strings.Repeat("aа", 8), "repetition/run"},
		{"a ruler", strings.Repeat("-", 60), ""},
		{"a ruler of two characters", strings.Repeat("-=", 60), ""},
		{"a table's edge", strings.Repeat("+---", 30), ""},
		{"dots that lead to a page number", "Chapter one" + strings.Repeat(".", 60) + "12", ""},
		{"marks", strings.Repeat("!?", 20), "repetition/phrase"},
		{"a phrase", strings.Repeat("来看我", 10), "repetition/phrase"},
		{"a word and a space", strings.Repeat("spam ", 12), "repetition/phrase"},
		{"the longest phrase", strings.Repeat("abcdefghijklmnopqrstuvwxyz012345", 5), "repetition/phrase"},
		{"a longer one", strings.Repeat("abcdefghijklmnopqrstuvwxyz0123456", 5), ""},
		{"four times is not enough", strings.Repeat("come and see ", 4), ""},
		{"many times but short", "ha ha ha ha ha", ""},
		{"a line five times", strings.Repeat("this line tells nothing that you did not know\n", 5), "repetition/line"},
		{"empty lines", strings.Repeat("\n", 50), ""},
		{"short lines", "ok\nno\nok\nno, never\nok\nyes\nok\nwell\nok\nfine\nok\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := judge.Judge(test.text)
			rule := ""
			if len(v.Hits) > 0 {
				rule = v.Hits[0].Rule
			}
			if rule != test.rule {
				t.Errorf("Judge(%.60q) hits %q, want %q", test.text, rule, test.rule)
			}
		})
	}
}

// TestMayRepeatNeverMissesAPhrase hides repeated phrases in noise: wherever the
// thorough search finds one, the quick look has to have said that it may.
func TestMayRepeatNeverMissesAPhrase(t *testing.T) {
	f := newFolder()
	rng := rand.New(rand.NewPCG(5, 6))
	noise := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteRune(rune('a' + rng.IntN(6)))
		}
		return b.String()
	}
	found := 0
	for range 1500 {
		times := 3 + rng.IntN(5)
		text := noise(rng.IntN(40)) + strings.Repeat(noise(2+rng.IntN(31)), times) + noise(rng.IntN(40))
		letters := f.fold(nil, text)
		hit := false
		findPeriods(letters, times, func(_, _, _ int) { hit = true })
		if hit {
			found++
		}
		if hit && !mayRepeat(letters, times) {
			t.Fatalf("%q repeats a phrase %d times, mayRepeat says no", text, times)
		}
	}
	if found < 500 {
		t.Errorf("only %d texts with a repeated phrase: the test tests little", found)
	}
}
