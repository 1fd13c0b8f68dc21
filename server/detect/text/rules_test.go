package text

import (
	"errors"
	"strings"
	"testing"

	"touchstone/server/source"
)

// minimal is the smallest rule file, to which tests add.
const minimal = "version: 1\nlabels: {ad: {suggestion: review}, bad: {suggestion: block}}\nrules:\n  - {name: a, label: ad, keywords: [buy]}\n"

func TestParseRulesPointsAtMistakes(t *testing.T) {
	rule := func(fields string) string {
		return "version: 1\nlabels: {ad: {suggestion: review}}\nrules:\n  - {name: a, label: ad, " + fields + "}\n"
	}
	tests := []struct{ name, yaml, want string }{
		{"nothing at all", "", `r.yaml:1:1: want a mapping`},
		{"another version", strings.Replace(minimal, "1", "2", 1), `r.yaml:1:10: 2 is not within 1 and 1`},
		{"an unknown field", minimal + "treshold: 1\n", "r.yaml:5:1: unknown field \"treshold\"\n    5 | treshold: 1\n      | ^\nhint: did you mean \"thresholds\"?"},
		{"a name given twice", minimal + "  - {name: a, label: ad, keywords: [sell]}\n", "r.yaml:5:12: name \"a\" is taken"},
		{"a name of repetition", strings.Replace(minimal, "name: a", "name: repetition/run", 1) + "repetition: {label: ad}\n", "is what repetition is reported under"},
		{"a name with spaces", strings.Replace(minimal, "name: a", "name: a b", 1), `name "a b" is not readable`},
		{"an unknown label", strings.Replace(minimal, "label: ad", "label: da", 1), "unknown label \"da\"\n    4 |   - {name: a, label: da, keywords: [buy]}\n      |                      ^\nhint: did you mean \"ad\"?"},
		{"the label of harmless texts", "version: 1\nlabels: {normal: {suggestion: review}}\nrules: []\n", `label "normal" is what a text has when no rule speaks against it`},
		{"a suggestion that nobody can make", strings.Replace(minimal, "block", "pass", 1), "unknown suggestion \"pass\""},
		{"a weight above 1", rule("weight: 1.5, keywords: [buy]"), "r.yaml:4:34: 1.5 is not above 0 and at most 1"},
		{"a weight of 0", rule("weight: 0, keywords: [buy]"), "0 is not above 0"},
		{"a weight in words", rule("weight: much, keywords: [buy]"), "want a number, got a string"},
		{"thresholds that overlap", minimal + "thresholds: {review: 0.9, block: 0.5}\n", "the review threshold 0.9 is above the block threshold 0.5"},
		{"a rule without evidence", rule("keywords: []"), `rule "a" has neither keywords nor patterns`},
		{"a keyword instead of a list", rule("keywords: buy"), "want a list, got a string"},
		{"a keyword of separators", rule("keywords: ['***']"), `keyword "***" has no letter or digit`},
		{"a keyword of one letter", rule("keywords: [v]"), `keyword "v" is a single character`},
		{"a keyword that is a number of YAML", rule("keywords: [18]"), "want a string, got an integer"},
		{"a keyword in another spelling", rule("keywords: [buy, ＢÙＹ]"), `"ＢÙＹ" is the same keyword as the one in line 4`},
		{"an expression that RE2 refuses", rule("patterns: ['a(?=b)']"), "r.yaml:4:37: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{"an expression too large for RE2", rule("patterns: ['(a{1000}){1000}']"), "error parsing regexp"},
		{"an expression that matches nothing at all", rule("patterns: ['x*']"), `matches the empty text`},
		{"an expression in upper case", rule("patterns: ['VX[0-9]+']"), "\"VX\" never occurs in folded text"},
		{"a pattern with a misspelt field", rule("patterns: [{regexp: 'a+', chek: luhn}]"), `unknown field "chek"`},
		{"a pattern without an expression", rule("patterns: [{check: luhn}]"), `field "regexp" is missing`},
		{"an unknown check", rule("patterns: [{regexp: 'a+', check: lun}]"), "unknown check \"lun\""},
		{"an excuse of nobody", minimal + "allow: [{name: x, phrases: [ok], excuses: [add]}]\n", "no rule or label is called \"add\""},
		{"a reach across the text", minimal + "allow: [{name: x, phrases: [ok], excuses: [ad], reach: 5000}]\n", "5000 is not within 0 and 1000"},
		{"repetition of two", minimal + "repetition: {label: ad, run: 2}\n", "2 is not within 3 and 10000"},
	}
	f := newFolder()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseRules(f, "r.yaml", []byte(test.yaml))
			if _, ok := errors.AsType[source.Errors](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseRules(%q) = %v, want %q", test.yaml, err, test.want)
			}
		})
	}
}

func TestParseRulesReportsAllMistakes(t *testing.T) {
	_, err := ParseRules("r.yaml", []byte("version: 3\nlabels: {}\nrules:\n  - {name: A, label: x, keywords: [v]}\nextra: 1\n"))
	if all, _ := errors.AsType[source.Errors](err); len(all) != 5 {
		t.Errorf("%d mistakes, want 5:\n%v", len(all), err)
	}
}

func TestDefaultRules(t *testing.T) {
	rules, err := ParseRules("rules.yaml", defaultRules)
	if err != nil {
		t.Fatal(err)
	}
	want := "contraband gambling adult fraud abuse ad contact flood"
	if got := strings.Join(rules.Labels(), " "); got != want {
		t.Errorf("labels %q, want %q", got, want)
	}
}

// FuzzParseRules checks that reading never panics, and that whatever is read
// makes a judge whose verdicts are well-formed.
func FuzzParseRules(f *testing.F) {
	f.Add(minimal, "buy now")
	f.Add(minimal+"allow: [{name: x, phrases: [ok], excuses: [ad], reach: 3}]\n", "ok buy")
	f.Add("version: 1\nlabels: {ad: {suggestion: block, aggravates: 1}}\nrules: [{name: a, label: ad, patterns: ['[0-9]{3}', {regexp: 'x+', after: [qq], check: luhn}]}]", "qqxx 123")
	f.Add("version: 1\nlabels: {ad: {suggestion: block}}\nrules: []\nrepetition: {label: ad, run: 3, phrase: 3, line: 3}", "aaaa")
	shared := newFolder()
	f.Fuzz(func(t *testing.T, yaml, text string) {
		rules, err := parseRules(shared, "r.yaml", []byte(yaml))
		if err != nil {
			if _, ok := errors.AsType[source.Errors](err); !ok {
				t.Errorf("error %T, want source.Errors", err)
			}
			return
		}
		checkVerdict(t, text, New(rules).Judge(text))
	})
}
