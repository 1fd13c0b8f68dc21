//go:build unix

package doctor

import "syscall"

// fileLimits returns how many files this process may open, and how far it may
// raise that itself; 0 is not known.
func fileLimits() (soft, hard uint64) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0
	}
	return uint64(limit.Cur), uint64(limit.Max)
}
