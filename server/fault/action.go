package fault

import (
	"strconv"

	"google.golang.org/protobuf/types/known/anypb"
)

// AllRequests is the AfterRequests of an end that comes when the client has
// half-closed.
const AllRequests = 1<<31 - 1

// Action is what is done to an attempt. At most one of Status, Rst, Refused,
// Close, Reset, Blackhole, HalfOpen, HTTP, DropTrailers and Truncate is set:
// the end of the call. The others go with any end, or none.
type Action struct {
	Rule int // the index in the plan of the rule that decided, set by [Decider.Decide]

	Delay     Delay     // before anything else; fixed in what [Decider.Decide] returns
	Settings  []Setting // sent before anything else of the call
	GoAways   []GoAway  // one after the other
	Corrupt   string    // "payload", "length", "flag"; "": none
	Bandwidth int64     // bytes a second of response data; 0: unlimited

	Informational int // an HTTP status from 102 to 199, sent before the response; 0: none

	Status       *Status
	Rst          *uint32 // the error code of an RST_STREAM
	Refused      bool    // RST_STREAM(REFUSED_STREAM)
	Close        *Point  // end the connection with FIN
	Reset        *Point  // end the connection with RST
	Blackhole    *Point  // nothing more is sent or read on the stream
	HalfOpen     *Point  // nothing more is sent on the connection
	HTTP         *HTTP
	DropTrailers bool
	Truncate     *int64 // bytes of the first response message that still go out

	// When a Status or Rst comes; at once, if all are zero.
	AfterRequests int               // request messages read before, or AllRequests
	AfterMessages int               // response messages sent before
	WithHeaders   bool              // response headers are sent before
	Headers       map[string]string // the headers of WithHeaders; may be empty
}

// Status is the end of a call in gRPC's own terms.
type Status struct {
	Code     uint32
	Message  string
	Details  []Detail
	Pushback []string // values of the trailer grpc-retry-pushback-ms
}

// Detail is a google.rpc message, as protobuf JSON.
type Detail struct {
	Type string // such as "google.rpc.RetryInfo"
	JSON string // an object with the fields of the message
}

// Any returns the detail packed for a google.rpc.Status.
func (d Detail) Any() (*anypb.Any, error) { return d.pack() }

// Point is the point of a response at which a connection ends: when the
// request's headers have arrived (the zero Point), after a number of bytes of
// response data, or after a number of response messages.
type Point struct{ AfterBytes, AfterMessages int64 }

// Setting is one entry of a SETTINGS frame.
type Setting struct {
	ID    uint16 // of RFC 9113, section 6.5.2
	Value uint32
}

// GoAway is a GOAWAY frame.
type GoAway struct {
	Last  string // a stream id, or "below", "this", "max": relative to this call's stream
	Code  uint32 // an HTTP/2 error code
	Debug string // additional debug data
}

// LastStream returns the last stream id that the frame carries when this
// call's stream has the given id. Ids of clients are odd, so "below" is two
// less: the last stream that the server would still serve.
func (g GoAway) LastStream(stream uint32) uint32 {
	switch g.Last {
	case "this":
		return stream
	case "below":
		return max(stream, 2) - 2
	case "max":
		return 1<<31 - 1
	}
	id, _ := strconv.ParseUint(g.Last, 10, 31) // digits, by construction
	return uint32(id)
}

// HTTP is a response that is not gRPC, such as a load balancer's error page.
type HTTP struct {
	Status      int
	ContentType string
	Body        string
}
