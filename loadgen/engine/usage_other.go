//go:build !unix

package engine

import "time"

// readProcess is not implemented for this system: the report has zeros.
func readProcess() (user, system time.Duration, maxRSSMB float64) { return 0, 0, 0 }
