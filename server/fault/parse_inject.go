package fault

import (
	"strconv"
	"strings"

	"touchstone/server/source"
)

// ends are the words of inject that end a call: at most one is given.
var ends = []string{"status", "rst", "refused", "close", "reset", "blackhole", "half_open", "http", "drop_trailers", "truncate"}

// needs says which words make sense only beside another one of a few.
var needs = []struct {
	word string
	any  []string
}{
	{"message", []string{"status"}},
	{"details", []string{"status"}},
	{"pushback", []string{"status"}},
	{"after_requests", []string{"status", "rst"}},
	{"after_messages", []string{"status", "rst"}},
	{"with_headers", []string{"status", "rst"}},
}

func parseAction(r *source.Reporter, n *source.Node) Action {
	m := r.Mapping(n)
	a := Action{
		Delay:         parseDelay(r, m.Take("delay")),
		Settings:      parseSettings(r, m.Take("settings")),
		GoAways:       parseGoAways(r, m.Take("goaway")),
		Informational: r.Int(m.Take("informational"), 102, 199),
		Corrupt:       oneOf(r, m.Take("corrupt"), "part to corrupt", []string{"payload", "length", "flag"}),
		Bandwidth:     parseBandwidth(r, m.Take("bandwidth")),
		Status:        parseStatus(r, m),
		Refused:       only(r, m.Take("refused")),
		Close:         parsePoint(r, m.Take("close")),
		Reset:         parsePoint(r, m.Take("reset")),
		Blackhole:     parsePoint(r, m.Take("blackhole")),
		HTTP:          parseHTTP(r, m.Take("http")),
		DropTrailers:  only(r, m.Take("drop_trailers")),
		HalfOpen:      parsePoint(r, m.Take("half_open")),
		AfterRequests: parseRequests(r, m.Take("after_requests")),
		AfterMessages: atLeast(r, m.Take("after_messages"), 1),
	}
	if at := m.Take("rst"); at != nil {
		code := number(r, at, "HTTP/2 error", http2Names)
		a.Rst = &code
	}
	if at := m.Take("truncate"); at != nil {
		bytes := int64(atLeast(r, at, 0))
		a.Truncate = &bytes
	}
	a.WithHeaders, a.Headers = parseHeaders(r, m.Take("with_headers"))
	m.Done()
	checkWords(r, n)
	return a
}

// checkWords reports words that do not go together.
func checkWords(r *source.Reporter, n *source.Node) {
	if n.Kind == source.Object && len(n.Fields) == 0 {
		r.Errorf(n.Pos, "inject says nothing to do")
	}
	end := ""
	for _, f := range n.Fields {
		for _, word := range ends {
			switch {
			case f.Key != word:
			case end != "":
				r.Errorf(f.Pos, "%s and %s both end the call: a rule has one end", end, word)
			default:
				end = word
			}
		}
	}
	for _, need := range needs {
		if n.Get(need.word) == nil {
			continue
		}
		found := false
		for _, word := range need.any {
			found = found || n.Get(word) != nil
		}
		if !found {
			r.Errorf(fieldPos(n, need.word), "%s needs %s beside it", need.word, strings.Join(need.any, " or "))
		}
	}
}

// fieldPos returns where a field's key stands.
func fieldPos(n *source.Node, key string) source.Pos {
	for _, f := range n.Fields {
		if f.Key == key {
			return f.Pos
		}
	}
	return n.Pos
}

// only reads a flag whose only sensible value is true.
func only(r *source.Reporter, n *source.Node) bool {
	v := r.Bool(n)
	if n != nil && n.Kind == source.Bool && !v {
		r.Errorf(n.Pos, "false is the same as leaving it out")
	}
	return v
}

func parseStatus(r *source.Reporter, m *source.Mapping) *Status {
	at, message, details, pushback := m.Take("status"), m.Take("message"), m.Take("details"), m.Take("pushback")
	s := Status{Message: text(r, message), Pushback: parsePushback(r, pushback)}
	if details != nil && details.Kind != source.List {
		r.Errorf(details.Pos, "want a list of details, got %s", details.Kind)
		details = nil
	}
	for _, n := range r.List(details) {
		s.Details = append(s.Details, parseDetail(r, n))
	}
	if at == nil {
		return nil // checkWords reports what is left over
	}
	s.Code = number(r, at, "status", statusNames)
	return &s
}

// parsePushback reads milliseconds, a raw string, or a list of either.
func parsePushback(r *source.Reporter, n *source.Node) []string {
	var out []string
	for _, item := range r.List(n) {
		if item.Kind != source.Int && item.Kind != source.String {
			e := r.Errorf(item.Pos, "want milliseconds or a string, got %s", item.Kind)
			e.Hint = `quote a value that is to be sent as it stands: "1.5"`
			continue
		}
		checkValue(r, item)
		out = append(out, item.Text)
	}
	if n != nil && n.Kind == source.List && len(n.Items) == 0 {
		r.Errorf(n.Pos, "an empty list sends no pushback")
	}
	return out
}

// parseHeaders reads true, or the headers to send.
func parseHeaders(r *source.Reporter, n *source.Node) (bool, map[string]string) {
	if n == nil || n.Kind != source.Object {
		return only(r, n), nil
	}
	if len(n.Fields) == 0 {
		return true, nil
	}
	return true, parsePairs(r, n)
}

// parsePoint reads "headers", {at: headers}, {after_bytes: N} or
// {after_messages: N}.
func parsePoint(r *source.Reporter, n *source.Node) *Point {
	if n == nil {
		return nil
	}
	if n.Kind == source.String {
		oneOf(r, n, "point", []string{"headers"})
		return &Point{}
	}
	m := r.Mapping(n)
	oneOf(r, m.Take("at"), "point", []string{"headers"})
	p := &Point{
		AfterBytes:    int64(atLeast(r, m.Take("after_bytes"), 1)),
		AfterMessages: int64(atLeast(r, m.Take("after_messages"), 1)),
	}
	m.Done()
	if n.Kind == source.Object && len(n.Fields) != 1 {
		r.Errorf(n.Pos, "want one of at: headers, after_bytes: N, after_messages: N")
	}
	return p
}

// parseRequests reads a number of messages, or all.
func parseRequests(r *source.Reporter, n *source.Node) int {
	if n != nil && n.Kind == source.String {
		oneOf(r, n, "number of messages", []string{"all"})
		return AllRequests
	}
	return r.Int(n, 1, AllRequests-1)
}

func parseSettings(r *source.Reporter, n *source.Node) []Setting {
	if n == nil {
		return nil
	}
	m := r.Mapping(n)
	var out []Setting
	for id, name := range settingNames {
		if at := m.Take(name); at != nil && name != "" {
			out = append(out, Setting{ID: uint16(id), Value: uint32(r.Int(at, 0, 1<<32-1))})
		}
	}
	m.Done()
	if n.Kind == source.Object && len(n.Fields) == 0 {
		r.Errorf(n.Pos, "settings says nothing to set")
	}
	return out
}

// parseGoAways reads one GOAWAY, or a list of them.
func parseGoAways(r *source.Reporter, n *source.Node) []GoAway {
	var out []GoAway
	for _, item := range r.List(n) {
		out = append(out, parseGoAway(r, item))
	}
	if n != nil && n.Kind == source.List && len(n.Items) == 0 {
		r.Errorf(n.Pos, "an empty list sends no GOAWAY")
	}
	return out
}

func parseGoAway(r *source.Reporter, n *source.Node) GoAway {
	m := r.Mapping(n)
	g := GoAway{Last: "this", Debug: text(r, m.Take("debug"))}
	if at := m.Take("last"); at != nil {
		g.Last = parseLast(r, at)
	}
	if at := m.Take("code"); at != nil {
		g.Code = number(r, at, "HTTP/2 error", http2Names)
	}
	m.Done()
	return g
}

// parseLast reads a stream id (31 bits) or a word.
func parseLast(r *source.Reporter, n *source.Node) string {
	if n.Kind != source.Int {
		return oneOf(r, n, "stream", []string{"below", "this", "max"})
	}
	return strconv.Itoa(atLeast(r, n, 0))
}

func parseHTTP(r *source.Reporter, n *source.Node) *HTTP {
	if n == nil {
		return nil
	}
	m := r.Mapping(n)
	h := &HTTP{
		Status:      r.Int(m.Need("status"), 200, 599),
		ContentType: r.Str(m.Take("content_type")),
		Body:        text(r, m.Take("body")),
	}
	if at := n.Get("content_type"); at != nil {
		checkValue(r, at)
	}
	m.Done()
	return h
}

// parseBandwidth reads bytes a second: 65536, or a size such as 64KiB/s.
func parseBandwidth(r *source.Reporter, n *source.Node) int64 {
	if n == nil {
		return 0
	}
	if n.Kind != source.String && n.Kind != source.Int {
		r.Errorf(n.Pos, "want bytes a second, got %s", n.Kind)
		return 0
	}
	rate, err := ParseSize(strings.TrimSuffix(n.Text, "/s"))
	if err != nil || rate == 0 {
		e := r.Errorf(n.Pos, "want bytes a second above 0, got %s", n.JSON())
		e.Hint = "write 65536 or 64KiB/s"
	}
	return rate
}
