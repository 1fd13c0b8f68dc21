package text

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp/syntax"
	"slices"
	"testing"
)

func TestCheckDigits(t *testing.T) {
	tests := []struct {
		name, check, digits string
		want                bool
	}{
		{"a card of 16 digits", "luhn", "4111111111111111", true},
		{"a card of 15 digits", "luhn", "378282246310005", true},
		{"one digit off", "luhn", "4111111111111112", false},
		{"two neighbours swapped", "luhn", "1411111111111111", false},
		{"a zero alone", "luhn", "0", false},
		{"nothing", "luhn", "", false},
		{"the number in the standard's example", "resident-id", "11010519491231002x", true},
		{"its check character replaced", "resident-id", "110105194912310021", false},
		{"a digit missing", "resident-id", "1101051949123100x", false},
	}
	for _, test := range tests {
		if got := checks()[test.check](test.digits); got != test.want {
			t.Errorf("%s: %s(%q) = %v, want %v", test.name, test.check, test.digits, got, test.want)
		}
	}
}

func TestNeeds(t *testing.T) {
	tests := []struct {
		expr string
		want needs
	}{
		{`1[3-9][0-9]{9}`, needs{digits: 11, numerals: 11, width: 11}},
		{`[一1](?:[ -]?[零一二0-9]){9}`, needs{numerals: 10, width: 19}},
		{`https?://[^ ]+`, needs{width: unbounded, anyOf: []string{"http"}}},
		{`(?:weixin|wechat)[0-9]+`, needs{digits: 1, numerals: 1, width: unbounded, anyOf: []string{"ixin", "chat"}}},
		{`[a-z]+@[a-z]+`, needs{width: unbounded, anyOf: []string{"@"}}},
		{`(?:abc)?def`, needs{width: 6, anyOf: []string{"def"}}},
		{`(?i)vx`, needs{width: 2, anyOf: []string{"vx"}}},
		{`a|[0-9]`, needs{width: 1}},
		{`.`, needs{width: 1}},
		{`\d{4}年`, needs{digits: 4, numerals: 4, width: 5, anyOf: []string{"年"}}},
	}
	f := newFolder()
	for _, test := range tests {
		tree, err := syntax.Parse(test.expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := needsOf(tree, f); !reflect.DeepEqual(got, test.want) {
			t.Errorf("needs of %q = %+v, want %+v", test.expr, got, test.want)
		}
	}
}

// TestPatternsRunWhereverTheyMatch compares the default patterns behind their
// needs with the patterns run on everything, on texts made to nearly match.
func TestPatternsRunWhereverTheyMatch(t *testing.T) {
	rules := DefaultRules()
	all := *rules
	all.patterns = slices.Clone(rules.patterns)
	for i := range all.patterns {
		all.patterns[i].needs = needs{}
	}
	quick, thorough := New(rules), New(&all)
	rng := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"1", "3", "8", "00", "138 0013 8000", "4111 1111", "-", " ", ".", "+86", "@", "www.", "http://", "t.me/", "a.b", "一", "三八", "零零零",
		"[dot]", "微信", "abc_123", "qq", "earn $500 a ", "day", "50% off ", "today", "日结", "110105194912310", "02x", "400-", "(010)"}
	for n := range 2000 {
		text := ""
		for range rng.IntN(16) {
			text += pieces[rng.IntN(len(pieces))]
		}
		if got, want := fmt.Sprint(quick.Judge(text)), fmt.Sprint(thorough.Judge(text)); got != want {
			t.Fatalf("text %d: Judge(%q) = %v, without prefilter %v", n, text, got, want)
		}
	}
}
