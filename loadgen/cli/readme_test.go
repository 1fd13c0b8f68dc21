package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the first scenario of the project's page, as it is and with
// the two mistakes that the page makes in it, and looks for the lines that the
// page shows. What differs from run to run does not count.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## A first scenario\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, after, _ := strings.Cut(section, "```yaml\n")
	scenario, _, found := strings.Cut(after, "```\n")
	transcripts := strings.Split(section, "    $ bin/loadgen ")[1:]
	if !found || len(transcripts) != 3 {
		t.Fatalf("the section has %d transcripts, want 3", len(transcripts))
	}
	for i, change := range []*strings.Replacer{
		strings.NewReplacer(), strings.NewReplacer("Hello, Ada!", "Hello Ada!"), strings.NewReplacer("{greeting:", "{greting:"),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "first.yaml"), []byte(change.Replace(scenario)), 0o644); err != nil {
			t.Fatal(err)
		}
		command, shown, _ := strings.Cut(transcripts[i], "\n")
		cmd := process(t, "loadgen", strings.Fields(command)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "COLUMNS=100")
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		got := "\n" + steady(string(out))
		for line := range strings.Lines(shown) {
			text, inTranscript := strings.CutPrefix(line, "    ")
			if !inTranscript || strings.TrimSpace(line) == "" {
				continue
			}
			if !strings.Contains(got, "\n"+steady(text)) {
				t.Errorf("loadgen %s does not print\n%sbut\n%s", command, text, out)
			}
		}
	}
}

// steady replaces what differs from run to run, and the blanks before it.
func steady(text string) string {
	text = regexp.MustCompile(`[0-9]{8}-[0-9]{6}`).ReplaceAllString(text, "TIME")
	text = regexp.MustCompile(` *[0-9.]+ ?(µs|ms|s)\b`).ReplaceAllString(text, " TOOK")
	return regexp.MustCompile(` {3,}([0-9]+ steps?)`).ReplaceAllString(text, " $1")
}
