package html_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// TestLive opens the page of a run that goes on, in Chromium. It renews itself,
// charts and tables, keeps what the reader has opened, waits while a chart has
// the focus, and asks nobody but the server that it came from.
func TestLive(t *testing.T) {
	b := startBrowser(t)
	var seconds, asked atomic.Int64
	seconds.Store(5)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		asked.Add(1)
		n := seconds.Add(1)
		page := &report.Report{Name: "so far " + evil, Loads: []report.Load{run{name: "load " + evil, seconds: int(n), rate: 500, base: time.Millisecond, code: "UNAVAILABLE", failEvery: 3}.load()}}
		page.Finish()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := html.WriteLive(w, page); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)

	b.complaints = nil
	b.call(t, "Page.navigate", map[string]any{"url": server.URL + "/"}, nil)
	const second = `[...document.querySelectorAll("main table")].map(t => t.rows.length).reduce((a, b) => Math.max(a, b), 0)`
	waits := func(condition string) string {
		return b.evaluate(t, `new Promise(done => { const look = () => (`+condition+`) ? done("yes") : setTimeout(look, 50); setTimeout(() => done("no"), 60000); look(); })`)
	}
	if waits(`document.readyState === "complete" && document.querySelector(".uplot")`) != "yes" {
		t.Fatal("no chart is drawn")
	}
	b.evaluate(t, `document.querySelector("main details").open = true; window.before = `+second+`; document.querySelectorAll(".uplot").forEach(e => e.classList.add("old")); ""`)
	if waits(second+` > window.before && document.querySelector(".uplot") && !document.querySelector(".uplot.old")`) != "yes" {
		t.Error("tables and charts are not renewed")
	}
	if b.evaluate(t, `String(document.querySelector("main details").open)`) != "true" {
		t.Error("what the reader has opened is shut again")
	}
	if text := b.evaluate(t, `document.querySelector(".live").textContent`); !strings.Contains(text, "renews itself") {
		t.Errorf("the page says %q of itself", text)
	}

	b.evaluate(t, `document.querySelector(".chart").focus(); ""`)
	if waits(`document.querySelector(".live").textContent.includes("waits while you read")`) != "yes" {
		t.Error("the page goes on while a chart has the focus")
	}
	before := asked.Load()
	b.evaluate(t, `new Promise(done => setTimeout(() => done(""), 2500))`)
	if asked.Load() != before {
		t.Error("the page asks for itself while it waits")
	}
	b.evaluate(t, `dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"})); ""`)
	if waits(`document.querySelector(".live").textContent.includes("renews itself")`) != "yes" {
		t.Error("Escape does not let the page go on")
	}
	var foreign []string
	for _, text := range b.complaints {
		if !strings.HasPrefix(text, "Network.requestWillBeSent") || !strings.Contains(text, `"url":"`+server.URL+`/"`) {
			foreign = append(foreign, text)
		}
	}
	if len(foreign) > 0 {
		t.Errorf("complaints: %q", foreign)
	}

	b.complaints = nil
	server.CloseClientConnections()
	server.Close()
	if waits(`document.querySelector(".live").textContent.includes("The run is over")`) != "yes" {
		t.Error("the page does not notice the end of the run")
	}
}
