package crawl

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Bounds on what is taken from one page.
const (
	maxText       = 256 << 10 // bytes of text
	maxTitle      = 1 << 10   // bytes
	maxLinks      = 1000      // as written, before any is resolved
	maxPageImages = 50
)

// document is what is taken from a page.
type document struct {
	title, text   string
	base          address  // what links and images are relative to
	links, images []string // as the page writes them, in order
	cut           bool     // the text was too long
}

// reader takes a page apart.
//
// Note: it reads tokens and builds no tree. The work is linear in the size of
// the page, however deep its elements are nested, and a page that is cut off
// anywhere reads like its beginning.
type reader struct {
	document
	body    flow
	head    flow // the title
	inTitle bool
	hadBase bool
	dropped atom.Atom // the element whose text no reader sees
}

// extract takes the title, the text, the links and the pictures from a page
// of valid UTF-8 that was found at an address.
//
// The text is what a reader sees, and also what search engines do: the
// description and the keywords, and the texts that stand for pictures.
func extract(page string, at address) document {
	r := &reader{body: flow{limit: maxText}, head: flow{limit: maxTitle}}
	r.base = at
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			r.title, _ = r.head.done()
			r.text, r.cut = r.body.done()
			return r.document
		case html.TextToken:
			r.words(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			r.open(z)
		case html.EndTagToken:
			name, _ := z.TagName()
			r.close(atom.Lookup(name))
		}
	}
}

// words takes text.
func (r *reader) words(text string) {
	switch {
	case r.dropped != 0:
	case r.inTitle:
		r.head.write(text)
	default:
		r.body.write(text)
	}
}

// open takes a start tag.
func (r *reader) open(z *html.Tokenizer) {
	name, more := z.TagName()
	tag := atom.Lookup(name)
	switch tag {
	case atom.Script, atom.Style, atom.Iframe, atom.Noembed, atom.Noframes:
		r.dropped = tag // the tokenizer gives all of it as one text
	case atom.Noscript:
		z.NextIsNotRawText() // it is what a reader without scripts sees
	case atom.Title:
		r.inTitle = len(r.head.buf) == 0 // not that of a drawing further on
	}
	r.boundary(tag)
	attr := map[string]string{}
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if _, twice := attr[string(key)]; !twice { // the first one counts
			attr[string(key)] = string(value)
		}
	}
	r.attributes(tag, attr)
}

// close takes an end tag.
func (r *reader) close(tag atom.Atom) {
	if tag == r.dropped {
		r.dropped = 0
	}
	if tag == atom.Title {
		r.inTitle = false
	}
	r.boundary(tag)
}

// boundary breaks the line, unless an element stands within one.
func (r *reader) boundary(tag atom.Atom) {
	switch tag {
	case atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Del, atom.Dfn,
		atom.Em, atom.Font, atom.I, atom.Ins, atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.S, atom.Samp,
		atom.Small, atom.Span, atom.Strike, atom.Strong, atom.Sub, atom.Sup, atom.Tt, atom.U, atom.Var, atom.Wbr:
	default:
		r.body.newline()
	}
}

// attributes takes what an element says in its attributes.
func (r *reader) attributes(tag atom.Atom, attr map[string]string) {
	switch tag {
	case atom.A, atom.Area:
		r.link(attr, "href")
	case atom.Iframe, atom.Frame:
		r.link(attr, "src")
	case atom.Img:
		if src := attr["src"]; src != "" && len(r.images) < maxPageImages {
			r.images = append(r.images, src)
		}
	case atom.Base:
		r.rebase(attr)
	case atom.Meta:
		r.meta(attr)
	}
	for _, name := range []string{"alt", "title", "placeholder"} {
		if text := attr[name]; text != "" {
			r.body.newline()
			r.body.write(text)
			r.body.newline()
		}
	}
}

// link takes a link from the attribute of an element.
func (r *reader) link(attr map[string]string, name string) {
	if to, ok := attr[name]; ok && len(r.links) < maxLinks {
		r.links = append(r.links, to)
	}
}

// rebase takes the first <base href>.
func (r *reader) rebase(attr map[string]string) {
	href, ok := attr["href"]
	if !ok || r.hadBase {
		return
	}
	r.hadBase = true
	if to, err := url.Parse(strings.TrimSpace(href)); err == nil {
		if base, err := normal(r.base.ResolveReference(to)); err == nil {
			r.base = base
		}
	}
}

// meta takes the texts for search engines, and a redirect by <meta>.
func (r *reader) meta(attr map[string]string) {
	switch content := attr["content"]; {
	case strings.EqualFold(attr["name"], "description"), strings.EqualFold(attr["name"], "keywords"):
		r.body.newline()
		r.body.write(content)
		r.body.newline()
	case strings.EqualFold(attr["http-equiv"], "refresh"):
		_, to, _ := strings.Cut(content, ";")
		if name, to, ok := strings.Cut(to, "="); ok && strings.EqualFold(strings.TrimSpace(name), "url") {
			r.link(map[string]string{"url": strings.Trim(strings.TrimSpace(to), `'"`)}, "url")
		}
	}
}

// tidy lays out plain text as extract does the text of a page: one line for
// each, without white space at its ends or more than a space within.
func tidy(text string) (out string, cut bool) {
	f := flow{limit: maxText}
	for line := range strings.Lines(text) {
		f.write(line)
		f.newline()
	}
	return f.done()
}

// flow collects text with white space as a browser shows it: one space where
// there is some, one line feed between blocks, none at the ends.
type flow struct {
	buf   []byte
	gap   byte // what to write before the next word: 0, ' ' or '\n'
	limit int  // bytes
	cut   bool
}

// newline ends the line, if there is one.
func (f *flow) newline() { f.gap = '\n' }

// write adds text.
func (f *flow) write(text string) {
	for _, c := range text {
		switch {
		case f.cut:
			return
		case unicode.IsSpace(c):
			if f.gap == 0 {
				f.gap = ' '
			}
			continue
		}
		f.put(c)
	}
}

// put adds one character, and the gap before it.
func (f *flow) put(c rune) {
	if len(f.buf)+1+utf8.RuneLen(c) > f.limit {
		f.cut = true
		return
	}
	if f.gap != 0 && len(f.buf) > 0 {
		f.buf = append(f.buf, f.gap)
	}
	f.gap = 0
	f.buf = utf8.AppendRune(f.buf, c)
}

// done returns the text, and whether more was written than there was room for.
func (f *flow) done() (text string, cut bool) { return string(f.buf), f.cut }
