//go:build !linux

package engine

// realTime reports whether time.Now is the machine's clock. It does not tell
// bubbles of testing/synctest on this system.
func realTime() bool { return true }
