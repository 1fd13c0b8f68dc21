package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"touchstone/loadgen/live"
	"touchstone/loadgen/render"
)

// console is stderr: a log of plain text, below which a view can be drawn
// again and again. What is logged meanwhile scrolls past above the view. It is
// safe for concurrent use.
type console struct {
	out    io.Writer
	screen func() (live.Screen, bool) // false: nothing is drawn

	mu   sync.Mutex // guards what follows, and out
	view []string   // the lines that are drawn now
}

func newConsole(out io.Writer) *console { return &console{out: out, screen: screenOf(out)} }

// screenOf returns what tells the size of the terminal that is behind a
// writer, each time it is asked. Without one, or on one that is dumb, nothing
// is to be drawn.
func screenOf(out io.Writer) func() (live.Screen, bool) {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return func() (live.Screen, bool) { return live.Screen{}, false }
	}
	return func() (live.Screen, bool) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			width, height = 80, 24
		}
		return live.Screen{Width: width, Height: height, Color: os.Getenv("NO_COLOR") == ""}, true
	}
}

// Write logs a text, with everything that acts on a terminal spelled out.
func (c *console) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	printed := render.Lines(string(text))
	if len(c.view) > 0 && strings.HasSuffix(printed, "\n") {
		printed = c.erasure() + printed + drawing(c.view)
	}
	if _, err := io.WriteString(c.out, printed); err != nil {
		return 0, err
	}
	return len(text), nil
}

// draw puts lines in the place of those drawn before; none take them away.
func (c *console) draw(lines []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(lines)+len(c.view) == 0 {
		return
	}
	_, _ = io.WriteString(c.out, c.erasure()+drawing(lines)) // a view is no result
	c.view = lines
}

// drawing returns the text of a view. The cursor ends below it, so that
// whatever ends the process leaves the terminal as it should be.
func drawing(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// erasure returns what takes the view away. A terminal that has become
// narrower since has wrapped its lines.
func (c *console) erasure() string {
	screen, ok := c.screen()
	if len(c.view) == 0 || !ok {
		return ""
	}
	rows := 0
	for _, line := range c.view {
		rows += max((render.Columns(plainText(line))+screen.Width-1)/screen.Width, 1)
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

// plainText returns a line of a view without its colours, which are the only
// sequences that it has.
func plainText(line string) string {
	for {
		start := strings.Index(line, "\x1b[")
		if start < 0 {
			return line
		}
		end := strings.IndexByte(line[start:], 'm')
		if end < 0 {
			return line[:start]
		}
		line = line[:start] + line[start+end+1:]
	}
}
