package retry_test

import (
	"strings"
	"testing"

	"touchstone/loadgen/retry"
)

func TestRegister(t *testing.T) {
	const text = `
client: some-client
version: 1.2
deviations:
  - {check: BO-5, reason: it cuts}
  - {check: HDR-5, reason: a race, sometimes: true}
`
	register, err := retry.ParseRegister("r.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, id    string
		verdict     retry.Verdict
		want        retry.Verdict
		wantNoteHas string
	}{
		{"a listed failure is a deviation", "BO-5", retry.Fail, retry.Deviation, "it cuts"},
		{"a listed pass makes the register stale", "BO-5", retry.Pass, retry.Fail, "take the entry out"},
		{"nothing can be said of a listed check", "BO-5", retry.Inconclusive, retry.Inconclusive, ""},
		{"a failure that is not listed", "BO-4", retry.Fail, retry.Fail, ""},
		{"what shows only sometimes may pass", "HDR-5", retry.Pass, retry.Pass, ""},
		{"what shows only sometimes may fail", "HDR-5", retry.Fail, retry.Deviation, "a race"},
	}
	for _, test := range tests {
		got := register.Apply(retry.Result{ID: test.id, Verdict: test.verdict})
		if notes := strings.Join(got.Notes, " "); got.Verdict != test.want || !strings.Contains(notes, test.wantNoteHas) {
			t.Errorf("%s: %s %q, want %s %q", test.name, got.Verdict, notes, test.want, test.wantNoteHas)
		}
	}
}

func TestRegisterMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"client: x\ndeviations: [{check: BO-55, reason: r}]":   `r.yaml:2:22: there is no check "BO-55"`,
		"client: x\ndeviations: [{check: BO-5}]":               `field "reason" is missing`,
		"client: x\ndeviations: [{check: BO-5, reason: '  '}]": "a deviation without a reason",
		"deviations: []": `field "client" is missing`,
		"client: x\ndeviations: [{check: BO-5, reason: r, often: 1}]": `unknown field "often"`,
	} {
		if _, err := retry.ParseRegister("r.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRegister(%q) = %v, want %q", text, err, want)
		}
	}
}

// FuzzParseRegister checks that parsing never panics, and that every entry
// that is accepted has a reason.
func FuzzParseRegister(f *testing.F) {
	f.Add("client: x\ndeviations: [{check: BO-5, reason: r}]")
	f.Fuzz(func(t *testing.T, text string) {
		register, err := retry.ParseRegister("f", []byte(text))
		if err != nil {
			return
		}
		for _, e := range register.Entries {
			if e.Reason == "" {
				t.Errorf("%q has an entry without a reason", text)
			}
		}
	})
}
