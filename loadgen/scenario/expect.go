package scenario

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/server/source"
)

// expectDecl is `expect:` of a step, and what recv_all and end expect.
type expectDecl struct {
	pos         source.Pos
	short       bool // of a step, not of an operation
	options     matchDecl
	status      []codes.Code // any of them; nil is not given
	statusPos   source.Pos
	statusText  *source.Node // pattern of the status message
	message     *source.Node
	json        *source.Node
	each        []*source.Node // conditions, and patterns
	messages    *source.Node
	count       *Range
	countPos    source.Pos
	details     []detailDecl
	header      *source.Node
	trailer     *source.Node
	firstWithin time.Duration
	within      time.Duration
}

// detailDecl is a pattern for one of the details of a status.
type detailDecl struct {
	typeName string
	pos      source.Pos // of the type
	pattern  *source.Node
}

// expectFields says which fields an expectation may have.
type expectFields int

const (
	allExpect  expectFields = 1 << iota // those of the messages
	endExpect                           // those of the end
	fullExpect = allExpect | endExpect
)

// parseExpect reads an expectation; an absent one expects nothing in
// particular.
func parseExpect(r *source.Reporter, n *source.Node, fields expectFields) *expectDecl {
	if n == nil {
		return &expectDecl{short: fields == fullExpect}
	}
	m := r.Mapping(n)
	e := &expectDecl{pos: n.Pos, short: fields == fullExpect}
	if fields&allExpect != 0 {
		e.parseMessages(r, m)
	}
	if fields&endExpect != 0 {
		e.parseEnd(r, m)
	}
	if fields == fullExpect {
		e.message, e.json = m.Take("message"), m.Take("json")
	}
	if fields == endExpect {
		e.options.asserts = r.List(m.Take("assert"))
	} else {
		e.options = parseMatch(r, m)
	}
	e.conflicts(r)
	m.Done()
	return e
}

func (e *expectDecl) parseMessages(r *source.Reporter, m *source.Mapping) {
	if n := m.Take("count"); n != nil {
		e.count, e.countPos = parseRange(r, n), n.Pos
	}
	e.each = r.List(m.Take("each"))
	if e.messages = m.Take("messages"); e.messages != nil && e.messages.Kind != source.List {
		r.Errorf(e.messages.Pos, "messages: want a list of patterns, got %s", e.messages.Kind)
		e.messages = nil
	}
	e.firstWithin = r.Duration(m.Take("first_within"))
	e.within = r.Duration(m.Take("within"))
}

func (e *expectDecl) parseEnd(r *source.Reporter, m *source.Mapping) {
	if n := m.Take("status"); n != nil {
		e.statusPos = n.Pos
		for _, item := range r.List(n) {
			if code, ok := parseStatus(r, item); ok {
				e.status = append(e.status, code)
			}
		}
	}
	e.statusText = m.Take("status_message")
	e.details = parseDetails(r, m.Take("details"))
	e.header = parseHeaders(r, m.Take("header"))
	e.trailer = parseHeaders(r, m.Take("trailer"))
}

// conflicts reports expectations that exclude each other.
func (e *expectDecl) conflicts(r *source.Reporter) {
	if e.message != nil && e.json != nil {
		r.Errorf(e.json.Pos, "message and json exclude each other").Hint = "json is message, but with every text field read as JSON"
	}
	if e.messages != nil && e.count != nil {
		r.Errorf(e.countPos, "count and messages exclude each other").Hint = "there have to be as many messages as the list has items"
	}
}

// statusNames are the names of the status codes, by number.
var statusNames = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

// StatusName returns the name of a status code as files and reports have it,
// such as NOT_FOUND; the number if it has none.
func StatusName(c codes.Code) string {
	if int(c) < len(statusNames) {
		return statusNames[c]
	}
	return strconv.Itoa(int(c))
}

// parseStatus reads a status by its name or number.
func parseStatus(r *source.Reporter, n *source.Node) (codes.Code, bool) {
	if number, ok := n.Int64(); ok && number >= 0 && number < int64(len(statusNames)) {
		return codes.Code(number), true
	}
	for i, name := range statusNames {
		if n.Kind == source.String && (n.Text == name || n.Text == "CANCELED" && i == int(codes.Canceled)) {
			return codes.Code(i), true
		}
	}
	e := r.Errorf(n.Pos, "unknown status %s", n.JSON())
	if e.Hint = source.DidYouMean(n.Text, statusNames); e.Hint == "" {
		e.Hint = "the statuses are " + strings.Join(statusNames, ", ")
	}
	return 0, false
}

// parseDetails reads patterns for details: a list of {type: pkg.Message, ...},
// or a mapping from type to pattern.
func parseDetails(r *source.Reporter, n *source.Node) []detailDecl {
	var details []detailDecl
	if n != nil && n.Kind == source.Object && n.Get("type") == nil && n.Get("@type") == nil {
		for _, f := range n.Fields {
			details = append(details, detailDecl{f.Key, f.Pos, f.Value})
		}
		return details
	}
	for _, item := range r.List(n) {
		if d, ok := parseDetail(r, item); ok {
			details = append(details, d)
		}
	}
	return details
}

func parseDetail(r *source.Reporter, n *source.Node) (detailDecl, bool) {
	key := "type"
	if n.Get("@type") != nil {
		key = "@type"
	}
	name := n.Get(key)
	if name == nil || name.Kind != source.String {
		r.Errorf(n.Pos, "a detail needs its type").Hint = "write {type: google.rpc.BadRequest, ...}"
		return detailDecl{}, false
	}
	pattern := &source.Node{Kind: source.Object, Pos: n.Pos}
	for _, f := range n.Fields {
		if f.Key != key {
			pattern.Fields = append(pattern.Fields, f)
		}
	}
	return detailDecl{name.Text[strings.LastIndexByte(name.Text, '/')+1:], name.Pos, pattern}, true
}

// parseHeaders checks the keys of patterns for headers or trailers.
func parseHeaders(r *source.Reporter, n *source.Node) *source.Node {
	if n == nil {
		return nil
	}
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "want a mapping, got %s", n.Kind)
		return nil
	}
	for _, f := range n.Fields {
		checkMetadataKey(r, f)
	}
	return n
}
