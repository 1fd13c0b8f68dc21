package crawl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// Limits of a handed-in graph. Those of a crawl are far below.
const (
	MaxGraphPages  = 1000
	MaxGraphLinks  = 100_000
	MaxGraphImages = 100      // a page
	MaxTextBytes   = 1 << 20  // of a page's text
	MaxGraphBytes  = 16 << 20 // of all texts
)

const (
	maxURL        = 2048 // bytes
	maxViolations = 20   // a hopeless graph need not be described in full
)

// Graph is a site: a table of pages, and the links between them.
type Graph struct {
	Pages []Page `json:"pages"`

	// Links are pairs of indices into Pages, from and to. Cycles and links of
	// a page to itself are allowed. After a crawl they are in the order in
	// which they were met, each once.
	Links [][2]int `json:"links"`
}

// Page is one page. A handed-in page needs a url only.
type Page struct {
	URL       string   `json:"url"`                 // as it was asked for, normalised
	Redirects []string `json:"redirects,omitempty"` // where that led; the last one is where the page is
	Status    int      `json:"status"`              // of HTTP; 0 when the page was not fetched
	Depth     int      `json:"depth"`               // links from the first page
	Title     string   `json:"title"`
	Text      string   `json:"text,omitempty"` // what a reader sees, a line for each block

	// Verdict is the worst on text and pictures. The spans of a text's hits
	// count in the title, a line feed and the text; in the text alone when
	// the title is empty.
	verdict.Verdict

	Images    []Image `json:"images,omitempty"`
	Skipped   int     `json:"skipped,omitempty"`   // links that were not followed
	Truncated bool    `json:"truncated,omitempty"` // only the beginning of the page was read
	Error     string  `json:"error,omitempty"`     // why there is no page, or no text of it
}

// Image is a picture in a page: judged, or not for the reason in Error.
type Image struct {
	URL    string        `json:"url"`
	Result *image.Result `json:"result,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// judged is the text that is judged.
func (p *Page) judged() string {
	if p.Title == "" {
		return p.Text
	}
	return p.Title + "\n" + p.Text
}

// UnmarshalJSON reads a graph strictly: an unknown field is an error, and so is
// a link that is not a pair, which encoding/json would cut or fill up.
func (g *Graph) UnmarshalJSON(data []byte) error {
	var raw struct {
		Pages []Page  `json:"pages"`
		Links [][]int `json:"links"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return err
	}
	links := make([][2]int, len(raw.Links))
	for i, l := range raw.Links {
		if len(l) != 2 {
			return fmt.Errorf("links[%d] has %d numbers, want a pair", i, len(l))
		}
		links[i] = [2]int(l)
	}
	*g = Graph{Pages: raw.Pages, Links: links}
	return nil
}

// clone returns a copy that shares nothing that a judge may change.
func (g *Graph) clone() *Graph {
	out := &Graph{Pages: slices.Clone(g.Pages), Links: append([][2]int{}, g.Links...)}
	for i := range out.Pages {
		page := &out.Pages[i]
		page.Redirects = slices.Clone(page.Redirects)
		page.Hits = slices.Clone(page.Hits)
		page.Images = slices.Clone(page.Images)
		for k, img := range page.Images {
			if img.Result != nil {
				result := *img.Result
				result.Hits = append([]verdict.Hit{}, result.Hits...)
				result.QR = append([]string{}, result.QR...)
				page.Images[k].Result = &result
			}
		}
	}
	return out
}

// Violation is one thing that is wrong with a job or a graph.
type Violation struct {
	Field       string // such as links[3][1]
	Description string // such as "is 7, want 0 to 6"
}

// Validate returns what is wrong with a handed-in graph, nil for nothing: too
// many pages, links, pictures or bytes, an index without a page, a page without
// an address, a depth or status that cannot be. It stops after 20.
func (g *Graph) Validate() []Violation {
	var v violations
	v.within("pages", len(g.Pages), 1, MaxGraphPages)
	v.within("links", len(g.Links), 0, MaxGraphLinks)
	if len(v) > 0 {
		return v // the rest would take as long as it is large
	}
	total := 0
	for i := range g.Pages {
		v.page(fmt.Sprintf("pages[%d]", i), &g.Pages[i])
		total += len(g.Pages[i].judged())
	}
	if total > MaxGraphBytes {
		v.addf("pages", "have %d bytes of text, the limit is %d", total, MaxGraphBytes)
	}
	for i, link := range g.Links {
		for end, page := range link {
			if page < 0 || page >= len(g.Pages) {
				v.addf(fmt.Sprintf("links[%d][%d]", i, end), "is %d, want 0 to %d", page, len(g.Pages)-1)
			}
		}
	}
	return v
}

// violations collects, up to maxViolations.
type violations []Violation

func (v *violations) addf(field, format string, args ...any) {
	if len(*v) < maxViolations {
		*v = append(*v, Violation{field, fmt.Sprintf(format, args...)})
	}
}

// within checks the number of a field's items.
func (v *violations) within(field string, n, low, high int) {
	if n < low || n > high {
		v.addf(field, "has %d items, want %d to %d", n, low, high)
	}
}

// page checks one page.
func (v *violations) page(field string, p *Page) {
	switch {
	case p.URL == "":
		v.addf(field+".url", "is empty")
	case len(p.URL) > maxURL:
		v.addf(field+".url", "has %d bytes, the limit is %d", len(p.URL), maxURL)
	}
	if n := len(p.judged()); n > MaxTextBytes {
		v.addf(field+".text", "has %d bytes with the title, the limit is %d", n, MaxTextBytes)
	}
	if p.Depth < 0 {
		v.addf(field+".depth", "is %d, want 0 or more", p.Depth)
	}
	if p.Status < 0 || p.Status > 999 {
		v.addf(field+".status", "is %d, want 0 to 999", p.Status)
	}
	v.within(field+".images", len(p.Images), 0, MaxGraphImages)
	for i, img := range p.Images[:min(len(p.Images), MaxGraphImages)] {
		if img.Result != nil {
			v.picture(fmt.Sprintf("%s.images[%d].result", field, i), img.Result)
		}
	}
}

// picture checks what is told about a picture.
func (v *violations) picture(field string, r *image.Result) {
	v.within(field+".image.qr", len(r.QR), 0, MaxGraphImages)
	total := 0
	for _, text := range r.QR {
		total += len(text)
	}
	if total > MaxTextBytes {
		v.addf(field+".image.qr", "has %d bytes, the limit is %d", total, MaxTextBytes)
	}
}
