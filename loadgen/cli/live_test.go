package cli

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/live"
	"touchstone/loadgen/report"
)

// In a pipe a run is told in a line every few seconds, and nothing is drawn.
func TestProgressInAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		line := newProgressLine(&env{stderr: newConsole(&out)}, 12*time.Second)
		for i := range 12 {
			time.Sleep(time.Second)
			line.show(report.Window{T: float64(i), Due: 10, Sent: 10, Completed: 10, Max: float64(i)})
		}
		line.end()
		want := "load: 5s of 12s: 10 wanted, 10 sent, 10 ended, 0 in flight, max 3.00 ms\n" +
			"load: 10s of 12s: 10 wanted, 10 sent, 10 ended, 0 in flight, max 8.00 ms\n"
		got := strings.ReplaceAll(strings.ReplaceAll(out.String(), "max 4.00", "max 3.00"), "max 9.00", "max 8.00") // both happen at that moment
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stderr (-want +got):\n%s", diff)
		}
	})
}

// terminal is a screen that interprets what a console writes.
type terminal struct {
	mu    sync.Mutex
	lines []string // the last one is that of the cursor
	width int
}

// Write takes text, and the two sequences that a console uses.
func (s *terminal) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := string(text)
	if len(s.lines) == 0 {
		s.lines = []string{""}
	}
	for rest != "" {
		var up int
		if after, ok := strings.CutPrefix(rest, "\x1b["); ok && !strings.HasPrefix(after, "J") {
			for after[0] != 'A' {
				up = up*10 + int(after[0]-'0')
				after = after[1:]
			}
			s.lines = s.lines[:max(len(s.lines)-up, 1)]
			s.lines[len(s.lines)-1] = ""
			rest = strings.TrimPrefix(after[1:], "\r\x1b[J")
			continue
		}
		line, after, broken := strings.Cut(rest, "\n")
		s.lines[len(s.lines)-1] += line
		for len([]rune(s.lines[len(s.lines)-1])) > s.width { // it wraps
			runes := []rune(s.lines[len(s.lines)-1])
			s.lines[len(s.lines)-1] = string(runes[:s.width])
			s.lines = append(s.lines, string(runes[s.width:]))
		}
		if broken {
			s.lines = append(s.lines, "")
		}
		rest = after
	}
	return len(text), nil
}

// resize wraps the lines anew, as a terminal does that becomes narrower.
func (s *terminal) resize(width int) {
	text := strings.Join(s.lines, "\n")
	s.lines, s.width = nil, width
	_, _ = s.Write([]byte(text))
}

func (s *terminal) check(t *testing.T, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append(want, ""), s.lines); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A view stands below the log, is drawn anew in its place, survives that the
// terminal becomes narrower, and leaves nothing behind.
func TestConsole(t *testing.T) {
	screen := &terminal{width: 20}
	c := newConsole(screen)
	c.screen = func() (live.Screen, bool) { return live.Screen{Width: screen.width, Height: 10}, true }
	c.Write([]byte("seed: 7\n"))
	c.draw([]string{"load a", "12345678901234567890"})
	screen.check(t, "first", "seed: 7", "load a", "12345678901234567890")
	c.draw([]string{"load b", "x", "y"})
	screen.check(t, "again", "seed: 7", "load b", "x", "y")
	c.Write([]byte("note: \x1b[2J\n"))
	screen.check(t, "logged meanwhile", "seed: 7", `note: \x1b[2J`, "load b", "x", "y")
	c.draw([]string{"load c", "12345678901234567890"})
	screen.resize(15)
	c.draw([]string{"load d"})
	screen.check(t, "narrower", "seed: 7", `note: \x1b[2J`, "load d")
	c.draw(nil)
	screen.check(t, "over", "seed: 7", `note: \x1b[2J`)
	c.Write([]byte("done\n"))
	screen.check(t, "afterwards", "seed: 7", `note: \x1b[2J`, "done")
}
