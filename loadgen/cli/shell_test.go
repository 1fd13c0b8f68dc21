package cli

import (
	"os/exec"
	"testing"
)

// A shell has to read back what was quoted for it, whatever it is.
func TestShellWord(t *testing.T) {
	t.Setenv("SHELL_TEST_VALUE", "a b'c")
	for _, test := range []struct{ word, want, read string }{
		{"plain-word/1.yaml", "plain-word/1.yaml", "plain-word/1.yaml"},
		{"", "''", ""},
		{`{"a": "it's"}`, `'{"a": "it'\''s"}'`, `{"a": "it's"}`},
		{"$HOME `id` \\ !x", "'$HOME `id` \\ !x'", "$HOME `id` \\ !x"},
		{"x-key: ${env.SHELL_TEST_VALUE}", `'x-key: '"$SHELL_TEST_VALUE"`, "x-key: a b'c"},
		{"${env.SHELL_TEST_VALUE}, ${env.SHELL_TEST_VALUE}.", `"$SHELL_TEST_VALUE"', '"$SHELL_TEST_VALUE"'.'`, "a b'c, a b'c."},
		{"a\x1b[31m\\'\u202E", `$'a\x1b[31m\\\'\xe2\x80\xae'`, "a\x1b[31m\\'\u202E"},
		{"two\nlines", `$'two\x0alines'`, "two\nlines"},
	} {
		got := shellWord(test.word)
		if got != test.want {
			t.Errorf("shellWord(%q) = %s, want %s", test.word, got, test.want)
		}
		bash, err := exec.LookPath("bash")
		if err != nil {
			continue // the words above are what a bash has confirmed
		}
		out, err := exec.Command(bash, "-c", "printf %s "+got).Output()
		if err != nil || string(out) != test.read {
			t.Errorf("bash reads %s as %q, %v; want %q", got, out, err, test.read)
		}
	}
}
