package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEmbeddedServerThatDoesNotStart(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(plan, []byte("- injct: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a fault plan with a mistake is an invalid file", []string{"--faults", plan}, exitFile, "plan.yaml:1:3"},
		{"an unknown flag is wrong usage", []string{"--nonsense"}, exitUsage, "--nonsense"},
		{"a server that cannot run is no target", []string{"--listen", "256.0.0.1:0"}, exitTarget, "256.0.0.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			c, err := startEmbedded(t.Context(), &env{stderr: &stderr}, test.args...)
			if err == nil {
				c.stop()
				t.Fatal("it starts")
			}
			if code := exitCode(coded(err)); code != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("exit code %d with %q, want %d with %q", code, err, test.code, test.want)
			}
		})
	}
}

func TestEmbeddedServerStops(t *testing.T) {
	var stderr bytes.Buffer
	c, err := startEmbedded(t.Context(), &env{stderr: &stderr})
	if err != nil {
		t.Fatal(err)
	}
	c.stop()
	if c.err != nil {
		t.Errorf("it ends with %v\n%s", c.err, c.stderr.String())
	}
	if !strings.HasPrefix(stderr.String(), "target: reference server at "+c.address) {
		t.Errorf("announced as %q", stderr.String())
	}
}

func TestEmbeddedServerThatDiesIsReported(t *testing.T) {
	var stderr bytes.Buffer
	c, err := startEmbedded(t.Context(), &env{stderr: &stderr})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.done
	c.stop()
	if !strings.Contains(stderr.String(), "ended before its time") {
		t.Errorf("not reported: %q", stderr.String())
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for range 100 {
		if n, err := kept.Write(bytes.Repeat([]byte("x"), 999)); n != 999 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = kept.Write([]byte("end"))
	if text := kept.String(); len(text) != tailBytes || !strings.HasSuffix(text, "xend") {
		t.Errorf("kept %d bytes ending in %q", len(text), text[len(text)-4:])
	}
}

func TestFirstLineComesOnceWhole(t *testing.T) {
	found := make(chan string, 2)
	line := firstLine{found: found}
	for _, part := range []string{"liste", "ning x", ":1\r\nmore\n", "lines\n"} {
		_, _ = line.Write([]byte(part))
	}
	if len(found) != 1 {
		t.Fatalf("%d lines", len(found))
	}
	if got := <-found; got != "listening x:1" {
		t.Errorf("first line %q", got)
	}
}
