package text

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchstone/server/detect/verdict"
)

func ExampleJudge_Judge() {
	judge := New(DefaultRules())
	v := judge.Judge("去澳\u200b门*赌 場玩")
	fmt.Println(v.Suggestion, v.Label, v.Score)
	for _, hit := range v.Hits {
		fmt.Printf("%s %v %q\n", hit.Rule, hit.Span, hit.Text)
	}
	// Output:
	// block gambling 0.94
	// gambling/sites [1 8] "澳\u200b门*赌 場"
	// gambling/words [5 8] "赌 場"
}

// combined is a rule file whose sums can be done in the head.
const combined = `
version: 1
thresholds: {review: 0.5, block: 0.75}
labels:
  bad: {suggestion: block, weight: 0.5}
  meh: {suggestion: review, weight: 0.5}
  way: {suggestion: review, weight: 0.5, aggravates: 0.5}
rules:
  - {name: bad/words, label: bad, keywords: [alpha, beta, gamma, delta, epsilon]}
  - {name: bad/weak, label: bad, weight: 0.25, keywords: [hint, hint hint]}
  - {name: meh/words, label: meh, keywords: [mu, nu, xi]}
  - {name: way/word, label: way, keywords: [call me]}
  - name: way/number
    label: way
    patterns: ['n:([0-9]+)', {regexp: ' ?[0-9]{3}', after: [tel]}]
allow:
  - {name: ok/overlap, phrases: [alpha centauri], excuses: [bad/words]}
  - {name: ok/near, phrases: [quote], excuses: [meh], reach: 10}
`

func TestEvidenceAddsUp(t *testing.T) {
	rules, err := ParseRules("combined.yaml", []byte(combined))
	if err != nil {
		t.Fatal(err)
	}
	judge := New(rules)
	tests := []struct {
		name, text string
		suggestion verdict.Suggestion
		label      string
		score      float64
	}{
		{"nothing", "hello", verdict.Pass, "normal", 0},
		{"weak evidence passes, and tells its score", "hint", verdict.Pass, "normal", 0.25},
		{"one word reaches the review threshold", "alpha", verdict.Review, "bad", 0.5},
		{"two reach the block threshold", "alpha beta", verdict.Block, "bad", 0.75},
		{"the same word twice counts once", "alpha alpha", verdict.Review, "bad", 0.5},
		{"no more than four of a rule count", "alpha beta gamma delta epsilon", verdict.Block, "bad", 0.9375},
		{"rules of a label add up", "alpha hint", verdict.Review, "bad", 0.625},
		{"the longer of two phrases in one place", "hint hint", verdict.Pass, "normal", 0.25},
		{"a label never exceeds its suggestion", "mu nu xi", verdict.Review, "meh", 0.875},
		{"the more severe label wins over the higher score", "alpha beta mu nu xi", verdict.Block, "bad", 0.75},
		{"the first label wins a tie", "alpha mu", verdict.Review, "bad", 0.5},
		{"a way out aggravates", "alpha call me", verdict.Review, "bad", 0.625},
		{"a way out alone does not aggravate itself", "call me n:123", verdict.Review, "way", 0.75},
		{"an excuse that overlaps", "alpha centauri", verdict.Pass, "normal", 0},
		{"an excuse that does not overlap", "alpha, see alpha centauri", verdict.Review, "bad", 0.5},
		{"an excuse of another label", "quote alpha", verdict.Review, "bad", 0.5},
		{"an excuse within reach", "quote then mu", verdict.Pass, "normal", 0},
		{"an excuse behind, within reach", "mu in a quote", verdict.Pass, "normal", 0},
		{"an excuse out of reach", "quote and much later mu", verdict.Review, "meh", 0.5},
		{"a pattern behind its head", "tel 123", verdict.Review, "way", 0.5},
		{"a pattern without its head", "let 123", verdict.Pass, "normal", 0},
		{"a pattern does not cut a number", "tel 1234", verdict.Pass, "normal", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := judge.Judge(test.text)
			got := fmt.Sprint(v.Suggestion, v.Label, v.Score)
			if want := fmt.Sprint(test.suggestion, test.label, test.score); got != want {
				t.Errorf("Judge(%q) = %s %v, want %s", test.text, got, v.Hits, want)
			}
			checkVerdict(t, test.text, v)
		})
	}
}

func TestSpansPointIntoTheOriginal(t *testing.T) {
	judge := New(DefaultRules())
	tests := []struct {
		name, text string
		want       []verdict.Hit
	}{
		{"behind astral characters", "🎲🎲澳门赌场", []verdict.Hit{{Rule: "gambling/sites", Span: verdict.Span{2, 6}, Text: "澳门赌场"}, {Rule: "gambling/words", Span: verdict.Span{4, 6}, Text: "赌场"}}},
		{"a number with what groups it", "tel １３８-0013-8000.", []verdict.Hit{{Rule: "contact/phone", Span: verdict.Span{4, 17}, Text: "１３８-0013-8000"}}},
		{"an id with its app", "加微❤信 love520abc!", []verdict.Hit{{Rule: "contact/wechat", Span: verdict.Span{1, 15}, Text: "微❤信 love520abc"}}},
		{"two numbers with one space between", "13800138000 13900139000", []verdict.Hit{{Rule: "contact/phone", Span: verdict.Span{0, 11}, Text: "13800138000"}, {Rule: "contact/phone", Span: verdict.Span{12, 23}, Text: "13900139000"}}},
		{"an accent behind the last letter", "idio\u0301t\u0301!", []verdict.Hit{{Rule: "abuse/insults", Span: verdict.Span{0, 7}, Text: "idio\u0301t\u0301"}}},
		{"bytes that are not UTF-8", "\xff白\xfe痴", []verdict.Hit{{Rule: "abuse/insults", Span: verdict.Span{1, 4}, Text: "白\uFFFD痴"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, judge.Judge(test.text).Hits); diff != "" {
				t.Errorf("Judge(%q).Hits (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

func TestHitsAreBounded(t *testing.T) {
	judge := New(DefaultRules())
	text := strings.Repeat("idiot said, ", 500)
	v := judge.Judge(text)
	if len(v.Hits) != maxHits {
		t.Errorf("%d hits, want %d", len(v.Hits), maxHits)
	}
	checkVerdict(t, text, v)
}

// TestConcurrentVerdictsAreEqual shares one judge: readings are reused, and
// must not show through.
func TestConcurrentVerdictsAreEqual(t *testing.T) {
	judge := New(DefaultRules())
	texts := []string{"hello", evil, strings.Repeat("顶", 50), "警方提醒：赌博 违法", cutTo(paragraphs["en"], 5000), ""}
	want := make([]string, len(texts))
	for i, text := range texts {
		want[i] = fmt.Sprint(judge.Judge(text))
	}
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for n := range 200 {
				i := (n + w) % len(texts)
				if got := fmt.Sprint(judge.Judge(texts[i])); got != want[i] {
					t.Errorf("Judge(%.20q...) = %s, before %s", texts[i], got, want[i])
				}
			}
		})
	}
	workers.Wait()
}

// checkVerdict checks what holds for every verdict.
func checkVerdict(t *testing.T, text string, v verdict.Verdict) {
	t.Helper()
	runes := []rune(text)
	if v.Hits == nil || len(v.Hits) > maxHits || v.Score < 0 || v.Score > 1 {
		t.Errorf("Judge(%q) = %v: hits nil or too many, or score out of range", text, v)
	}
	if (v.Suggestion == verdict.Pass) != (v.Label == "normal") {
		t.Errorf("Judge(%q): suggestion %s with label %q", text, v.Suggestion, v.Label)
	}
	last := verdict.Span{}
	for _, hit := range v.Hits {
		start, end := hit.Span[0], hit.Span[1]
		switch {
		case start < 0 || start >= end || end > len(runes):
			t.Errorf("Judge(%q): span %v of %q is not within %d code points", text, hit.Span, hit.Rule, len(runes))
		case string(runes[start:end]) != hit.Text:
			t.Errorf("Judge(%q): text of %v is %q, the slice is %q", text, hit.Span, hit.Text, string(runes[start:end]))
		case start < last[0] || start == last[0] && end < last[1]:
			t.Errorf("Judge(%q): span %v stands behind %v", text, hit.Span, last)
		}
		last = hit.Span
	}
}

// FuzzJudge checks that verdicts are well-formed, and that a judge that has
// judged something else in between says the same again.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"", "hello", evil, "澳\u200b门*赌 場", "c4s1n0 ㎏ ﬁ", "\xff\xfe1\xff3", "QQ：123456789", strings.Repeat("ab", 20), "a\n\na\n", "🇧🇺🇾 now", "가각힣"} {
		f.Add(seed)
	}
	judge := New(DefaultRules())
	f.Fuzz(func(t *testing.T, text string) {
		v := judge.Judge(text)
		checkVerdict(t, text, v)
		judge.Judge(evil)
		if diff := cmp.Diff(v, judge.Judge(text)); diff != "" {
			t.Errorf("Judge(%q) again (-first +second):\n%s", text, diff)
		}
	})
}
