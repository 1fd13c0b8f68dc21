package cli

import (
	"strings"
	"testing"
)

func TestFlagsPrintWhatTheyRead(t *testing.T) {
	for text, want := range map[string]string{
		"100MiB": "100MiB", "1GiB": "1GiB", "4096": "4KiB", "1000": "1000B", "1kB": "1000B", "1536B": "1536B",
	} {
		var s size
		if err := s.Set(text); err != nil || s.String() != want {
			t.Errorf("size %q prints as %q, %v, want %q", text, s.String(), err, want)
		}
	}
	var p prefixes
	if err := p.Set("127.0.0.9/8,10.1.2.3"); err != nil || p.String() != "127.0.0.0/8,10.1.2.3/32" {
		t.Errorf("prefixes %q, %v", p.String(), err)
	}
	if err := p.Set("::1"); err != nil || p.String() != "127.0.0.0/8,10.1.2.3/32,::1/128" {
		t.Errorf("prefixes given again %q, %v", p.String(), err)
	}
	var l level
	if err := l.Set("warn"); err != nil || l.String() != "warn" {
		t.Errorf("level %q, %v", l.String(), err)
	}
}

// TestHelpNamesUnitsAndDefaults keeps the help useful without the README.
func TestHelpNamesUnitsAndDefaults(t *testing.T) {
	var out strings.Builder
	cmd := newCommand(&out, &out, nil)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(default "127.0.0.1:8011")`, "(default 5s)", "(default 100MiB)", "(default 1)", "(default info)", `(default "text")`, "--crawl-allow CIDR,..."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, &out)
		}
	}
}
