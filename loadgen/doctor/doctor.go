// Package doctor judges whether a machine, and the way to a target, are fit for
// figures that can be trusted, and says what to do where they are not.
//
// [Machine] gathers what there is to know; [Judge] is pure.
package doctor

import (
	"fmt"
	"time"
)

// Level is how good a finding is.
type Level string

// The levels. A Warn changes figures or hides something; a Fail stops a run.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is the judgement on one thing.
type Finding struct {
	Level Level
	What  string // such as clock
	Said  string // what was found
	Hint  string // what to do about it; "" when there is nothing to do
}

// Facts are what is known of a machine. What could not be found out is zero.
type Facts struct {
	Now       time.Time
	ClockStep time.Duration // between two readings that differ
	// Late is how much later than asked timers fired, the median and the
	// 99th percentile.
	LateP50, LateP99 time.Duration
	CPUs, MaxProcs   int
	Busy             *float64 // share of all CPUs' time that others use
	OpenFiles        uint64   // the limit
	OpenFilesMost    uint64   // that the limit can be raised to
	Ports            int      // local ports for connections
	ListenErr        error    // of a loopback port
}

// Limits of Judge.
const (
	oldest      = 2026 // the year of this program
	coarseStep  = time.Millisecond
	lateTimers  = 5 * time.Millisecond
	busyCPU     = 0.5
	filesBeside = 64 // files that are open besides connections
)

// Judge returns the findings on a machine that is to make so many connections.
func Judge(f Facts, connections int) []Finding {
	return []Finding{clock(f), timers(f), cpu(f), files(f, connections), ports(f, connections), loopback(f)}
}

func clock(f Facts) Finding {
	out := Finding{OK, "clock", fmt.Sprintf("%s, steps of %v", f.Now.UTC().Format("2006-01-02 15:04 UTC"), f.ClockStep), ""}
	switch {
	case f.Now.Year() < oldest:
		out.Level, out.Hint = Fail, "set the clock: certificates are judged by it"
	case f.ClockStep >= coarseStep:
		out.Level, out.Hint = Warn, "latencies are no finer than that; on Linux, look at /sys/devices/system/clocksource"
	}
	return out
}

func timers(f Facts) Finding {
	out := Finding{OK, "timers", fmt.Sprintf("late by %v (p50), %v (p99)", rounded(f.LateP50), rounded(f.LateP99)), ""}
	if f.LateP99 > lateTimers {
		out.Level, out.Hint = Warn, "calls leave that late: stop other work on this machine, or load from another one"
	}
	return out
}

func cpu(f Facts) Finding {
	out := Finding{OK, "cpu", fmt.Sprintf("%d CPUs, GOMAXPROCS %d", f.CPUs, f.MaxProcs), ""}
	if f.Busy != nil {
		out.Said += fmt.Sprintf(", %.0f %% busy with other work", 100**f.Busy)
	}
	switch {
	case f.Busy != nil && *f.Busy > busyCPU:
		out.Level, out.Hint = Warn, "a load would measure the other work as well: stop it, or load from another machine"
	case f.MaxProcs == 1:
		out.Level, out.Hint = Warn, "with one CPU, whatever loadgen does delays its calls: loads want two or more"
	}
	return out
}

func files(f Facts, connections int) Finding {
	out := Finding{OK, "files", "the limit of open files is not known here", ""}
	if f.OpenFiles == 0 {
		return out
	}
	out.Said = fmt.Sprintf("%d may be open", f.OpenFiles)
	if need := uint64(connections + filesBeside); f.OpenFiles < need {
		out.Level = Fail
		out.Said += fmt.Sprintf(", %d connections take %d", connections, need)
		out.Hint = fmt.Sprintf("ulimit -n %d", need)
		if f.OpenFilesMost < need {
			out.Hint = fmt.Sprintf("raise the hard limit, which is %d, to %d (limits.conf, or LimitNOFILE of systemd)", f.OpenFilesMost, need)
		}
	}
	return out
}

func ports(f Facts, connections int) Finding {
	out := Finding{OK, "ports", "the range of local ports is not known here", ""}
	if f.Ports == 0 {
		return out
	}
	out.Said = fmt.Sprintf("%d local ports for connections", f.Ports)
	if f.Ports < connections {
		out.Level = Fail
		out.Said += fmt.Sprintf(", %d are wanted", connections)
		out.Hint = `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`
	}
	return out
}

func loopback(f Facts) Finding {
	if f.ListenErr != nil {
		return Finding{Fail, "loopback", f.ListenErr.Error(), "the reference server and the fault proxy need a port on 127.0.0.1: allow it in the sandbox or firewall"}
	}
	return Finding{OK, "loopback", "a port can be opened", ""}
}

// rounded leaves three digits or so.
func rounded(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}
