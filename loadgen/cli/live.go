package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"touchstone/loadgen/live"
	"touchstone/loadgen/live/web"
	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
)

// How often a run in progress is shown: drawn again on a terminal, and as one
// plain line elsewhere.
const (
	drawEvery  = 250 * time.Millisecond
	plainEvery = 5 * time.Second
)

// progressLine shows a run on stderr while it goes on: a few lines that are
// drawn again on a terminal, a line every few seconds elsewhere. Its methods
// are safe for concurrent use.
type progressLine struct {
	out   io.Writer
	view  *console // nil: nothing is drawn
	began time.Time

	over, ended chan struct{}
	once        sync.Once
	page        *web.Server // nil: there is none

	mu    sync.Mutex // guards state
	state live.State
}

// newProgressLine starts to show a load, which takes as long as expected if
// nothing goes wrong; 0 is not known. The caller ends it.
func newProgressLine(e *env, expected time.Duration) *progressLine {
	p := startProgress(e, live.State{})
	p.load("load", "", expected)
	return p
}

// startProgress starts to show a run. The caller ends it.
func startProgress(e *env, state live.State) *progressLine {
	p := &progressLine{out: e.stderr, began: time.Now(), state: state, over: make(chan struct{}), ended: make(chan struct{})}
	if view, ok := e.stderr.(*console); ok {
		if _, drawn := view.screen(); drawn {
			p.view = view
		}
	}
	go func() {
		defer close(p.ended)
		p.watch()
	}()
	return p
}

// registerLive adds the flag of the page.
func registerLive(fs *pflag.FlagSet, address *string) {
	fs.StringVar(address, "live", "", "address at which a page shows the run while it goes on, such as :8090, which is on this machine only; elsewhere its URL has a secret")
}

// watch shows the run until it is over.
func (p *progressLine) watch() {
	every, show := plainEvery, p.log
	if p.view != nil {
		every, show = drawEvery, p.draw
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			show(time.Now())
		case <-p.over:
			return
		}
	}
}

// serve shows the run as a page, too, at an address; "" shows none. head is the
// report of the run, as far as it is known.
func (p *progressLine) serve(ctx context.Context, address string, head *report.Report) error {
	if address == "" {
		return nil
	}
	page, err := web.Listen(ctx, address, func() *report.Report {
		p.mu.Lock()
		defer p.mu.Unlock()
		soFar := p.state.Report(*head)
		soFar.DurationMS = report.Milliseconds(time.Since(p.began))
		return soFar
	})
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("--live: %w", err))
	}
	p.page = page
	fmt.Fprintf(p.out, "live: %s\n", page.URL())
	return nil
}

// end stops showing the run, and takes the view away: what it showed is in the
// results. It may be called more than once.
func (p *progressLine) end() { p.once.Do(p.stop) }

func (p *progressLine) stop() {
	close(p.over)
	<-p.ended
	if p.page != nil {
		p.page.Close()
	}
	if p.view != nil {
		p.view.draw(nil)
	}
}

func (p *progressLine) draw(now time.Time) {
	screen, _ := p.view.screen()
	p.mu.Lock()
	lines := p.state.Lines(now, screen)
	p.mu.Unlock()
	p.view.draw(lines)
}

func (p *progressLine) log(now time.Time) {
	p.mu.Lock()
	line := p.state.Line(now)
	p.mu.Unlock()
	fmt.Fprintln(p.out, line)
}

// show adds a second of a load.
func (p *progressLine) show(w report.Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Window(w)
}

// load says which load runs from now on.
func (p *progressLine) load(name, arrival string, expected time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.StartLoad(live.Load{Name: name, Arrival: arrival, Began: time.Now(), Expected: expected})
}

// follow starts to show a run of scenarios, through the hooks of its runner.
// The caller ends it.
func follow(e *env, cfg *runner.Config) *progressLine {
	total := 0
	files, loads := map[string]*scenario.Program{}, map[string]*scenario.Load{}
	for _, program := range cfg.Programs {
		if cfg.Wants(program.File) {
			total++
			files[program.File.Source.Name] = program
		}
	}
	p := startProgress(e, live.State{Scenarios: live.Scenarios{Total: total}})
	cfg.Window = p.show
	cfg.Progress = func(what string) {
		if program := files[what]; program != nil {
			clear(loads)
			for _, l := range program.Loads {
				loads["load "+l.Name] = l
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.state.Start(what, time.Now())
		} else if l := loads[what]; l != nil {
			p.load(l.Name, l.Arrival.String(), expectedTime(l))
			if p.view == nil {
				fmt.Fprintln(p.out, what)
			}
		}
	}
	cfg.Ended = func(outcome report.Scenario) {
		p.mu.Lock()
		p.state.End(outcome)
		p.mu.Unlock()
		if p.view == nil && (outcome.Status == report.Failed || outcome.Status == report.Error) {
			fmt.Fprintf(p.out, "%s: %s\n", outcome.Status, outcome.File)
		}
	}
	return p
}

// expectedTime returns how long a load of a file takes if nothing goes wrong,
// 0 when that is not known.
func expectedTime(l *scenario.Load) time.Duration {
	d := l.Duration
	switch {
	case d > 0:
	case l.Requests == 0:
		d = l.Arrival.Length()
	case l.Arrival.Rate > 0:
		d = time.Duration(float64(l.Requests) / l.Arrival.Rate * float64(time.Second))
	}
	if d == 0 {
		return 0
	}
	return l.Warmup + d + l.Cooldown
}
