package scenario_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"touchstone/loadgen/scenario"
)

// TestReadme compiles every YAML block of scenarios/README.md: files as they
// are, and steps within a file.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../scenarios/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 10 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for i, block := range blocks {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			content := block[1]
			if strings.HasPrefix(content, "- ") {
				content = "version: 1\nsteps:\n" + content
			}
			if _, err := compile(t, content); err != nil {
				t.Errorf("%v\nin\n%s", err, content)
			}
		})
	}
}

// TestReadmeMistake checks what the page shows of a mistake.
func TestReadmeMistake(t *testing.T) {
	text, err := os.ReadFile("../../scenarios/README.md")
	if err != nil {
		t.Fatal(err)
	}
	f, err := scenario.Parse("login.yaml", []byte("version: 1\nsteps:\n  - call: chat.v1.Chat/Login\n    send: {usr: ada}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scenario.Compile(f, testSchema(t), scenario.Options{}); err == nil || !strings.Contains(string(text), err.Error()+"\n") {
		t.Errorf("the page does not show\n%v", err)
	}
}

// TestReadmeNamesEverything checks that the page mentions every operation and
// every field that the parser knows, which it says itself in its hints.
func TestReadmeNamesEverything(t *testing.T) {
	text, err := os.ReadFile("../../scenarios/README.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?:Take|Need)\("([a-z_]+)"\)`)
	for _, name := range []string{"file.go", "step.go", "script.go", "expect.go", "load.go", "load_arrival.go", "load_pair.go", "data.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range asked.FindAllStringSubmatch(string(code), -1) {
			if !strings.Contains(string(text), "`"+field[1]) && !strings.Contains(string(text), field[1]+":") {
				t.Errorf("the page does not mention %s of %s", field[1], name)
			}
		}
	}
}
