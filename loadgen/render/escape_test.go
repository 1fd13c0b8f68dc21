package render

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain 中文 é":         "plain 中文 é",
		"\x1b[31m":           `\x1b[31m`,
		"a\nb\tc\r":          `a\nb\tc\r`,
		"\u0085\u009b":       `\x85\x9b`, // control characters of eight bits
		"\u202e\u200b\ufeff": `\u202e\u200b\ufeff`,
		"\xff\xc0":           `\xff\xc0`,
		"\ufffd":             `\ufffd`,
		"\ufffe\uffff":       `\ufffe\uffff`,
		"\u2028":             `\u2028`,
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestFitAndCut(t *testing.T) {
	tests := []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 5, "abc  "},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"中文", 4, "中文"},
		{"中文字", 5, "中文…"},
		{"中文字", 4, "中… "},                       // a wide character does not fit in half
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"}, // combining marks take no column
	}
	for _, tt := range tests {
		if got := fit(tt.in, tt.n); got != tt.want {
			t.Errorf("fit(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("\x1b[31m\x00中\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := visible(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, acts) {
			t.Errorf("visible(%q) = %q still acts", s, got)
		}
		if visible(got) != got {
			t.Errorf("visible(%q) changes when it is escaped again", s)
		}
		for _, n := range []int{1, 2, 7} {
			if c := columns(fit(got, n)); c != n {
				t.Errorf("fit(%q, %d) takes %d columns", got, n, c)
			}
		}
	})
}
