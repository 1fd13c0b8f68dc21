package crawl

import (
	"context"
	"fmt"
	"slices"

	"touchstone/server/detect/image"
)

// walk is one crawl. Pages get their index when a link to them is met, so that
// the table is in breadth-first order and links can be written down at once.
type walk struct {
	*Crawler
	job    Job
	graph  *Graph
	index  map[string]int    // of the page at an address, redirects included
	linked map[[2]int]bool   // what is in graph.Links
	images map[string]*Image // those judged already, by address
	host   string            // of the first page, "" until it is known
	budget int               // bytes that are left
}

func (c *Crawler) newWalk(job Job) *walk {
	return &walk{
		Crawler: c,
		job:     job,
		graph:   &Graph{Links: [][2]int{}},
		index:   map[string]int{},
		linked:  map[[2]int]bool{},
		images:  map[string]*Image{},
		budget:  c.cfg.MaxBytes,
	}
}

// add appends a page that is still to be visited, and returns its index.
func (w *walk) add(at address, depth int) int {
	i := len(w.graph.Pages)
	w.graph.Pages = append(w.graph.Pages, Page{URL: at.String(), Depth: depth})
	w.judge(&w.graph.Pages[i]) // so that it has a verdict if it is never fetched
	w.index[at.String()] = i
	return i
}

// link writes down a link, once.
func (w *walk) link(from, to int) {
	if pair := [2]int{from, to}; !w.linked[pair] {
		w.linked[pair] = true
		w.graph.Links = append(w.graph.Links, pair)
	}
}

// inside reports whether an address belongs to the site.
func (w *walk) inside(at address) bool {
	return w.cfg.OtherHosts || w.host == "" || at.Host == w.host
}

// visit fetches page i, judges it, and follows its links. An error says why
// the page was not fetched.
func (w *walk) visit(ctx context.Context, i int) error {
	at, err := parse(w.graph.Pages[i].URL)
	if err != nil {
		return err
	}
	got, err := w.fetch(ctx, request{at: at, limit: w.cfg.MaxPageBytes, follow: w.inside, accept: readable})
	if err != nil {
		return err
	}
	if w.host == "" {
		w.host = got.at.Host
	}
	page := &w.graph.Pages[i]
	page.Status, page.Truncated = got.status, got.cut
	for _, to := range got.trail {
		page.Redirects = append(page.Redirects, to.String())
	}
	if got.away {
		page.Error = errAway.Error()
		return nil
	}
	if elsewhere, known := w.alias(i, got); known {
		w.link(i, elsewhere)
		return nil
	}
	w.read(ctx, i, got)
	return nil
}

// alias makes page i known by the addresses that it redirected to. When there
// is another page at the last of them, alias returns that one.
func (w *walk) alias(i int, got *answer) (elsewhere int, known bool) {
	if j, ok := w.index[got.at.String()]; ok && j != i {
		return j, true
	}
	for _, to := range got.trail {
		if _, ok := w.index[to.String()]; !ok {
			w.index[to.String()] = i
		}
	}
	return 0, false
}

// read judges what was fetched for page i.
func (w *walk) read(ctx context.Context, i int, got *answer) {
	page := &w.graph.Pages[i]
	var doc document
	switch {
	case got.isHTML():
		doc = extract(got.text(), got.at)
	case got.isText():
		doc.text, doc.cut = tidy(got.text())
	case got.isImage():
		doc.base, doc.images = got.at, []string{got.at.String()}
	default:
		page.Error = fmt.Sprintf("content type %q is not judged", got.kind)
	}
	page.Title, page.Text = doc.title, doc.text
	page.Truncated = page.Truncated || doc.cut
	page.Images = w.pictures(ctx, doc.base, doc.images)
	w.judge(page)
	if got.status >= 200 && got.status < 300 {
		w.follow(i, doc)
	}
}

// follow writes down the links of page i and adds the pages that they lead to,
// as far as the limits allow. The links of an error page are not followed:
// they are the same on all of them.
func (w *walk) follow(i int, doc document) {
	depth, skipped := w.graph.Pages[i].Depth+1, map[string]bool{}
	for _, raw := range doc.links {
		to, err := doc.base.resolve(raw)
		if err != nil {
			continue // mailto:, javascript: and the like
		}
		j, known := w.index[to.String()]
		switch {
		case known:
		case w.inside(to) && depth <= w.job.Depth && len(w.graph.Pages) < w.job.MaxPages:
			j = w.add(to, depth)
		default:
			skipped[to.String()] = true
			continue
		}
		w.link(i, j)
	}
	w.graph.Pages[i].Skipped = len(skipped)
}

// pictures judges the pictures of a page: each address once in a page, and
// fetched once in a crawl.
func (w *walk) pictures(ctx context.Context, base address, sources []string) []Image {
	var out []Image
	for _, raw := range sources {
		if w.cfg.Image == nil || len(out) >= maxPageImages {
			break
		}
		img := w.picture(ctx, base, raw)
		if img != nil && !slices.ContainsFunc(out, func(o Image) bool { return o.URL == img.URL }) {
			out = append(out, *img)
		}
	}
	return out
}

// picture judges one picture, nil when its address means nothing to us.
func (w *walk) picture(ctx context.Context, base address, raw string) *Image {
	name, load := inline(raw)
	if load == nil {
		at, err := base.resolve(raw)
		if err != nil {
			return nil
		}
		name, load = at.String(), func() ([]byte, error) { return w.download(ctx, at) }
	}
	if img, done := w.images[name]; done {
		return img
	}
	if len(w.images) >= w.cfg.MaxImages {
		return &Image{URL: name, Error: errImages.Error()}
	}
	img := &Image{URL: name}
	data, err := load()
	if err == nil {
		var result image.Result
		result, err = w.cfg.Image(ctx, data)
		img.Result = &result
	}
	if err != nil {
		img.Result, img.Error = nil, plain(ctx, err).Error()
	}
	w.images[name] = img
	return img
}
