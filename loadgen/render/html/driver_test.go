package html_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// browser is a Chromium that is driven by the DevTools protocol over a pipe:
// JSON messages with a zero byte between them.
type browser struct {
	in         *os.File
	out        *bufio.Reader
	session    string
	last       int
	width      int      // of the window
	scheme     string   // of its colours
	complaints []string // of the page shown: exceptions, console errors, requests
}

// message is an answer or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// startBrowser skips the test where there is no Chromium, except in CI, which
// sets TOUCHSTONE_REQUIRE_BROWSER.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("TOUCHSTONE_REQUIRE_BROWSER") != "" {
			t.Fatal(err)
		}
		t.Skip("chromium is not installed: ", err)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "touchstone-browser-") // t.TempDir fails when a late process of the browser still writes
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+home, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_, _ = in.WriteString(`{"id":0,"method":"Browser.close"}` + "\x00")
		hung := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // its exit status is of no interest
		hung.Stop()
		in.Close()
		out.Close()
		_ = os.RemoveAll(home)
	})
	var target struct{ TargetID, SessionID string }
	b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(t, domain+".enable", nil, nil)
	}
	b.call(t, "Emulation.setScrollbarsHidden", map[string]any{"hidden": true}, nil) // pictures leave their room out
	// The empty page takes on what later pages change from.
	b.look(t, 1600, "light")
	return b
}

// call sends a command and waits for its answer.
func (b *browser) call(t *testing.T, method string, params, result any) {
	t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		t.Fatal(err)
	}
	answer := b.wait(t, func(m message) bool { return m.ID == b.last })
	if len(answer.Error) > 0 {
		t.Fatalf("%s: %s", method, answer.Error)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			t.Fatal(err)
		}
	}
}

// wait reads until a message fits, or the browser ends.
func (b *browser) wait(t *testing.T, fits func(message) bool) message {
	t.Helper()
	for {
		text, err := b.out.ReadBytes(0)
		if err != nil {
			t.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			t.Fatal(err)
		}
		b.note(m)
		if fits(m) {
			return m
		}
	}
}

// note keeps what a page must not do.
func (b *browser) note(m message) {
	params := string(m.Params)
	switch {
	case m.Method == "Runtime.exceptionThrown", m.Method == "Log.entryAdded",
		m.Method == "Runtime.consoleAPICalled",
		m.Method == "Network.requestWillBeSent" && !strings.Contains(params, `"url":"file:`):
		b.complaints = append(b.complaints, m.Method+" "+params)
	}
}

// look sets the width of the window, in pixels, and the colour scheme: light
// or dark.
func (b *browser) look(t *testing.T, width int, scheme string) {
	t.Helper()
	if b.width != width {
		b.width = width
		b.redraws(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})
	}
	if b.scheme != scheme {
		b.scheme = scheme
		b.redraws(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	}
}

// redraws sends a command that makes a page draw its charts again, and waits
// until none of the old ones is left.
func (b *browser) redraws(t *testing.T, method string, params map[string]any) {
	t.Helper()
	b.evaluate(t, `document.querySelectorAll(".uplot").forEach(e => e.classList.add("old")); ""`)
	b.call(t, method, params, nil)
	left := b.evaluate(t, `new Promise(done => {
		let frames = 0;
		const old = () => document.querySelectorAll(".uplot.old").length;
		const look = () => old() && frames++ < 600 ? requestAnimationFrame(look) : setTimeout(() => done(String(old())), 0);
		look();
	})`)
	if left != "0" {
		t.Fatalf("%s charts were not drawn again", left)
	}
}

// open shows a page and waits until it is drawn.
func (b *browser) open(t *testing.T, path string) {
	t.Helper()
	b.complaints = nil
	// The load event may come before the answer to navigate: ask the page.
	b.call(t, "Page.navigate", map[string]any{"url": "file://" + path}, nil)
	b.evaluate(t, `new Promise(done => { const ready = () => setTimeout(() => done("ready"), 0); document.readyState === "complete" ? ready() : addEventListener("load", ready); })`)
}

// evaluate returns the string that an expression, or its promise, results in.
func (b *browser) evaluate(t *testing.T, expression string) string {
	t.Helper()
	var out struct {
		Result           struct{ Value string }
		ExceptionDetails json.RawMessage
	}
	b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &out)
	if len(out.ExceptionDetails) > 0 {
		t.Fatalf("the page threw: %s", out.ExceptionDetails)
	}
	return out.Result.Value
}

// press sends a key as a keyboard does.
func (b *browser) press(t *testing.T, key string) {
	t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		code := map[string]int{"Tab": 9, "Enter": 13, "End": 35}[key]
		params := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if key == "Enter" && kind == "rawKeyDown" {
			params["type"], params["text"] = "keyDown", "\r"
		}
		b.call(t, "Input.dispatchKeyEvent", params, nil)
	}
}

// save keeps what a command results in: a picture, or a printed page.
func (b *browser) save(t *testing.T, path, method string, params map[string]any) []byte {
	t.Helper()
	var out struct{ Data []byte } // JSON writes bytes as base64, as the protocol does
	b.call(t, method, params, &out)
	if path == "" {
		return out.Data
	}
	if err := os.WriteFile(path, out.Data, 0o644); err != nil {
		t.Fatal(err)
	}
	return out.Data
}
