package html_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

func Example() {
	r := &report.Report{Name: "smoke"}
	r.Finish()
	var page strings.Builder
	if err := html.Write(&page, r); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Contains(page.String(), "Content-Security-Policy"))
	// Output: true
}

// write renders and parses a page.
func write(t *testing.T, r *report.Report) (string, *nethtml.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := html.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	doc, err := nethtml.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), doc
}

func attr(n *nethtml.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func TestPageIsSelfContained(t *testing.T) {
	for name, r := range map[string]*report.Report{"passing": passing(), "hostile": failing(evil), "invalid": invalid(), "empty": finished(&report.Report{})} {
		t.Run(name, func(t *testing.T) {
			_, doc := write(t, r)
			policy, data, scripts := "", "", 0
			for n := range doc.Descendants() {
				for _, key := range []string{"src", "href", "action", "style", "onerror", "onclick", "srcset"} {
					if v := attr(n, key); v != "" && !(key == "href" && strings.HasPrefix(v, "#")) {
						t.Errorf("<%s> has %s=%q", n.Data, key, v)
					}
				}
				switch {
				case n.Data == "meta" && attr(n, "http-equiv") == "Content-Security-Policy":
					policy = attr(n, "content")
				case n.Data == "script" && attr(n, "id") == "data":
					data = n.FirstChild.Data
				case n.Type == nethtml.ElementNode && n.Data == "script":
					scripts++
				case n.Data == "img" || n.Data == "link" || n.Data == "iframe":
					t.Errorf("the page has a <%s>", n.Data)
				}
			}
			if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy = %q", policy)
			}
			if scripts != 4 {
				t.Errorf("the page has %d scripts, want uPlot and three of its own", scripts)
			}
			var block struct{ Loads []any }
			if err := json.Unmarshal([]byte(data), &block); err != nil || len(block.Loads) != len(r.Loads) {
				t.Errorf("the data block holds %d loads, %v, want %d", len(block.Loads), err, len(r.Loads))
			}
		})
	}
}

func TestSectionsStandInOrder(t *testing.T) {
	r := failing("plain")
	r.Loads = append(r.Loads, passing().Loads...)
	page, _ := write(t, r)
	at := -1
	for _, mark := range []string{"Failed</span>", "error_rate", `id="validity"`, `data-chart="curve"`, `data-chart="latency"`, `data-chart="rate"`, `data-chart="flight"`, `data-chart="errors"`,
		">By method</h3>", ">Stream</h3>", "<h2>Slowest, failed", "<h2>Scenarios", `class="want mono"`, "<h2>Retry checks", "<h2>Differences", "<h2>Capacity", "<h2>Environment"} {
		next := strings.Index(page[at+1:], mark)
		if next < 0 {
			t.Fatalf("%s is missing, or stands too early", mark)
		}
		at += 1 + next
	}
}

func TestForeignTextDoesNotAct(t *testing.T) {
	page, doc := write(t, failing(evil))
	for _, forbidden := range []string{"<script>alert", "<img", "\x1b", "\x00", "\u202e"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	var text strings.Builder
	for n := range doc.Descendants() {
		if n.Type == nethtml.TextNode {
			text.WriteString(n.Data)
		}
	}
	if want := `\x1b[31m\x00</script><script>alert(1)</script>`; !strings.Contains(text.String(), want) {
		t.Errorf("the text does not show %q", want)
	}
}

func TestQuantileWithoutSupportIsSaid(t *testing.T) {
	page, _ := write(t, passing())
	for _, want := range []string{"too few", "lag p99 needs 368 samples, there are 300"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestManyWindowsStaySmallAndKeepPeaks(t *testing.T) {
	r := huge()
	r.Loads[0].Windows[54_321].Max = 4711
	page, _ := write(t, r)
	if len(page) > 5<<20 {
		t.Errorf("the page has %d bytes, want at most 5 MB", len(page))
	}
	if !strings.Contains(page, "<td class=\"n\">4,711</td>") {
		t.Error("the peak is lost")
	}
	if rows := strings.Count(page, "<tr>"); rows > 2300 {
		t.Errorf("the tables have %d rows", rows)
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, r := range map[string]*report.Report{"an hour": hour(b), "100,000 windows": huge()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := html.Write(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
