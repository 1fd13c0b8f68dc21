package doctor

import (
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timersTried is how many timers of a millisecond are looked at.
const timersTried = 200

// Machine gathers the facts of this machine, which takes a fraction of a
// second. It ends early with ctx.
func Machine(ctx context.Context) Facts {
	f := Facts{Now: time.Now(), ClockStep: clockStep(), CPUs: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0), Ports: localPorts()}
	f.OpenFiles, f.OpenFilesMost = fileLimits()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if f.ListenErr = err; err == nil {
		listener.Close()
	}
	before := readCPU()
	f.LateP50, f.LateP99 = lateness(ctx)
	f.Busy = before.busy(readCPU())
	return f
}

// clockStep returns the least difference between two readings of the clock
// that differ, of a few.
func clockStep() time.Duration {
	least := time.Hour
	for range 100 {
		start := time.Now()
		for {
			if d := time.Since(start); d > 0 {
				least = min(least, d)
				break
			}
		}
	}
	return least
}

// lateness returns how late timers fire, the median and the 99th percentile.
func lateness(ctx context.Context) (p50, p99 time.Duration) {
	var late []time.Duration
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for range timersTried {
		due := time.Now().Add(time.Millisecond)
		timer.Reset(time.Millisecond)
		select {
		case <-timer.C:
			late = append(late, time.Since(due))
		case <-ctx.Done():
			return 0, 0
		}
	}
	slices.Sort(late)
	return late[len(late)/2], late[len(late)*99/100]
}

// cpuTime is what all CPUs together have done, in ticks; zero when that is not
// known.
type cpuTime struct{ total, idle uint64 }

// readCPU reads it where Linux tells it.
func readCPU() cpuTime {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTime{}
	}
	return parseCPU(string(text))
}

// parseCPU reads the first line of /proc/stat: cpu, and then user, nice,
// system, idle, iowait, irq, softirq and steal. What follows is in user.
func parseCPU(text string) cpuTime {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[0] != "cpu" {
		return cpuTime{}
	}
	var c cpuTime
	for i, field := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return cpuTime{}
		}
		c.total += n
		if i == 3 || i == 4 {
			c.idle += n
		}
	}
	return c
}

// busy returns the share of time that was not idle, nil when it is not known.
func (c cpuTime) busy(later cpuTime) *float64 {
	if c.total == 0 || later.total <= c.total || later.idle < c.idle {
		return nil
	}
	return new(1 - float64(later.idle-c.idle)/float64(later.total-c.total))
}

// localPorts returns how many ports connections have to choose from, 0 when
// that is not known.
func localPorts() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return 0
	}
	low, err1 := strconv.Atoi(fields[0])
	high, err2 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || high < low {
		return 0
	}
	return high - low + 1
}
