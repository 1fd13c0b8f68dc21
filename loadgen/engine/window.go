package engine

import (
	"fmt"
	"time"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// windower cuts the measured part of a run into seconds, and adds them up.
type windower struct {
	run     *run
	windows []report.Window
	total   []tally // by part, of all windows
	sum     []tally // reused: all shards' figures of one window
	spare   []tally // reused: what a shard gets in exchange for its own
	then    gauges  // at the end of the window before
	start   machine
	judge   judge
}

// gauges are counts of a run so far.
type gauges struct{ due, sent, dropped int64 }

// outcome is all that the windows saw.
type outcome struct {
	windows []report.Window
	total   []tally
	used    usage
	stopped time.Time
}

// startWindows starts cutting. The returned function stops it, adds what is
// left as the last window, and returns what there was.
func (r *run) startWindows() (stop func() outcome) {
	w := &windower{
		run: r, total: r.newTallies(), sum: r.newTallies(), spare: r.newTallies(), judge: newJudge(r.AbortOn),
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		w.watch(over)
	}()
	return func() outcome {
		close(over)
		<-ended
		used := readMachine().since(w.start)
		if last := w.cut(); last.Due > 0 || last.Sent > 0 || last.Completed > 0 || w.cancelled() > 0 {
			w.windows = append(w.windows, last)
		}
		return outcome{w.windows, w.total, used, time.Now()}
	}
}

// cancelled returns the number of calls of the last window that were cut.
func (w *windower) cancelled() (n int64) {
	for i := range w.sum {
		n += w.sum[i].cancelled
	}
	return n
}

// watch cuts at each full second after the warm-up.
func (w *windower) watch(over <-chan struct{}) {
	w.start = readMachine() // of a run that ends within its warm-up
	timer := time.NewTimer(time.Until(w.run.measured))
	defer timer.Stop()
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		case <-timer.C:
		}
		if i == 0 {
			w.start = readMachine()
		} else {
			w.add(w.cut())
		}
		timer.Reset(time.Until(w.run.measured.Add(time.Duration(i+1) * time.Second)))
	}
}

// add keeps a window, shows it, and ends the run if it is such.
func (w *windower) add(window report.Window) {
	w.windows = append(w.windows, window)
	if w.run.Progress != nil {
		w.run.Progress(window)
	}
	if len(w.run.AbortOn) == 0 || w.run.over.Load() && w.run.Closed == 0 {
		return
	}
	if reason := w.judge.see(w.asLoad(window)); reason != "" {
		w.run.stop(abort{fmt.Sprintf("after %d s: %s", len(w.windows), reason)})
	}
}

// cut takes the figures since the last cut. Shards are held up only while
// their tallies are exchanged for empty ones.
func (w *windower) cut() report.Window {
	for i := range w.sum {
		w.sum[i].reset()
	}
	for _, s := range w.run.shards {
		s.mu.Lock()
		s.tallies, w.spare = w.spare, s.tallies
		s.mu.Unlock()
		for i := range w.spare {
			w.sum[i].merge(&w.spare[i])
			w.spare[i].reset()
		}
	}
	for i := range w.sum {
		w.total[i].merge(&w.sum[i])
	}
	return w.window()
}

// window returns the figures of the window that was cut.
func (w *windower) window() report.Window {
	all, lag := joined(w.sum)
	now := w.run.gauges()
	window := report.Window{
		// Not by the count of those due: a call that is being released may be in
		// one count and not yet in the other.
		T: float64(len(w.windows)), Due: now.sent - w.then.sent + now.dropped - w.then.dropped, Sent: now.sent - w.then.sent, Dropped: now.dropped - w.then.dropped,
		Statuses: all.names(), InFlight: w.run.inFlight.Load(), LagP99: report.Quantile(lag, 0.99),
	}
	w.then = now
	h := all.sum()
	window.Completed = h.Count()
	window.P50, window.P99, window.Max = report.Quantile(h, 0.5), report.Quantile(h, 0.99), report.Milliseconds(h.Max())
	if h.Count() > 0 && len(w.windows) < maxEncoded {
		window.HDR, _ = h.Encode()
	}
	return window
}

// maxEncoded bounds the windows whose distribution goes into the report, at
// about a kilobyte each: ten minutes of them.
const maxEncoded = 600

// joined returns the response times and the lag of all parts.
func joined(parts []tally) (response byStatus, lag *hist.Histogram) {
	lag = hist.New()
	for i := range parts {
		response.merge(&parts[i].response)
		lag.Merge(parts[i].lag)
	}
	return response, lag
}

// gauges reads the counts.
func (r *run) gauges() (g gauges) {
	for _, p := range r.parts {
		g.dropped += p.dropped.Load()
		g.sent += p.sent.Load()
		g.due += p.due.Load()
	}
	return g
}

// asLoad returns a window as a load of one second, which conditions can judge.
// Calls under way have not failed: only what completed counts as sent.
func (w *windower) asLoad(window report.Window) *report.Load {
	all, lag := joined(w.sum)
	l := &report.Load{
		Name: w.run.Name, Method: w.run.methods(), OfferedRPS: float64(window.Due), AchievedRPS: float64(window.Completed),
		Scheduled: window.Due, Dropped: window.Dropped, Sent: window.Completed, Completed: window.Completed,
		Statuses: window.Statuses, Response: report.Latencies(all.sum()), Lag: report.Latencies(lag),
	}
	service, messages, attempts := hist.New(), int64(0), int64(0)
	for i := range w.sum {
		service.Merge(w.sum[i].service)
		messages += w.sum[i].messages
		attempts += w.sum[i].attempts
	}
	l.Service = report.Latencies(service)
	if window.Completed > 0 {
		l.AttemptsPerCall = float64(attempts) / float64(window.Completed)
	}
	if w.run.streams() {
		l.Stream = streamFigures(w.sum, float64(messages))
	}
	l.ByStatus = latencies(&all)
	l.Methods = w.run.methodFigures(w.sum)
	for i := range l.Methods {
		l.Methods[i].Sent, l.Methods[i].Dropped = l.Methods[i].Completed, 0
	}
	return l
}

// judge follows the conditions that end a run.
type judge struct {
	conditions []report.Abort
	held       []time.Duration // for how long each has
}

func newJudge(conditions []report.Abort) judge {
	return judge{conditions, make([]time.Duration, len(conditions))}
}

// see judges one more second, and returns why the run is to end, "" when it is
// not.
func (j *judge) see(second *report.Load) string {
	for i, a := range j.conditions {
		verdict := a.Condition.Evaluate(second)
		if !verdict.Passed { // a figure that does not exist has not held either
			j.held[i] = 0
			continue
		}
		if j.held[i] += time.Second; j.held[i] >= a.For {
			return fmt.Sprintf("%s, it was %.4g%s", a, verdict.Value, a.Condition.Unit())
		}
	}
	return ""
}
