package engine

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"touchstone/loadgen/report"
)

// machine is what the process, and all processes, have used so far.
type machine struct {
	at           time.Time
	user, system time.Duration // of this process
	maxRSSMB     float64
	busy, all    float64 // CPU time of the machine, in any unit; 0: unknown
	gc           debug.GCStats
	gcCPU        float64 // seconds
}

// usage is what was used between two moments.
type usage struct {
	wall         time.Duration
	user, system time.Duration
	maxRSSMB     float64  // since the process started
	busy         *float64 // share of the machine's CPU time; nil: too short to tell
	share        *float64 // of what GOMAXPROCS allows; nil: too short to tell
	gc           *report.GC
}

// readMachine asks the operating system and the runtime.
func readMachine() machine {
	m := machine{at: time.Now()}
	m.user, m.system, m.maxRSSMB = readProcess()
	m.busy, m.all = readCPUs()
	debug.ReadGCStats(&m.gc)
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindFloat64 {
		m.gcCPU = sample[0].Value.Float64()
	}
	return m
}

// since returns what was used after then.
func (m machine) since(then machine) usage {
	u := usage{wall: m.at.Sub(then.at), user: m.user - then.user, system: m.system - then.system, maxRSSMB: m.maxRSSMB}
	if u.wall < tellable || !realTime() {
		return u
	}
	if all := m.all - then.all; all > 0 {
		// The machine's time is counted in ticks, between which short work goes
		// unseen; what this process used is counted exactly.
		own := (u.user + u.system).Seconds() / u.wall.Seconds() / float64(runtime.NumCPU())
		u.busy = new(min(max((m.busy-then.busy)/all, own, 0), 1))
	}
	u.gc = collected(&then, &m)
	if all := u.wall.Seconds() * float64(runtime.GOMAXPROCS(0)); u.user+u.system > 0 {
		u.share = new((u.user + u.system).Seconds() / all)
	}
	return u
}

// tellable is how long a run has to be for shares of its time to mean anything:
// the runtime takes down what a collection used when that is over. They mean
// nothing in fake time.
const tellable = time.Second

// collected returns what the garbage collector did between two moments. The
// runtime keeps the last 256 pauses; of more the largest may be missed.
func collected(then, now *machine) *report.GC {
	out := &report.GC{
		Cycles:       now.gc.NumGC - then.gc.NumGC,
		PauseTotalMS: report.Milliseconds(now.gc.PauseTotal - then.gc.PauseTotal),
	}
	for _, pause := range now.gc.Pause[:min(int64(len(now.gc.Pause)), out.Cycles)] {
		out.PauseMaxMS = math.Max(out.PauseMaxMS, report.Milliseconds(pause))
	}
	all := now.at.Sub(then.at).Seconds() * float64(runtime.GOMAXPROCS(0))
	out.CPUShare = math.Min(math.Max((now.gcCPU-then.gcCPU)/all, 0), 1)
	return out
}
