package retrycheck

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Meter measures how late this machine's timers are.
type Meter struct {
	worst atomic.Int64
	since time.Duration // pressure when it started
}

// Worst returns the worst lateness so far.
func (m *Meter) Worst() time.Duration { return time.Duration(m.worst.Load()) }

// meterInterval is how long the meter sleeps at a time.
const meterInterval = 5 * time.Millisecond

// StartMeter measures until ctx ends, in one of the tasks.
func StartMeter(ctx context.Context, tasks *sync.WaitGroup) *Meter {
	m := &Meter{since: pressure()}
	tasks.Go(func() {
		timer := time.NewTimer(meterInterval)
		defer timer.Stop()
		for {
			asleep := time.Now()
			select {
			case <-timer.C:
				m.worst.Store(max(m.worst.Load(), int64(time.Since(asleep)-meterInterval)))
				timer.Reset(meterInterval)
			case <-ctx.Done():
				return
			}
		}
	})
	return m
}

// Waited returns for how long any task of the machine has waited for a CPU
// since the meter started; 0 where the system does not say.
func (m *Meter) Waited() time.Duration { return pressure() - m.since }

// pressure reads how long tasks have waited for a CPU since the start of the
// system, which Linux counts (Documentation/accounting/psi.rst).
func pressure() time.Duration {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	some, _, _ := strings.Cut(string(text), "\n")
	_, total, _ := strings.Cut(some, "total=")
	us, _ := strconv.ParseInt(total, 10, 64) // 0 when it is not there
	return time.Duration(us) * time.Microsecond
}
