// Package diff compares the answers that calls got with the answers that they
// are to get, field by field.
//
// Messages are compared over their descriptors: what a field means counts, not
// its bytes. A string field that holds a JSON object or list is compared as
// what it holds. Lists, and the messages of a stream, are aligned before their
// items are compared, so that one item more does not make all that follow it
// look changed. Rules say which differences do not count; [Groups] puts
// together what a whole run shows.
package diff

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"touchstone/loadgen/report"
)

// Kind is how two values differ.
type Kind string

// The kinds.
const (
	Changed   Kind = "changed"   // another value
	Missing   Kind = "missing"   // not in the answer
	Extra     Kind = "extra"     // not expected in the answer
	Reordered Kind = "reordered" // the same item at another place
	Type      Kind = "type"      // a value of another type, or another member of a oneof
)

// Difference is one place in which an answer differs from what it is to be.
type Difference struct {
	Path  string // such as message.items[3].score, status, trailer.x-count
	Group string // Path with the indexes left out: message.items[].score
	Kind  Kind
	Want  string // as compact JSON, cut when it is long; "" when there is nothing
	Got   string // likewise
}

// Answer is what one side says of a call.
type Answer struct {
	Messages [][]byte // encoded, in order
	Status   uint32   // gRPC status code
	Text     string   // the status message
	Details  []byte   // an encoded google.rpc.Status; nil for none
	Header   metadata.MD
	Trailer  metadata.MD
	Latency  time.Duration // 0: not known
	// Cut says that the client did not wait for the end: only what came before
	// is compared, and what comes later is nobody's difference.
	Cut bool
}

// Call is what is compared: a call's method, and its answers.
type Call struct {
	Method    string                         // "pkg.Service/Method"
	Output    protoreflect.MessageDescriptor // nil: messages are compared as bytes
	Streams   bool                           // the server streams
	First     int                            // place in the stream of the first message of both answers
	Want, Got Answer
}

// Types finds the types of messages within an Any, and of extensions.
type Types interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// Comparer compares answers by rules. It is safe for concurrent use if Same
// is.
type Comparer struct {
	Types Types // nil: what is within an Any is compared as bytes

	// Same, when set, may say that two values are the same although their texts
	// differ: an id that the server made anew. It is asked for strings and
	// numbers; named says that one of Rules.IDs covers them.
	Same func(want, got string, named bool) bool

	rules rules
}

// Result is the outcome of one comparison.
type Result struct {
	Differences []Difference
	Ignored     int // differences that rules cover
}

// maxDifferences bounds what is kept of one call.
const maxDifferences = 1000

// Compare returns how the answer of a call differs from the one it is to get.
// A message that cannot be decoded is compared as bytes.
func (c *Comparer) Compare(call *Call) Result {
	w := walk{Comparer: c, method: call.Method}
	w.messages(call)
	if !call.Want.Cut {
		w.status(&call.Want, &call.Got)
	}
	w.metadata("header", call.Want.Header, call.Got.Header)
	if !call.Want.Cut {
		w.metadata("trailer", call.Want.Trailer, call.Got.Trailer)
		w.latency(call.Want.Latency, call.Got.Latency)
	}
	return w.Result
}

// walk is one comparison under way.
type walk struct {
	*Comparer
	method string
	path   path
	first  int // index of the first item of the list that comes next
	Result
}

// add notes a difference at the present place, unless a rule covers it.
func (w *walk) add(kind Kind, want, got string) {
	if w.rules.ignores(w.method, w.path, kind) {
		w.Ignored++
		return
	}
	if len(w.Differences) < maxDifferences {
		w.Differences = append(w.Differences, Difference{w.path.String(), w.path.general().String(), kind, want, got})
	}
}

// within runs f one place further down.
func (w *walk) within(s segment, f func()) {
	w.path = append(w.path, s)
	f()
	w.path = w.path[:len(w.path)-1]
}

// messages compares the messages of both sides.
func (w *walk) messages(call *Call) {
	want, got := call.Want.Messages, call.Got.Messages
	if call.Want.Cut {
		n := min(len(want), len(got))
		want, got = want[:n], got[:n]
	}
	if slices.EqualFunc(want, got, bytes.Equal) {
		return
	}
	wants, gots := w.decode(call.Output, want), w.decode(call.Output, got)
	if call.Streams {
		w.first = call.First
		w.within(named("messages"), func() { w.list(wants, gots) })
		return
	}
	w.within(named("message"), func() {
		for i := range max(len(wants), len(gots)) {
			w.either(at(wants, i), at(gots, i))
		}
	})
}

// at returns an item, nil beyond the end.
func at(items []*node, i int) *node {
	if i < len(items) {
		return items[i]
	}
	return nil
}

// decode turns messages into trees.
func (w *walk) decode(md protoreflect.MessageDescriptor, messages [][]byte) []*node {
	nodes := make([]*node, len(messages))
	for i, data := range messages {
		nodes[i] = w.message(md, data)
	}
	return nodes
}

// status compares how calls ended.
func (w *walk) status(want, got *Answer) {
	if want.Status != got.Status {
		w.within(named("status"), func() { w.add(Changed, report.StatusName(want.Status), report.StatusName(got.Status)) })
	}
	if want.Text != got.Text {
		w.within(named("status_message"), func() { w.scalar(text(want.Text), text(got.Text)) })
	}
	if !bytes.Equal(want.Details, got.Details) {
		w.within(named("details"), func() { w.list(w.details(want.Details), w.details(got.Details)) })
	}
}

// metadata compares header fields, but for those that say nothing about the
// answer.
func (w *walk) metadata(name string, want, got metadata.MD) {
	var names []string
	for _, md := range []metadata.MD{want, got} {
		for key := range md {
			if !incidental[key] && !slices.Contains(names, key) {
				names = append(names, key)
			}
		}
	}
	slices.Sort(names)
	w.within(named(name), func() {
		for _, key := range names {
			w.within(named(key), func() { w.values(want[key], got[key]) })
		}
	})
}

// incidental are fields that differ from call to call, or are gRPC's own and
// compared as what they mean.
var incidental = map[string]bool{
	"content-type": true, "date": true, "server": true, "via": true, "grpc-status": true, "grpc-message": true,
	"grpc-status-details-bin": true, "grpc-encoding": true, "grpc-accept-encoding": true, "content-length": true,
	"x-envoy-upstream-service-time": true, "x-envoy-decorator-operation": true, "x-request-id": true, "traceparent": true,
}

// values compares all values of a header field.
func (w *walk) values(want, got []string) {
	switch {
	case slices.Equal(want, got):
	case len(want) == 0:
		w.add(Extra, "", cut(fmt.Sprintf("%q", got)))
	case len(got) == 0:
		w.add(Missing, cut(fmt.Sprintf("%q", want)), "")
	case len(want) == 1 && len(got) == 1:
		w.scalar(text(want[0]), text(got[0]))
	default:
		w.add(Changed, cut(fmt.Sprintf("%q", want)), cut(fmt.Sprintf("%q", got)))
	}
}

// latency compares times only where a tolerance asks for it: how long a call
// takes is no part of its answer.
func (w *walk) latency(want, got time.Duration) {
	w.within(named("latency"), func() {
		t := w.rules.tolerance(w.method, w.path)
		if t == nil || want == 0 || got == 0 || t.allows(want.Seconds(), max(got, want).Seconds()) || got-want <= t.time {
			return
		}
		w.add(Changed, want.String(), got.String())
	})
}

// unmarshal decodes a message with the target's own types.
func (c *Comparer) unmarshal(data []byte, m proto.Message) error {
	options := proto.UnmarshalOptions{AllowPartial: true}
	if c.Types != nil {
		options.Resolver = c.Types
	} else {
		options.Resolver = (*protoregistry.Types)(nil)
	}
	return options.Unmarshal(data, m)
}
