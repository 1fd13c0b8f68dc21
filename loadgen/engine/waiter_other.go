//go:build !linux

package engine

// newThreadWaiter is not implemented for this system.
func newThreadWaiter() waiter { return nil }
