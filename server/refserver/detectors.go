package refserver

import (
	"touchstone/server/detect"
	"touchstone/server/detect/crawl"
	"touchstone/server/detect/guard"
	"touchstone/server/detect/image"
	"touchstone/server/detect/text"
	"touchstone/server/service"
)

// newServices puts the detectors together, and returns what lets go of their
// idle connections. All that requests make the server fetch goes through one
// client, behind one guard; the upstream is the operator's own choice, and has
// a client without one.
func newServices(cfg Config) (services service.Config, release func(), err error) {
	rules := cfg.Rules
	if rules == nil {
		rules = text.DefaultRules()
	}
	judge := text.New(rules).Judge
	client := guard.New(cfg.CrawlAllow).Client(0)
	pictures := image.New(image.Config{Judge: judge, Client: client})
	crawler := crawl.New(crawl.Config{Judge: judge, Image: pictures.Judge, Known: pictures.Known, Client: client})
	release = client.CloseIdleConnections
	var upstream *detect.Upstream
	if cfg.Upstream != "" {
		upstream, err = detect.NewUpstream(detect.UpstreamConfig{URL: cfg.Upstream})
		if err != nil {
			return service.Config{}, nil, err
		}
		release = func() { client.CloseIdleConnections(); upstream.Close() }
	}
	d := detect.New(detect.Config{
		Judge: judge, Image: pictures, Crawler: crawler, Upstream: upstream,
		Limits: detect.Limits{ContentBytes: cfg.MaxMessage},
	})
	return service.Config{
		Detector:   d,
		NewSummary: func() service.Summary { return d.NewSummary() },
		Log:        cfg.Log,
	}, release, nil
}
