package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// realTime reports whether time.Now is the machine's clock. In a bubble of
// testing/synctest it is not: the bubble starts in the year 2000, and its time
// stands still while a thread sleeps.
func realTime() bool {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &ts) != nil {
		return false
	}
	diff := time.Since(time.Unix(ts.Unix()))
	return -time.Minute < diff && diff < time.Minute
}
