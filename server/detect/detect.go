package detect

import (
	"cmp"
	"context"

	"touchstone/server/detect/crawl"
	"touchstone/server/detect/image"
	"touchstone/server/detect/text"
	"touchstone/server/detect/verdict"
)

// Limits bound a request. Zero fields are the defaults.
type Limits struct {
	ContentBytes int // of the JSON text; 0: 100 MiB
	TextBytes    int // of one text; 0: 1 MiB
	Items        int // of a batch; 0: 1,000
	IDBytes      int // of request_id and of the id of an item; 0: 256
	Depth        int // of nesting; 0: 32
}

func (l *Limits) fill() {
	l.ContentBytes = cmp.Or(l.ContentBytes, 100<<20)
	l.TextBytes = cmp.Or(l.TextBytes, 1<<20)
	l.Items = cmp.Or(l.Items, 1000)
	l.IDBytes = cmp.Or(l.IDBytes, 256)
	l.Depth = cmp.Or(l.Depth, 32)
}

// Config is what a detector works with. The zero value is a detector with the
// default rules that fetches from public addresses.
type Config struct {
	// Judge decides on texts. Nil: by the default rules.
	Judge func(string) verdict.Verdict

	// Image decides on images, and fetches them. Nil: one with Judge.
	Image *image.Detector

	// Crawler decides on sites. Nil: one with Judge and Image.
	Crawler *crawl.Crawler

	// Upstream answers all well-formed requests in the detectors' place. Nil:
	// none.
	Upstream *Upstream

	Limits Limits
}

// Detector answers requests. It is safe for concurrent use, and answers the
// same request with the same bytes as long as what it fetches is the same.
type Detector struct {
	cfg Config
}

// New returns a detector with the defaults of cfg filled in.
func New(cfg Config) *Detector {
	if cfg.Judge == nil {
		cfg.Judge = text.New(text.DefaultRules()).Judge
	}
	if cfg.Image == nil {
		cfg.Image = image.New(image.Config{Judge: cfg.Judge})
	}
	if cfg.Crawler == nil {
		cfg.Crawler = crawl.New(crawl.Config{Judge: cfg.Judge, Image: cfg.Image.Judge, Known: cfg.Image.Known})
	}
	cfg.Limits.fill()
	return &Detector{cfg: cfg}
}

// Detect answers one request, both as JSON text; the package comment describes
// them. Errors are *Invalid, *Unavailable, and the cause of ctx's end as it is.
func (d *Detector) Detect(ctx context.Context, content string) (data string, err error) {
	a, err := d.answer(ctx, content)
	return a.data, err
}

// answer is the answer to a request, with what a summary tells of it.
type answer struct {
	data string
	head
	standing
}

// answer parses and answers a request.
func (d *Detector) answer(ctx context.Context, content string) (answer, error) {
	req, err := parseRequest(content, d.cfg.Limits)
	if err != nil {
		return answer{}, err
	}
	if d.cfg.Upstream != nil {
		return d.ask(ctx, req, content)
	}
	return d.judge(ctx, req)
}

// ask has the upstream answer a request.
func (d *Detector) ask(ctx context.Context, req *request, content string) (answer, error) {
	data, err := d.cfg.Upstream.Post(ctx, content)
	if err != nil {
		return answer{}, err
	}
	return answer{data: data, head: req.head()}, nil
}

// judge answers a request with the own detectors.
func (d *Detector) judge(ctx context.Context, req *request) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx)
	}
	switch req.kind {
	case TextBatch:
		return d.judgeBatch(ctx, req)
	case Image:
		return d.judgeImage(ctx, req)
	case Crawler:
		return d.judgeSite(ctx, req)
	}
	v := d.cfg.Judge(req.text)
	return reply(req, v, textData{req.head(), v})
}

func (d *Detector) judgeBatch(ctx context.Context, req *request) (answer, error) {
	results, err := d.judgeAll(ctx, req.items)
	if err != nil {
		return answer{}, err
	}
	worst := verdict.Normal()
	for _, r := range results {
		if r.Verdict != nil {
			worst = verdict.Worst(worst, *r.Verdict)
		}
	}
	return reply(req, worst, batchData{req.head(), standingOf(worst), results})
}

func (d *Detector) judgeImage(ctx context.Context, req *request) (answer, error) {
	data, where := req.image.data, "image.base64"
	if req.image.url != "" {
		where = "image.url"
		var err error
		if data, err = d.cfg.Image.Fetch(ctx, req.image.url); err != nil {
			return answer{}, imageError(where, err)
		}
	}
	result, err := d.cfg.Image.Judge(ctx, data)
	if err != nil {
		return answer{}, imageError(where, err)
	}
	return reply(req, result.Verdict, imageData{req.head(), result})
}

func (d *Detector) judgeSite(ctx context.Context, req *request) (answer, error) {
	graph, err := d.walk(ctx, req, nil)
	if err != nil {
		return answer{}, err
	}
	worst, at := verdict.Normal(), 0
	for i, page := range graph.Pages {
		if v := verdict.Worst(worst, page.Verdict); v.Suggestion != worst.Suggestion || v.Score != worst.Score {
			worst, at = v, i
		}
	}
	return reply(req, worst, siteData{req.head(), worst, at, graph})
}

// walk crawls a site, or judges the graph that was handed in. It calls emit,
// unless nil, with each page.
func (d *Detector) walk(ctx context.Context, req *request, emit func(crawl.Page) error) (*crawl.Graph, error) {
	if req.graph != nil {
		graph, err := d.cfg.Crawler.Judge(ctx, req.graph, emit)
		return graph, crawlError("graph.", err)
	}
	graph, err := d.cfg.Crawler.Crawl(ctx, req.job, emit)
	return graph, crawlError("", err)
}
