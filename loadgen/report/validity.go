package report

import "fmt"

// What the generator may be late, busy or leave out before its figures stop
// being the target's own. Lateness is compared with the service time, of which
// it is no part; the response time has it in it.
const (
	maxLagP99   = 5.0  // milliseconds: what is less spoils no figure that matters,
	maxLagP50   = 1.0  // but half of the calls must not be late by as much as that
	maxLagShare = 0.5  // of the service time's same quantile
	maxDropped  = 1e-3 // of the calls scheduled
	maxCPU      = 0.95 // of what GOMAXPROCS allows
	maxGC       = 0.25 // of what GOMAXPROCS allows
)

// invalid returns the reasons why the figures are not the target's own. What a
// replay is about are the answers, which are right or wrong however late it was.
func (l *Load) invalid() []string {
	if l.Replayed {
		return nil
	}
	var reasons []string
	add := func(format string, args ...any) {
		reasons = append(reasons, l.Name+": "+fmt.Sprintf(format, args...))
	}
	switch {
	case tooLate(l.Lag.P99, l.Service.P99, maxLagP99):
		add("the generator was late: calls left up to %.1f ms (p99) after they were due, and took %.1f ms from then", *l.Lag.P99, value(l.Service.P99))
	case l.Lag.P99 != nil && tooLate(l.Lag.P50, l.Service.P50, maxLagP50): // a few calls at a bad moment are no verdict
		add("the generator was late all the time: half of the calls left %.1f ms or more after they were due, and took %.1f ms from then", *l.Lag.P50, value(l.Service.P50))
	}
	// A dropped call is in no histogram, and it is the slow moments in which
	// calls are dropped.
	if float64(l.Dropped) > maxDropped*float64(l.Scheduled) {
		add("%d of %d calls were dropped at the in-flight cap: the figures leave out the slowest moments", l.Dropped, l.Scheduled)
	}
	// Calls left in time, but their responses waited to be looked at.
	if share := l.CPU.Share; share != nil && *share > maxCPU && !l.Closed() {
		add("the generator was busy: it used %.0f %% of the CPU time that it may use", 100**share)
	}
	// A collection that stops the process shows in the lag.
	if gc := l.GC; gc != nil && gc.CPUShare > maxGC {
		add("the generator's garbage collector used %.0f %% of the CPU time that it may use", 100*gc.CPUShare)
	}
	return reasons
}

// tooLate reports whether what the generator made of a time is both large and
// much of what the target took, as far as that is known. It is false of a
// sample that is too small.
func tooLate(own, service *float64, floor float64) bool {
	return own != nil && *own > floor && *own > maxLagShare*value(service)
}

// value returns a figure, 0 for none.
func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// doubts returns what a reader should know who relies on the figures; they are
// not wrong.
func (l *Load) doubts() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, l.Name+": "+fmt.Sprintf(format, args...)) }
	if tooLate(l.Lag.P99, l.Service.P99, maxLagP50) && !tooLate(l.Lag.P99, l.Service.P99, maxLagP99) {
		add("calls left up to %.1f ms (p99) after they were due, which is much of the response time: the service time is nearer to the target's own", *l.Lag.P99)
	}
	if share := l.CPU.Share; share != nil && *share > maxCPU && l.Closed() {
		add("the callers used all CPU time that they may use: the rate is the generator's limit, not the target's")
	}
	if busy := l.CPU.MachineBusy; busy != nil && *busy > maxCPU {
		add("the machine was busy all the time (%.0f %%), so that others than the target may have made it slow", 100**busy)
	}
	return out
}
