package proxy

import "time"

// Ending says who ended an attempt.
type Ending string

// The endings.
const (
	ByTarget     Ending = "target"     // the target's response, or its reset
	ByFault      Ending = "fault"      // an action of the plan
	ByClient     Ending = "client"     // the client reset the stream
	ByConnection Ending = "connection" // a connection was lost
)

// Header is one field of a header list, as it stood on the wire.
type Header struct{ Name, Value string }

// Attempt is one stream that a client opened: what was seen of it in the path.
// Times are those of the proxy's clock, with its monotonic reading; a zero
// time is something that did not happen.
type Attempt struct {
	Conn   int      // of the client, from 1 in the order of arrival
	Stream uint32   // id on that connection
	Method string   // "pkg.Service/Method"
	Header []Header // the request's, in order, pseudo-headers included

	Headers   time.Time // the request's headers were decoded
	EndStream time.Time // the client half-closed
	Fault     time.Time // the last byte of the fault was written
	Reset     time.Time // a reset was read, from the client or the target
	End       time.Time // nothing more came or went

	Messages         int      // of the request
	Bytes            int64    // of the request's messages, prefixes included
	ResponseMessages int      // forwarded whole to the client
	ResponseBytes    int64    // of the response's messages, prefixes included
	Request          [][]byte // the first messages, up to Config.KeepRequest bytes in all
	GRPCStatus       string   // the grpc-status sent to the client; "" for none
	ResetCode        string   // such as CANCEL, of the reset that was read; "" for none
	Pushback         string   // the grpc-retry-pushback-ms sent to the client; "" for none

	Ended Ending
	How   string // "trailers", "trailers-only", "rst CODE", "goaway", "http", "close", "reset", "blackhole", "no trailers"
	Rule  int    // the index of the rule that decided; -1 for none
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
