package cli

import (
	"fmt"
	"regexp"
	"strings"

	"touchstone/loadgen/render"
)

// variable is where a shell has to put the value of an environment variable.
var variable = regexp.MustCompile(`\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}`)

// plainWord is a word that a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellLine returns words as a line for a shell. ${env.NAME} within a word
// becomes the variable NAME; all else is literal, whatever it is.
func shellLine(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = shellWord(word)
	}
	return strings.Join(out, " ")
}

// shellWord quotes a word.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	var b strings.Builder
	rest := word
	for _, at := range variable.FindAllStringSubmatchIndex(word, -1) {
		start := at[0] - (len(word) - len(rest))
		if start > 0 {
			b.WriteString(literal(rest[:start]))
		}
		fmt.Fprintf(&b, `"$%s"`, word[at[2]:at[3]])
		rest = word[at[1]:]
	}
	if rest != "" || word == "" {
		b.WriteString(literal(rest))
	}
	return b.String()
}

// literal quotes a text that has no variables. What would act on a terminal is
// written as $'...' has it, which bash, zsh and ksh read.
func literal(text string) string {
	if render.Visible(text) == text {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range text {
		switch one := string(r); {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + one)
		case render.Visible(one) == one:
			b.WriteString(one)
		default:
			for _, c := range []byte(one) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
	}
	return b.String() + "'"
}
