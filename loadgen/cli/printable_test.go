package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// acting is a text of everything that acts on a terminal.
const acting = "\x1b[31mred\u009b2J\u202Eright to left\u2066\r\x00\U000E0041"

// harmless fails on what acts on a terminal.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("%s holds %U: %q", what, r, text)
			return
		}
	}
}

func TestPrintable(t *testing.T) {
	var plain, encoded strings.Builder
	fmt.Fprintf(printableText{&plain}, "a\tb\n%s\n", acting)
	harmless(t, "text", plain.String())
	if !strings.HasPrefix(plain.String(), "a\tb\n"+`\x1b[31mred\x9b2J\u202eright`) {
		t.Errorf("text is %q", plain.String())
	}
	if err := json.NewEncoder(printableJSON{&encoded}).Encode(acting); err != nil {
		t.Fatal(err)
	}
	harmless(t, "JSON", encoded.String())
	var back string
	if err := json.Unmarshal([]byte(encoded.String()), &back); err != nil || back != acting {
		t.Errorf("%s reads back as %q, %v; want the text as it was", encoded.String(), back, err)
	}
}

// What the command line says of an error is harmless, wherever its text comes
// from: a target, a file, a flag.
func TestComplaintsAreHarmless(t *testing.T) {
	mistake := &source.Error{File: acting, Pos: source.Pos{Line: 1, Col: 9}, Line: "\t" + acting, Msg: acting, Hint: acting}
	for _, err := range []error{
		errors.New(acting), usage(acting, acting), mistake, source.Errors{mistake, mistake},
		&schema.NotFound{Kind: "method", Name: acting, Hint: acting},
	} {
		harmless(t, fmt.Sprintf("%T", err), complaint(err))
	}
	if got := complaint(mistake); !strings.Contains(got, "\n      | \t       ^\n") {
		t.Errorf("the caret has moved: %q", got)
	}
}
