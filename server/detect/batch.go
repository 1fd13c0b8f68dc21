package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"touchstone/server/detect/crawl"
)

// judgeItem judges one item of a batch.
func (d *Detector) judgeItem(it item) result {
	if it.problem != nil {
		return result{ID: it.id, Error: &itemError{it.problem.Field, it.problem.Description}}
	}
	v := d.cfg.Judge(it.text)
	return result{ID: it.id, Verdict: &v}
}

// judgeAll judges the items of a batch on all processors. The results are in
// the order of the items. A panic of the judge is passed on to the caller, who
// may survive it; in the goroutine it would end the program.
func (d *Detector) judgeAll(ctx context.Context, items []item) ([]result, error) {
	results := make([]result, len(items))
	var next atomic.Int64
	var panicked atomic.Pointer[string]
	work := func() {
		defer func() {
			if p := recover(); p != nil {
				message := fmt.Sprintf("%v\n%s", p, debug.Stack())
				panicked.CompareAndSwap(nil, &message)
			}
		}()
		for ctx.Err() == nil && panicked.Load() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(items) {
				return
			}
			results[i] = d.judgeItem(items[i])
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		workers.Go(work)
	}
	workers.Wait()
	if message := panicked.Load(); message != nil {
		panic(*message)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return results, nil
}

// Each answers one request in parts: it calls emit with one answer per item of
// a batch or page of a crawl, in order, each as soon as it is there. Other types
// have one part, the same as Detect's answer. An error of emit ends the work,
// and is returned as it is; the others are those of Detect.
func (d *Detector) Each(ctx context.Context, content string, emit func(data string) error) error {
	req, err := parseRequest(content, d.cfg.Limits)
	if err != nil {
		return err
	}
	switch {
	case req.kind == TextBatch:
		return d.eachItem(ctx, req, emit)
	case req.kind == Crawler && d.cfg.Upstream == nil:
		return d.eachPage(ctx, req, emit)
	}
	a, err := d.answer(ctx, content)
	if err != nil {
		return err
	}
	return emit(a.data)
}

// eachItem answers the items of a batch one after the other.
func (d *Detector) eachItem(ctx context.Context, req *request, emit func(data string) error) error {
	for i, it := range req.items {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		data, err := d.part(ctx, req, i, it)
		if err != nil {
			return err
		}
		if err := emit(data); err != nil {
			return err
		}
	}
	return nil
}

// part answers one item. The upstream gets it as a request of its own, of type
// TEXT with the item's id.
func (d *Detector) part(ctx context.Context, req *request, index int, it item) (string, error) {
	if d.cfg.Upstream == nil || it.problem != nil {
		return encode(itemData{req.head(), index, d.judgeItem(it)})
	}
	content, err := json.Marshal(struct {
		RequestType string `json:"request_type"`
		RequestID   string `json:"request_id"`
		Content     string `json:"content"`
	}{Text.String(), it.id, it.text})
	if err != nil {
		return "", fmt.Errorf("encode item %d: %w", index, err)
	}
	return d.cfg.Upstream.Post(ctx, string(content))
}

// eachPage answers the pages of a site in the order in which they are judged.
func (d *Detector) eachPage(ctx context.Context, req *request, emit func(data string) error) error {
	index := 0
	_, err := d.walk(ctx, req, func(page crawl.Page) error {
		data, err := encode(pageData{req.head(), index, page})
		if err != nil {
			return err
		}
		index++
		return emit(data)
	})
	return err
}
