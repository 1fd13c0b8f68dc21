//go:build !linux

package engine

// readCPUs is not implemented for this system: the report leaves it out.
func readCPUs() (busy, all float64) { return 0, 0 }
