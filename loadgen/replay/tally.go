package replay

import (
	"fmt"
	"sync"
	"time"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// tally adds up what calls showed. It is safe for concurrent use.
type tally struct {
	mu                     sync.Mutex // guards what follows
	groups                 diff.Groups
	response, service, lag *hist.Histogram
	recorded               *hist.Histogram // how long the calls took in the recording
	statuses               map[string]int64
	sent, completed        int64
	cancelled              int64
	methods                map[string]transport.Kind
	first, last, done      time.Time // due: the first and last; ended: the last
	window                 report.Window
	windowTimes            *hist.Histogram
	windows                []report.Window
}

func newTally(int) *tally {
	return &tally{
		response: hist.New(), service: hist.New(), lag: hist.New(), recorded: hist.New(), windowTimes: hist.New(),
		statuses: map[string]int64{}, methods: map[string]transport.Kind{}, window: report.Window{Statuses: map[string]int64{}},
	}
}

// record takes a leg of a call that was due at a moment.
func (t *tally) record(c *call, l *leg, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.descriptor != nil {
		t.methods[c.method] = transport.KindOf(c.descriptor.IsStreamingClient(), c.descriptor.IsStreamingServer())
	} else {
		t.methods[c.method] = transport.BidiStream
	}
	if t.first.IsZero() || due.Before(t.first) {
		t.first = due
	}
	if due.After(t.last) {
		t.last = due
	}
	t.sent++
	t.window.Sent++
	if l.start.IsZero() || l.cutOff() {
		t.cancelled++
		return
	}
	t.completed++
	t.window.Completed++
	t.lag.Record(seconds(due, l.start))
	t.service.Record(seconds(l.start, l.done))
	t.response.Record(seconds(due, l.done))
	t.windowTimes.Record(seconds(due, l.done))
	if l.target == 0 && c.answer.Latency > 0 {
		t.recorded.Record(c.answer.Latency)
	}
	name := report.StatusName(l.answer.Status)
	t.statuses[name]++
	t.window.Statuses[name]++
	if l.done.After(t.done) {
		t.done = l.done
	}
}

// compared takes the outcome of a comparison.
func (t *tally) compared(c *call, r diff.Result, noise bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if noise {
		t.groups.AddNoise(c.method, r)
		return
	}
	t.groups.Add(c.method, c.number, r)
}

// maxWindows bounds how many seconds are kept.
const maxWindows = 24 * 3600

// watch closes a window every second, until it is told to stop.
func (t *tally) watch(start time.Time, progress func(report.Window)) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for second := 0; ; second++ {
			select {
			case <-ticker.C:
				w := t.closeWindow(float64(second))
				if progress != nil {
					progress(w)
				}
			case <-done:
				t.closeWindow(float64(second))
				return
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// closeWindow ends a second.
func (t *tally) closeWindow(second float64) report.Window {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.window
	w.T, w.Max = second, report.Milliseconds(t.windowTimes.Max())
	w.P50, w.P99 = report.Quantile(t.windowTimes, 0.5), report.Quantile(t.windowTimes, 0.99)
	if len(t.windows) < maxWindows {
		t.windows = append(t.windows, w)
	}
	t.window = report.Window{Statuses: map[string]int64{}}
	t.windowTimes.Reset()
	return w
}

// load returns the figures.
func (t *tally) load(pace Pace) report.Load {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := report.Load{
		Name: "replay", Transport: "channel", Arrival: pace.String(), Kind: "mixed", Method: fmt.Sprintf("%d methods", len(t.methods)),
		Scheduled: t.sent, Sent: t.sent, Completed: t.completed, Cancelled: t.cancelled, Statuses: t.statuses, Replayed: true,
		Response: report.Latencies(t.response), Service: report.Latencies(t.service), Lag: report.Latencies(t.lag),
		Windows: t.windows,
	}
	if len(t.methods) == 1 {
		for name, kind := range t.methods {
			l.Method, l.Kind = "/"+name, kind.String()
		}
	}
	span := t.last.Sub(t.first)
	if n := float64(t.sent); n > 1 && span > 0 {
		l.OfferedRPS = (n - 1) / span.Seconds()
	}
	if span = max(span, t.done.Sub(t.first)); span > 0 {
		l.AchievedRPS = float64(t.completed) / span.Seconds()
	}
	return l
}

// diff returns what the comparison found, and how long the calls took in the
// recording.
func (t *tally) diff() *report.Diff {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.groups.Report()
	if t.recorded.Count() > 0 {
		recorded := report.Latencies(t.recorded)
		d.Recorded = &recorded
	}
	return d
}

// String names the pace in reports.
func (p Pace) String() string {
	switch {
	case p.ASAP:
		return "as fast as allowed"
	case p.Rate > 0:
		return fmt.Sprintf("constant %v/s", p.Rate)
	case p.speed() != 1:
		return fmt.Sprintf("as recorded, %vx", p.speed())
	}
	return "as recorded"
}
