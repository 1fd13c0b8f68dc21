package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
)

// load turns the run into its report.
func (r *run) load(out outcome) report.Load {
	sum := newTally(r.streams())
	for i := range out.total {
		sum.merge(&out.total[i])
	}
	counts := r.gauges()
	span := r.span(&sum)
	l := report.Load{
		Name: r.Name, Method: r.methods(), Kind: r.kind(), Transport: r.TransportName, Arrival: r.Arrival,
		OfferedRPS: r.offered(counts.due, span), AchievedRPS: perSecond(sum.completed, span),
		Scheduled: counts.due, Sent: counts.sent, Completed: sum.completed,
		Cancelled: sum.cancelled, Dropped: counts.dropped, Statuses: sum.response.names(),
		Response: report.Latencies(sum.response.sum()), Service: report.Latencies(sum.service), Lag: report.Latencies(sum.lag),
		Windows: out.windows, Connections: r.Connections, Aborted: r.aborted(),
		Phases: r.phases(out.stopped), Calls: r.exampleCalls(&sum.examples),
	}
	out.used.fill(&l)
	if sum.completed > 0 {
		l.AttemptsPerCall = float64(sum.attempts) / float64(sum.completed)
	}
	if r.streams() {
		l.Stream = streamFigures(out.total, perSecond(sum.messages, span))
	}
	l.ByStatus = latencies(&sum.response)
	l.Methods = r.methodFigures(out.total)
	l.Marks = r.marks(&l)
	if r.Check != nil {
		l.Checks = &report.Checks{Judged: sum.checked, Failed: sum.wrong, Examples: sum.wrongs}
	}
	return l
}

// methodName is the name of a call's method, as reports write it.
func methodName(req *transport.Request) string { return strings.TrimPrefix(req.Method, "/") }

// methods names the methods of the run.
func (r *run) methods() string {
	var names []string
	for _, p := range r.parts {
		if name := p.first.Method; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// kind names the kind of the calls, "mix" when there are several.
func (r *run) kind() string {
	for _, p := range r.parts[1:] {
		if p.first.Kind != r.parts[0].first.Kind {
			return "mix"
		}
	}
	return r.parts[0].first.Kind.String()
}

// streams reports whether any of the calls is a stream.
func (r *run) streams() bool {
	return slices.ContainsFunc(r.parts, func(p *part) bool { return p.streams })
}

// streamFigures returns what only streams have, of all parts together.
func streamFigures(parts []tally, messagesPerS float64) *report.Stream {
	sum := newTally(true)
	for i := range parts {
		sum.merge(&parts[i])
	}
	s := &report.Stream{
		FirstMessage: report.Latencies(sum.firstMessage), BetweenMessages: report.Latencies(sum.gaps), MessagesPerS: messagesPerS,
	}
	s.Headers, s.RoundTrip = unlessEmpty(sum.headers), unlessEmpty(sum.roundTrip)
	return s
}

func unlessEmpty(h *hist.Histogram) *report.Latency {
	if h.Count() == 0 {
		return nil
	}
	return new(report.Latencies(h))
}

// latencies returns the response times by status, nil when there is but one.
func latencies(s *byStatus) map[string]report.Latency {
	out := map[string]report.Latency{}
	s.each(func(code codes.Code, h *hist.Histogram) { out[report.StatusName(uint32(code))] = report.Latencies(h) })
	if len(out) < 2 {
		return nil
	}
	return out
}

// methodFigures returns the figures of each method of a mix.
func (r *run) methodFigures(total []tally) []report.Method {
	if len(r.parts) < 2 {
		return nil
	}
	var out []report.Method
	for i, p := range r.parts {
		t := &total[i]
		out = append(out, report.Method{
			Method: methodName(p.first), Kind: p.first.Kind.String(), Weight: r.mix.share(i),
			Sent: p.sent.Load(), Completed: t.completed, Cancelled: t.cancelled, Dropped: p.dropped.Load(),
			Statuses: t.response.names(), Response: report.Latencies(t.response.sum()),
			Service: report.Latencies(t.service), Lag: report.Latencies(t.lag),
		})
	}
	return out
}

// phases returns the parts of the run.
func (r *run) phases(stopped time.Time) []report.Phase {
	end := stopped.Sub(r.measured)
	over := end
	if from := time.Duration(r.coolFrom.Load()) - r.Warmup; from < end {
		over = max(from, 0)
	}
	var out []report.Phase
	add := func(name string, from, to time.Duration) {
		if to > from {
			out = append(out, report.Phase{Name: name, StartS: from.Seconds(), EndS: to.Seconds()})
		}
	}
	add("warm-up", -r.Warmup, min(0, end))
	add("measured", 0, over)
	for _, stage := range r.Stages {
		if stage.StartS < over.Seconds() {
			stage.EndS = min(stage.EndS, over.Seconds())
			out = append(out, stage)
		}
	}
	if r.Cooldown > 0 {
		add("cool-down", over, min(over+r.Cooldown, end))
		over += r.Cooldown
	}
	add("drain", over, end)
	return out
}

// marks returns the moments that explain what the figures do then.
func (r *run) marks(l *report.Load) []report.Mark {
	out := r.Events.marks(r.start, r.measured)
	for _, stage := range r.Stages[min(1, len(r.Stages)):] {
		if len(l.Phases) > 0 && stage.StartS < l.Phases[len(l.Phases)-1].EndS {
			out = append(out, report.Mark{T: stage.StartS, Kind: "stage", Text: stage.Name})
		}
	}
	if l.Aborted != "" {
		out = append(out, report.Mark{T: float64(len(l.Windows)), Kind: "abort", Text: l.Aborted})
	}
	slices.SortStableFunc(out, func(a, b report.Mark) int { return cmp.Compare(a.T, b.T) })
	return out
}

// schedule returns how long the calls were due for: Duration, or, when their
// number or the context ended the run first, from the first to the last call
// and one mean gap more. It is 0 in a closed loop, and for a single call.
func (r *run) schedule(due int64) time.Duration {
	switch {
	case r.fullTime:
		return r.Duration
	case due < 2:
		return 0
	}
	return time.Duration(float64(r.lastDue-r.firstDue) * float64(due) / float64(due-1))
}

// span returns how long the measured part took: until the last call was due,
// or until the last one ended when that was later.
func (r *run) span(sum *tally) time.Duration {
	return max(r.schedule(r.gauges().due), sum.lastDone.Sub(r.measured), 0)
}

// offered returns the rate that the schedule asked for, 0 in a closed loop.
func (r *run) offered(due int64, span time.Duration) float64 {
	if r.Closed > 0 {
		return 0
	}
	if d := r.schedule(due); d > 0 {
		span = d
	}
	return perSecond(due, span)
}

// perSecond returns n a second, 0 when there was no time.
func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// fill puts what the process used into a load.
func (u usage) fill(l *report.Load) {
	l.CPU = report.CPU{UserS: u.user.Seconds(), SystemS: u.system.Seconds(), Share: u.share, MachineBusy: u.busy}
	l.MaxRSSMB = u.maxRSSMB
	if l.Completed > 0 {
		l.CPU.USPerCall = (l.CPU.UserS + l.CPU.SystemS) * 1e6 / float64(l.Completed)
	}
	l.GC = u.gc
}
