package engine

import "touchstone/loadgen/transport"

// Check judges responses.
type Check struct {
	// Share is that of the calls that are judged, within 0 and 1.
	Share float64
	// Judge returns what is wrong with the k-th call of a part of the mix, ""
	// for nothing. The messages are its own. It is called concurrently, before
	// the next call of a connection is looked at.
	Judge func(part, k int, messages [][]byte, res *transport.Result) string
}

// wants reports whether call k is judged. Which ones are is the same in every
// run.
func (c *Check) wants(k int) bool {
	return c != nil && float64(scramble(uint64(k)^0x636865636b)>>11)/(1<<53) < c.Share
}
