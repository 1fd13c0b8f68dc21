//go:build !unix

package doctor

// fileLimits is not known here.
func fileLimits() (soft, hard uint64) { return 0, 0 }
