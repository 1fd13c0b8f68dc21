//go:build unix

package engine

import (
	"runtime"
	"syscall"
	"time"
)

// readProcess returns the CPU time and the largest memory of this process; on
// failure everything is 0.
func readProcess() (user, system time.Duration, maxRSSMB float64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0, 0
	}
	kilobytes := float64(u.Maxrss)
	if runtime.GOOS == "darwin" { // where it is bytes
		kilobytes /= 1024
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano()), kilobytes / 1024
}
