// Package crawl judges web sites: page by page, breadth first, texts and
// pictures, with the links between the pages as a graph.
//
// A graph holds no pointers. Its pages are a table and its links are pairs of
// indices into it, so that a graph with cycles can be sent as JSON, judged
// again elsewhere, and sent back.
//
// # What is followed
//
// Links are followed within the host of the first page, where its redirects
// have led. Links to other hosts are counted as skipped, unless OtherHosts is set. Pictures
// are fetched from any host, since sites keep them on those of others. All of
// it goes through the client of the Config, which decides on addresses.
//
// robots.txt is not asked for, nor is rel=nofollow looked at: a site could
// otherwise ask not to be judged. What keeps a crawl polite is that there is
// one request at a time and that all of it is bounded.
//
// Note: gocolly/colly was considered for fetching. It takes over the client's
// redirects and cookies, truncates a body without a word, unpacks some gzip
// bodies without a bound, reads settings from the environment, and passes no
// context to its callbacks. What remains of its work is a queue, so this
// package uses golang.org/x/net/html directly.
package crawl

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"touchstone/server/detect/guard"
	"touchstone/server/detect/image"
	"touchstone/server/detect/verdict"
)

// Defaults of a Config.
const (
	DefaultMaxDepth      = 5
	DefaultMaxPages      = 50
	DefaultMaxImages     = 100
	DefaultMaxPageBytes  = 1 << 20
	DefaultMaxImageBytes = 10 << 20
	DefaultMaxBytes      = 64 << 20
	DefaultTimeout       = 30 * time.Second
)

// Config is what a crawler needs. The zero value judges nothing, and fetches
// from public addresses.
type Config struct {
	// Judge decides on texts. Nil lets every text pass.
	Judge func(string) verdict.Verdict

	// Image decides on a picture by its bytes. Nil: pictures are not fetched.
	Image func(context.Context, []byte) (image.Result, error)

	// Known decides on a picture of a handed-in graph by what is told about
	// it, usually (*image.Detector).Known. Nil keeps the verdict that was
	// handed in.
	Known func(image.Result) image.Result

	// Client fetches. Nil is a client of a guard that allows public
	// addresses only. Its Timeout bounds each request.
	Client *http.Client

	// OtherHosts also follows links to other hosts than the first page's.
	OtherHosts bool

	MaxDepth      int           // the largest Depth of a Job; 0 is DefaultMaxDepth
	MaxPages      int           // the largest MaxPages of a Job; 0 is DefaultMaxPages
	MaxImages     int           // pictures fetched in a crawl; 0 is DefaultMaxImages
	MaxPageBytes  int           // a longer page is judged by its beginning; 0 is DefaultMaxPageBytes
	MaxImageBytes int           // a larger picture is not judged; 0 is DefaultMaxImageBytes
	MaxBytes      int           // of all bodies in a crawl; 0 is DefaultMaxBytes
	Timeout       time.Duration // of a crawl; 0 is DefaultTimeout
}

// Crawler judges sites. It is safe for concurrent use.
type Crawler struct {
	cfg Config
}

// New returns a crawler with the defaults of cfg filled in.
func New(cfg Config) *Crawler {
	if cfg.Judge == nil {
		cfg.Judge = func(string) verdict.Verdict { return verdict.Normal() }
	}
	if cfg.Known == nil {
		cfg.Known = func(r image.Result) image.Result { return r }
	}
	if cfg.Client == nil {
		cfg.Client = guard.New(nil).Client(0)
	}
	cfg.MaxDepth = cmp.Or(cfg.MaxDepth, DefaultMaxDepth)
	cfg.MaxPages = cmp.Or(cfg.MaxPages, DefaultMaxPages)
	cfg.MaxImages = cmp.Or(cfg.MaxImages, DefaultMaxImages)
	cfg.MaxPageBytes = cmp.Or(cfg.MaxPageBytes, DefaultMaxPageBytes)
	cfg.MaxImageBytes = cmp.Or(cfg.MaxImageBytes, DefaultMaxImageBytes)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	return &Crawler{cfg: cfg}
}

// Job is a site to crawl.
type Job struct {
	URL      string
	Depth    int // links from the first page; 0 is that page alone
	MaxPages int // 0 is the Config's
}

// Crawl fetches and judges a site. It calls emit, unless nil, with each page
// as soon as it is judged, in the order of the graph's table; emit must not
// change what the page refers to. An error of emit ends the crawl, and is
// returned as it is.
//
// A page that cannot be fetched is data: its status is 0 and its Error says
// why. So are the pages that are left when the limit of bytes or time is
// reached. Errors are *Invalid for the job, *Unreachable when the very first
// page could not be fetched, a wrapped *guard.Blocked when its address was
// refused, and the cause of ctx's end.
func (c *Crawler) Crawl(ctx context.Context, job Job, emit func(Page) error) (*Graph, error) {
	root, err := c.accept(&job)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errTime)
	defer cancel()
	w := c.newWalk(job)
	w.add(root, 0)
	for i := 0; i < len(w.graph.Pages); i++ { // which grows
		err := w.visit(limited, i)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil && i == 0 {
			return nil, unreachable(job.URL, err)
		}
		if err != nil {
			w.graph.Pages[i].Error = err.Error()
		}
		if err := offer(emit, w.graph.Pages[i]); err != nil {
			return nil, err
		}
	}
	return w.graph, nil
}

// offer calls emit, if there is one.
func offer(emit func(Page) error, page Page) error {
	if emit == nil {
		return nil
	}
	return emit(page)
}

// accept checks a job, and fills in its default.
func (c *Crawler) accept(job *Job) (address, error) {
	var bad []Violation
	root, err := parse(job.URL)
	if err != nil {
		bad = append(bad, Violation{"url", err.Error()})
	}
	if job.Depth < 0 || job.Depth > c.cfg.MaxDepth {
		bad = append(bad, Violation{"depth", fmt.Sprintf("is %d, want 0 to %d", job.Depth, c.cfg.MaxDepth)})
	}
	if job.MaxPages < 0 || job.MaxPages > c.cfg.MaxPages {
		bad = append(bad, Violation{"max_pages", fmt.Sprintf("is %d, want 1 to %d", job.MaxPages, c.cfg.MaxPages)})
	}
	if bad != nil {
		return address{}, &Invalid{Violations: bad}
	}
	job.MaxPages = cmp.Or(job.MaxPages, c.cfg.MaxPages)
	return root, nil
}

// Judge judges a handed-in graph without fetching anything: the texts of its
// pages, and its pictures by what is told about them. It returns an updated
// copy; g stays as it is. emit is as in Crawl. Errors are *Invalid, an error
// of emit, and the cause of ctx's end.
func (c *Crawler) Judge(ctx context.Context, g *Graph, emit func(Page) error) (*Graph, error) {
	if bad := g.Validate(); bad != nil {
		return nil, &Invalid{Violations: bad}
	}
	out := g.clone()
	for i := range out.Pages {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		page := &out.Pages[i]
		for k, img := range page.Images {
			if img.Result != nil {
				known := c.cfg.Known(*img.Result)
				page.Images[k].Result = &known
			}
		}
		c.judge(page)
		if err := offer(emit, *page); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judge gives a page the worst of the verdicts on its text and its pictures.
func (c *Crawler) judge(page *Page) {
	page.Verdict = verdict.Normal()
	if text := page.judged(); text != "" {
		page.Verdict = c.cfg.Judge(text)
	}
	for _, img := range page.Images {
		if img.Result != nil {
			page.Verdict = verdict.Worst(page.Verdict, img.Result.Verdict)
		}
	}
}
