package fault

import (
	"fmt"
	"strconv"
	"strings"

	"touchstone/server/source"
)

// YAML prints the plan, one line for each match and inject. Parsing what it
// prints gives the same plan.
func (p *Plan) YAML() string {
	if len(p.Rules) == 0 {
		return "[]\n"
	}
	var b strings.Builder
	for _, rule := range p.Rules {
		lead := "- "
		if match := rule.Match.fields(); len(match) > 0 {
			fmt.Fprintf(&b, "- match: %s\n", match)
			lead = "  "
		}
		fmt.Fprintf(&b, "%sinject: %s\n", lead, rule.Action.fields())
	}
	return b.String()
}

// fields are the printed fields of a flow mapping.
type fields []string

// add appends a field unless it is absent.
func (f *fields) add(present bool, key, value string) {
	if present {
		*f = append(*f, key+": "+value)
	}
}

// String returns the flow mapping.
func (f fields) String() string { return "{" + strings.Join(f, ", ") + "}" }

func (m Match) fields() fields {
	var f fields
	f.add(m.Method != "", "method", quote(m.Method))
	f.add(m.Attempt != (Range{}), "attempt", m.Attempt.yaml())
	f.add(m.Call != (Range{}), "call", m.Call.yaml())
	f.add(m.Every != 0, "every", strconv.Itoa(m.Every))
	f.add(m.Percent != 0, "percent", strconv.FormatFloat(m.Percent, 'f', -1, 64))
	f.add(m.Metadata != nil, "metadata", pairs(m.Metadata))
	return f
}

// yaml prints what parseRange reads.
func (r Range) yaml() string {
	switch r.To {
	case 0:
		return fmt.Sprintf(`"%d-"`, r.From)
	case r.From:
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf(`"%d-%d"`, r.From, r.To)
}

func (a Action) fields() fields {
	var f fields
	f.add(a.Delay != (Delay{}), "delay", a.Delay.yaml())
	if s := a.Status; s != nil {
		f = append(f, s.fields()...)
	}
	if a.Rst != nil {
		f.add(true, "rst", numeral(*a.Rst, http2Names))
	}
	f.add(a.Refused, "refused", "true")
	f.add(a.Close != nil, "close", a.Close.yaml())
	f.add(a.Reset != nil, "reset", a.Reset.yaml())
	f.add(a.Blackhole != nil, "blackhole", a.Blackhole.yaml())
	f.add(a.HTTP != nil, "http", a.HTTP.yaml())
	f.add(a.DropTrailers, "drop_trailers", "true")
	if a.Truncate != nil {
		f.add(true, "truncate", strconv.FormatInt(*a.Truncate, 10))
	}
	f.add(a.HalfOpen != nil, "half_open", a.HalfOpen.yaml())
	f.add(a.AfterRequests == AllRequests, "after_requests", "all")
	f.add(a.AfterRequests > 0 && a.AfterRequests < AllRequests, "after_requests", strconv.Itoa(a.AfterRequests))
	f.add(a.AfterMessages > 0, "after_messages", strconv.Itoa(a.AfterMessages))
	f.add(a.WithHeaders && len(a.Headers) == 0, "with_headers", "true")
	f.add(a.WithHeaders && len(a.Headers) > 0, "with_headers", pairs(a.Headers))
	f.add(len(a.Settings) > 0, "settings", settingsYAML(a.Settings))
	f.add(len(a.GoAways) > 0, "goaway", goAwaysYAML(a.GoAways))
	f.add(a.Informational > 0, "informational", strconv.Itoa(a.Informational))
	f.add(a.Corrupt != "", "corrupt", a.Corrupt)
	f.add(a.Bandwidth > 0, "bandwidth", strconv.FormatInt(a.Bandwidth, 10))
	return f
}

func (s *Status) fields() fields {
	var f fields
	f.add(true, "status", numeral(s.Code, statusNames))
	f.add(s.Message != "", "message", quote(s.Message))
	var details []string
	for _, d := range s.Details {
		details = append(details, d.yaml())
	}
	f.add(len(details) > 0, "details", "["+strings.Join(details, ", ")+"]")
	var values []string
	for _, v := range s.Pushback {
		values = append(values, quote(v))
	}
	f.add(len(values) > 0, "pushback", "["+strings.Join(values, ", ")+"]")
	return f
}

func (d Detail) yaml() string {
	rest := escape(strings.TrimPrefix(d.JSON, "{"))
	if rest != "}" {
		rest = "," + rest
	}
	return fmt.Sprintf(`{"type":%q%s`, d.Type, rest)
}

func (p *Point) yaml() string {
	switch {
	case p == nil:
		return ""
	case p.AfterBytes > 0:
		return fmt.Sprintf("{after_bytes: %d}", p.AfterBytes)
	case p.AfterMessages > 0:
		return fmt.Sprintf("{after_messages: %d}", p.AfterMessages)
	}
	return "headers"
}

func settingsYAML(settings []Setting) string {
	var f fields
	for _, s := range settings {
		f.add(true, settingNames[s.ID], strconv.FormatUint(uint64(s.Value), 10))
	}
	return f.String()
}

func goAwaysYAML(frames []GoAway) string {
	texts := make([]string, len(frames))
	for i, g := range frames {
		texts[i] = g.yaml()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (g *GoAway) yaml() string {
	var f fields
	f.add(true, "last", g.Last)
	f.add(true, "code", numeral(g.Code, http2Names))
	f.add(g.Debug != "", "debug", quote(g.Debug))
	return f.String()
}

func (h *HTTP) yaml() string {
	if h == nil {
		return ""
	}
	var f fields
	f.add(true, "status", strconv.Itoa(h.Status))
	f.add(h.ContentType != "", "content_type", quote(h.ContentType))
	f.add(h.Body != "", "body", quote(h.Body))
	return f.String()
}

// pairs prints a mapping in the order of its keys.
func pairs(m map[string]string) string {
	var f fields
	for _, key := range sortedKeys(m) {
		f.add(true, quote(key), quote(m[key]))
	}
	return f.String()
}

// quote prints a string as JSON in ASCII, which YAML reads as the same string.
func quote(s string) string {
	return escape((&source.Node{Kind: source.String, Text: s}).JSON())
}

// escape replaces what is not printable ASCII within the strings of a JSON
// text: YAML forbids some characters that JSON allows, such as DEL.
func escape(json string) string {
	var b strings.Builder
	for _, c := range json {
		switch {
		case c < 0x7f:
			b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
