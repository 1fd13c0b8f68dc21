package html_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchstone/loadgen/report"
)

// save writes r as a page to a file.
func save(t *testing.T, r *report.Report) string {
	t.Helper()
	page, _ := write(t, r)
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// check returns what is wrong with the page that is open.
func (b *browser) check(t *testing.T) []string {
	t.Helper()
	script, err := os.ReadFile("testdata/check.js")
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	if err := json.Unmarshal([]byte(b.evaluate(t, string(script))), &wrong); err != nil {
		t.Fatal(err)
	}
	wrong = append(wrong, b.complaints...)
	b.complaints = nil
	return wrong
}

// look is how wide a page is shown, and in which colours.
type look struct {
	width  int
	scheme string
}

// TestBrowser opens reports in Chromium, from disk. With TOUCHSTONE_SCREENSHOTS
// set to a folder it leaves pictures there, to be looked at.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser is tried by make test")
	}
	b := startBrowser(t)
	for name, test := range map[string]func(*testing.T, *browser){
		"reports are whole": reportsAreWhole, "the check sees defects": checkSeesDefects, "the keyboard is enough": keyboardIsEnough,
		"foreign text is shown": foreignTextIsShown, "print": printed, "an hour opens": hourOpens,
	} {
		t.Run(name, func(t *testing.T) { test(t, b) })
	}
}

// reportsAreWhole checks every kind of report, wide and narrow, light and dark.
func reportsAreWhole(t *testing.T, b *browser) {
	t.Helper()
	for name, r := range map[string]*report.Report{
		"passing": passing(), "failing": failing("status of a call"), "hostile": failing(evil), "invalid": invalid(),
		"capacity": capacity(), "retry": retrying(), "diff": diffing(), "huge": huge(), "sparse": sparse(), "empty": finished(&report.Report{Name: "nothing"}),
	} {
		b.open(t, save(t, r))
		looks := []look{{1600, "light"}, {360, "dark"}}
		dir := os.Getenv("TOUCHSTONE_SCREENSHOTS")
		if dir != "" {
			looks = append(looks, look{360, "light"}, look{1600, "dark"})
		}
		for _, look := range looks {
			b.look(t, look.width, look.scheme)
			for _, text := range b.check(t) {
				t.Errorf("%s at %d pixels, %s: %s", name, look.width, look.scheme, text)
			}
			if dir != "" {
				b.save(t, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, look.width, look.scheme)), "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})
			}
		}
	}
}

// checkSeesDefects breaks a good page in each way that the check is
// there for.
func checkSeesDefects(t *testing.T, b *browser) {
	t.Helper()
	path := save(t, failing("plain"))
	for name, breaks := range map[string]string{
		"a blank chart":           `(c => c.getContext("2d").clearRect(0, 0, c.width, c.height))(document.querySelector("canvas"))`,
		"a chart with axes only":  `report.draw((d => { d.loads[0].heat.cells = []; return d; })(JSON.parse(document.getElementById("data").textContent)))`,
		"no canvas":               `document.querySelector("canvas").remove()`,
		"a chart out of reach":    `document.querySelector(".chart").removeAttribute("tabindex")`,
		"keys do nothing":         `document.querySelector(".chart").onkeydown = null`,
		"a twin without rows":     `document.querySelector("#table-time-0 tbody").textContent = ""`,
		"a twin that lacks cells": `document.querySelector("#table-time-0 tbody tr").deleteCell(0)`,
		"no twin":                 `document.querySelector("#table-time-0").remove()`,
		"a page too wide":         `document.querySelector("main").style.minWidth = "4000px"`,
		"a label as markup":       `document.querySelector(".chart").appendChild(document.createElement("img"))`,
		"a picture from outside":  `document.body.appendChild(new Image()).src = "http://127.0.0.1:9/x.png"`,
		"a script that fails":     `setTimeout(() => { throw new Error("broken"); }, 0)`,
		"talk on the console":     `console.error("oops")`,
		"an inline handler":       `document.body.setAttribute("onclick", "1"); document.body.click()`,
	} {
		t.Run(name, func(t *testing.T) {
			b.open(t, path)
			b.look(t, 1600, "light")
			if wrong := b.check(t); len(wrong) > 0 {
				t.Fatalf("wrong before anything was broken: %v", wrong)
			}
			b.evaluate(t, breaks+`; new Promise(done => setTimeout(() => done(""), 20))`)
			if wrong := b.check(t); len(wrong) == 0 {
				t.Error("the check saw nothing")
			}
		})
	}
}

// keyboardIsEnough goes through a page with the Tab key: every chart, every
// table's fold and every part that scrolls is reached, a fold opens with Enter.
func keyboardIsEnough(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, save(t, failing("plain")))
	b.look(t, 1600, "light")
	wanted := b.evaluate(t, `String(document.querySelectorAll(".chart, summary, .scroll, a[href], pre").length - [...document.querySelectorAll("details:not([open]) :is(.scroll, pre, summary, .chart)")].filter(e => !e.matches("details:not([open]) > summary") || e.parentElement.parentElement.closest("details:not([open])")).length)`)
	b.evaluate(t, `seen = new Set(); opened = 0; ""`)
	for range 300 {
		b.press(t, "Tab")
		where := b.evaluate(t, `(e => { if (e === document.body || seen.has(e)) return "done"; seen.add(e); return e.className + " " + e.tagName; })(document.activeElement)`)
		if where == "done" {
			break
		}
		if strings.HasPrefix(where, "chart ") {
			b.press(t, "End")
			if got := b.evaluate(t, `document.activeElement.querySelector(".u-value").textContent`); !strings.ContainsAny(got, "0123456789") {
				t.Errorf("a chart says %q at its end", got)
			}
		}
	}
	if got := b.evaluate(t, `String(seen.size)`); got != wanted {
		t.Errorf("the Tab key reaches %s parts, want %s", got, wanted)
	}
	b.evaluate(t, `document.querySelector("details:not([open]) > summary").focus(); fold = document.activeElement.parentElement; ""`)
	b.press(t, "Enter")
	if got := b.evaluate(t, `String(fold.open)`); got != "true" {
		t.Error("Enter opens no fold")
	}
}

// foreignTextIsShown reads the page as a browser does: foreign text is
// there as text, in the charts' legends too, and made no element.
func foreignTextIsShown(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, save(t, failing(evil)))
	text := b.evaluate(t, `document.querySelectorAll("details").forEach(d => d.open = true); document.body.innerText`)
	const want = `</script><script>alert(1)</script>"'`
	if n := strings.Count(text, `\x1b[31m\x00`+want); n < 25 {
		t.Errorf("the text stands %d times on the page, want every place that shows it", n)
	}
	if strings.ContainsAny(text, "\x1b\x00\u202e") {
		t.Error("a character acts")
	}
	if legend := b.evaluate(t, `[...document.querySelectorAll("[data-chart=errors] .u-label")].map(e => e.textContent).join()`); !strings.Contains(legend, want) {
		t.Errorf("the legend says %q", legend)
	}
	if n := b.evaluate(t, `String(document.querySelectorAll("main script, main img").length)`); n != "0" {
		t.Errorf("foreign text made %s elements", n)
	}
}

// printed prints a page: more than one sheet, and in light colours even when
// the screen is dark.
func printed(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, save(t, passing()))
	b.look(t, 1600, "dark")
	b.evaluate(t, `addEventListener("beforeprint", () => { onPaper = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim(); }); onPaper = ""`)
	path := ""
	if dir := os.Getenv("TOUCHSTONE_SCREENSHOTS"); dir != "" {
		path = filepath.Join(dir, "print.pdf")
	}
	pdf := b.save(t, path, "Page.printToPDF", map[string]any{"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69})
	if sheets := bytes.Count(pdf, []byte("/Type /Page\n")); sheets < 2 {
		t.Errorf("%d sheets", sheets)
	}
	if got := b.evaluate(t, `onPaper`); got != "#fff" {
		t.Errorf("the paper is %q", got)
	}
	if wrong := b.check(t); len(wrong) > 0 {
		t.Errorf("after printing: %v", wrong)
	}
}

// hourOpens counts the work that a report of an hour makes for a
// browser, and says how long it took. The time is no test: machines differ.
func hourOpens(t *testing.T, b *browser) {
	t.Helper()
	r := hour(t)
	page, _ := write(t, r)
	if len(page) > 5<<20 {
		t.Errorf("the page has %d bytes, want at most 5 MB", len(page))
	}
	b.look(t, 1600, "light")
	b.open(t, save(t, r))
	for _, text := range b.check(t) {
		t.Error(text)
	}
	counts := b.evaluate(t, `const all = JSON.parse(document.getElementById("data").textContent).loads;
		JSON.stringify({Nodes: document.querySelectorAll("*").length, Points: Math.max(...all.map(l => l.time.t.length)), Cells: Math.max(...all.map(l => l.heat.cells.length)), Ready: Math.round(performance.timing.loadEventEnd - performance.timing.navigationStart)})`)
	var work struct{ Nodes, Points, Cells, Ready int }
	if err := json.Unmarshal([]byte(counts), &work); err != nil {
		t.Fatal(err)
	}
	if work.Nodes > 120_000 || work.Points > 1200 || work.Cells > 240 {
		t.Errorf("%+v: too much work", work)
	}
	t.Logf("%d bytes, %+v (ready in milliseconds)", len(page), work)
}
