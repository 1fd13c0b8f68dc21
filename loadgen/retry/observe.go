package retry

import (
	"strconv"
	"time"
)

// Header is one field of a request's header list.
type Header struct{ Name, Value string }

// Attempt is one HTTP/2 stream that a client opened, as seen in the path.
// Times are offsets from the start of the observation; one that is negative
// is of something that did not happen.
type Attempt struct {
	Conn   int    // of the client, from 1 in the order of arrival
	Stream uint32 // id on that connection

	Start     time.Duration // its headers were decoded
	HalfClose time.Duration // the client half-closed
	Fault     time.Duration // the last byte of the fault was written
	Reset     time.Duration // a reset was read
	End       time.Duration

	Header    []Header // of the request, in order, pseudo-headers included
	Messages  int      // of the request
	Bytes     int64    // of those messages, prefixes included
	Request   [][]byte // the first of them
	Status    string   // the grpc-status that the client was sent; "" for none
	Pushback  string   // the grpc-retry-pushback-ms that the client was sent; "" for none
	ResetCode string   // such as CANCEL, of the reset that was read; "" for none
	Ended     string   // who ended it: target, fault, client or connection
	How       string   // "trailers-only", "rst REFUSED_STREAM" and so on
	Rule      int      // of the plan; -1 for none
}

// Get returns the first value of a request header, and whether it was there.
func (a *Attempt) Get(name string) (string, bool) {
	for _, h := range a.Header {
		if h.Name == name {
			return h.Value, true
		}
	}
	return "", false
}

// Previous returns grpc-previous-rpc-attempts as it stood, "" when absent.
func (a *Attempt) Previous() string {
	value, _ := a.Get("grpc-previous-rpc-attempts")
	return value
}

// timeoutUnits are those of grpc-timeout (gRPC over HTTP/2, Timeout).
var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// Timeout returns grpc-timeout; false when it is absent or not readable.
func (a *Attempt) Timeout() (time.Duration, bool) {
	value, _ := a.Get("grpc-timeout")
	if len(value) < 2 {
		return 0, false
	}
	n, err := strconv.ParseInt(value[:len(value)-1], 10, 64)
	unit, ok := timeoutUnits[value[len(value)-1]]
	return time.Duration(n) * unit, ok && err == nil
}

// Call is one call of the client: the attempts that belong to it, in order,
// and how it ended for the application.
type Call struct {
	Attempts []Attempt
	Status   string // a name such as UNAVAILABLE; "" when the client said nothing
}

// Gap is the time between two attempts of a call.
type Gap struct {
	After  int           // the number of the attempt before it, from 1
	Length time.Duration // from the last byte of the fault to the next headers
}

// Gaps returns the gaps between the call's attempts.
func (c *Call) Gaps() []Gap {
	var gaps []Gap
	for i := 1; i < len(c.Attempts); i++ {
		gaps = append(gaps, Gap{After: i, Length: c.Attempts[i].Start - c.Attempts[i-1].Over()})
	}
	return gaps
}

// Over is when the client could know that the attempt had failed.
func (a *Attempt) Over() time.Duration {
	if a.Fault >= 0 {
		return a.Fault
	}
	return a.End
}

// Observation is what was seen of a client under a check.
type Observation struct {
	Calls     []Call
	Hits      []int         // by rule of the plan
	Overshoot time.Duration // how late the machine's own timers were, at worst
	Waited    time.Duration // how long tasks of the machine waited for a CPU meanwhile; 0 when it does not say
	Rejected  string        // why the client refused its config; "" when it ran
	Crashed   string        // how the client's process died; "" when it ended by itself
}

// Attempts returns the number of attempts of each call.
func (o *Observation) Attempts() []int {
	counts := make([]int, len(o.Calls))
	for i := range o.Calls {
		counts[i] = len(o.Calls[i].Attempts)
	}
	return counts
}

// Grouping says what ties attempts to calls: nothing on the wire does.
type Grouping int

// The groupings.
const (
	OneCall      Grouping = iota // there is one call: all attempts are its own
	ByConnection                 // each call has a channel of its own
	ByID                         // the client sends a call's id in its metadata
	ByHeader                     // calls follow each other: a first attempt has no grpc-previous-rpc-attempts
)

// Group puts attempts, in order of their start, into calls. Statuses are the
// client's words for its calls in the order in which it printed them; where
// calls run side by side that order says nothing of which call is which, so a
// judge may take them as a set only. Key is the metadata of ByID.
func Group(attempts []Attempt, statuses []string, by Grouping, key string) []Call {
	var calls []Call
	index := map[string]int{}
	for i, a := range attempts {
		id := ""
		switch by {
		case ByConnection:
			id = strconv.Itoa(a.Conn)
		case ByID:
			id, _ = a.Get(key)
		case ByHeader:
			if a.Previous() == "" || i == 0 {
				calls = append(calls, Call{})
			}
			last := &calls[len(calls)-1]
			last.Attempts = append(last.Attempts, a)
			continue
		}
		at, known := index[id]
		if !known {
			at = len(calls)
			index[id] = at
			calls = append(calls, Call{})
		}
		calls[at].Attempts = append(calls[at].Attempts, a)
	}
	for len(calls) < len(statuses) { // calls that never reached the wire
		calls = append(calls, Call{})
	}
	for i, status := range statuses {
		calls[i].Status = status
	}
	return calls
}
