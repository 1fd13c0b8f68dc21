package replay

import (
	"time"

	"touchstone/loadgen/fixture"
)

// Trace returns when the calls of a recording start, from the first of them: a
// schedule for load that has the recording's arrivals and other calls. Calls
// that keep says no to are left out; nil keeps all.
func Trace(file *fixture.File, keep func(method string) bool) ([]time.Duration, error) {
	var offsets []time.Duration
	var s schedule
	for e, err := range file.Events() {
		if err != nil {
			return nil, err
		}
		if e.Kind == fixture.Start && (keep == nil || keep(e.Method)) {
			offsets = append(offsets, s.start(e.T))
		}
	}
	return offsets, nil
}
