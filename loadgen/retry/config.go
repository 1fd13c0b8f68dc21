package retry

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"touchstone/server/source"
)

// Config is the part of a service config that concerns retries.
type Config struct {
	Methods    []MethodConfig
	Throttling *Throttling
}

// MethodConfig is one entry of methodConfig.
type MethodConfig struct {
	Pos     source.Pos
	Names   []Name        // none: the entry applies to no method
	Timeout time.Duration // 0: none
	Retry   *Policy       // nil: none
	Hedging bool          // a hedgingPolicy is given
}

// Name says what an entry applies to. An empty Service is the default for all
// methods; an empty Method all methods of the service.
type Name struct {
	Pos             source.Pos
	Service, Method string
}

// String returns the name as service/method, with * for all.
func (n Name) String() string {
	switch {
	case n.Service == "":
		return "*"
	case n.Method == "":
		return n.Service + "/*"
	}
	return n.Service + "/" + n.Method
}

// Parse reads a service config, in JSON or YAML, and checks what A6 and A21 say
// of it. The error is a [source.Errors] with every reason for which clients
// reject the config; they reject it as a whole.
func Parse(name string, text []byte) (*Config, error) {
	file := source.NewFile(name, string(text))
	node, err := source.ParseYAML(file, text)
	if err != nil {
		return nil, err
	}
	p := parser{&source.Reporter{File: file}}
	config := p.config(node)
	return config, p.Err()
}

// parser reads the parts of a service config. Fields that it does not know are
// not mistakes: A21 has clients ignore them.
type parser struct{ *source.Reporter }

func (p parser) config(n *source.Node) *Config {
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "a service config is an object, not %s", n.Kind)
		return &Config{}
	}
	c := &Config{}
	seen := map[string]bool{}
	for _, entry := range p.list(n.Get("methodConfig"), "methodConfig") {
		m := p.method(entry)
		for _, name := range m.Names {
			if seen[name.String()] {
				p.Errorf(name.Pos, "the name %s is given twice", name)
			}
			seen[name.String()] = true
		}
		c.Methods = append(c.Methods, m)
	}
	c.Throttling = p.throttling(n.Get("retryThrottling"))
	return c
}

// list returns the items of a field that has to be a list.
func (p parser) list(n *source.Node, what string) []*source.Node {
	if absent(n) {
		return nil
	}
	if n.Kind != source.List {
		p.Errorf(n.Pos, "%s is a list, not %s", what, n.Kind)
		return nil
	}
	return n.Items
}

// absent reports whether a field is missing or null, which is the same in
// protobuf's JSON form.
func absent(n *source.Node) bool { return n == nil || n.Kind == source.Null }

func (p parser) method(n *source.Node) MethodConfig {
	m := MethodConfig{Pos: n.Pos}
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "an entry of methodConfig is an object, not %s", n.Kind)
		return m
	}
	for _, item := range p.list(n.Get("name"), "name") {
		m.Names = append(m.Names, p.name(item))
	}
	if at := n.Get("timeout"); !absent(at) {
		m.Timeout, _ = p.duration(at, "timeout")
	}
	policy, hedging := n.Get("retryPolicy"), n.Get("hedgingPolicy")
	if !absent(policy) && !absent(hedging) {
		p.Errorf(hedging.Pos, "retryPolicy and hedgingPolicy exclude each other").Hint = "keep one of the two"
	}
	if !absent(policy) {
		m.Retry = p.policy(policy)
	}
	if !absent(hedging) {
		m.Hedging = true
		p.hedging(hedging)
	}
	return m
}

func (p parser) name(n *source.Node) Name {
	out := Name{Pos: n.Pos}
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "a name is an object, not %s", n.Kind)
		return out
	}
	out.Service, out.Method = p.text(n.Get("service")), p.text(n.Get("method"))
	if out.Service == "" && out.Method != "" {
		p.Errorf(n.Pos, "a name with a method needs its service")
	}
	return out
}

func (p parser) text(n *source.Node) string {
	if absent(n) {
		return ""
	}
	return p.Str(n)
}

func (p parser) policy(n *source.Node) *Policy {
	out := &Policy{Pos: n.Pos, node: n}
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "retryPolicy is an object, not %s", n.Kind)
		return out
	}
	if at := p.need(n, "retryPolicy", "maxAttempts"); at != nil {
		out.MaxAttempts = p.attempts(at)
	}
	if at := p.need(n, "retryPolicy", "initialBackoff"); at != nil {
		out.InitialBackoff = p.positive(at, "initialBackoff")
	}
	if at := p.need(n, "retryPolicy", "maxBackoff"); at != nil {
		out.MaxBackoff = p.positive(at, "maxBackoff")
	}
	if at := p.need(n, "retryPolicy", "backoffMultiplier"); at != nil {
		out.Multiplier = p.above0(at, "backoffMultiplier")
	}
	if at := p.need(n, "retryPolicy", "retryableStatusCodes"); at != nil {
		out.Codes = p.codes(at)
	}
	return out
}

// hedging checks a hedgingPolicy. What it makes clients do is not modelled:
// neither grpc-go nor C-core hedges.
func (p parser) hedging(n *source.Node) {
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "hedgingPolicy is an object, not %s", n.Kind)
		return
	}
	if at := p.need(n, "hedgingPolicy", "maxAttempts"); at != nil {
		p.attempts(at)
	}
	if at := n.Get("hedgingDelay"); !absent(at) {
		p.duration(at, "hedgingDelay")
	}
	if at := n.Get("nonFatalStatusCodes"); !absent(at) && at.Kind == source.List && len(at.Items) > 0 {
		p.codes(at)
	}
}

// need returns a field that has to be there.
func (p parser) need(n *source.Node, what, field string) *source.Node {
	at := n.Get(field)
	if absent(at) {
		e := p.Errorf(n.Pos, "%s has no %s", what, field)
		for _, f := range n.Fields {
			if strings.EqualFold(f.Key, field) {
				e.Pos, e.Line, e.Hint = f.Pos, p.File.Line(f.Pos.Line), fmt.Sprintf("names are case-sensitive: write %s, not %s", field, f.Key)
			}
		}
		return nil
	}
	return at
}

// attempts reads maxAttempts: an integer of at least 2; 5.0 is one.
func (p parser) attempts(n *source.Node) int {
	v, ok := new(big.Rat).SetString(n.Text)
	switch {
	case n.Kind != source.Int && n.Kind != source.Float || !ok || !v.IsInt():
		p.Errorf(n.Pos, "maxAttempts is an integer, not %s", n.JSON())
	case v.Num().Cmp(big.NewInt(2)) < 0:
		p.Errorf(n.Pos, "maxAttempts is %s, and has to be at least 2", n.Text).Hint = "to switch retries off, leave retryPolicy out"
	case !v.Num().IsInt64() || v.Num().Int64() > 1<<31-1:
		p.Errorf(n.Pos, "maxAttempts is %s, above 32 bits", n.Text)
	default:
		return int(v.Num().Int64())
	}
	return 2
}

// durationSyntax is protobuf's JSON form of a Duration.
var durationSyntax = regexp.MustCompile(`^(-?)([0-9]+)(\.[0-9]{1,9})?s$`)

// maxSeconds is the longest protobuf Duration.
const maxSeconds = 315_576_000_000

// duration reads a protobuf Duration, such as "0.1s". One above 292 years, the
// end of time.Duration, is cut to it.
func (p parser) duration(n *source.Node, what string) (time.Duration, bool) {
	parts := durationSyntax.FindStringSubmatch(n.Text)
	if n.Kind != source.String || parts == nil {
		e := p.Errorf(n.Pos, "%s is %s, not a duration in protobuf's JSON form", what, n.JSON())
		if d, err := time.ParseDuration(n.Text); err == nil {
			e.Hint = fmt.Sprintf("write %q: seconds, with s as the only unit", seconds(d))
		} else {
			e.Hint = `write seconds with s as the only unit: "0.1s", "2s"`
		}
		return 0, false
	}
	whole, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || whole > maxSeconds {
		p.Errorf(n.Pos, "%s is %s, above the longest duration of %ds", what, n.Text, int64(maxSeconds))
		return 0, false
	}
	d, err := time.ParseDuration(n.Text)
	if err != nil {
		d = 1<<63 - 1
	}
	return d, true
}

// seconds prints a duration in protobuf's JSON form.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

func (p parser) positive(n *source.Node, what string) time.Duration {
	d, ok := p.duration(n, what)
	if ok && d <= 0 {
		p.Errorf(n.Pos, "%s is %s, and has to be above 0", what, n.Text)
	}
	return max(d, 1)
}

func (p parser) above0(n *source.Node, what string) float64 {
	v, err := strconv.ParseFloat(n.Text, 64)
	if n.Kind != source.Int && n.Kind != source.Float || err != nil || v <= 0 {
		p.Errorf(n.Pos, "%s is %s, and has to be a number above 0", what, n.JSON())
		return 1
	}
	return v
}

// codes reads status codes: numbers, or names in any case (A6). CANCELED, with
// one L, is not a name.
func (p parser) codes(n *source.Node) []uint32 {
	var out []uint32
	for _, item := range p.list(n, "retryableStatusCodes") {
		if code, ok := statusCode(item); ok {
			out = append(out, code)
			continue
		}
		e := p.Errorf(item.Pos, "%s is not a status code", item.JSON())
		e.Hint = source.DidYouMean(strings.ToUpper(item.Text), codeNames())
	}
	if n.Kind == source.List && len(n.Items) == 0 {
		p.Errorf(n.Pos, "retryableStatusCodes is empty: nothing is retried")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func statusCode(n *source.Node) (uint32, bool) {
	switch n.Kind {
	case source.Int:
		code, err := strconv.ParseUint(n.Text, 10, 32)
		return uint32(code), err == nil && code <= 16
	case source.String:
		var c codes.Code
		err := c.UnmarshalJSON([]byte(strconv.Quote(strings.ToUpper(n.Text))))
		return uint32(c), err == nil && n.Text != ""
	}
	return 0, false
}

// codeNames returns the names of all status codes.
func codeNames() []string {
	names := make([]string, 17)
	for c := range names {
		names[c] = CodeName(uint32(c))
	}
	return names
}

// CodeName returns a status code's name, such as DEADLINE_EXCEEDED.
func CodeName(code uint32) string {
	const camel = `([a-z])([A-Z])`
	if code == uint32(codes.OK) {
		return "OK"
	}
	if code == uint32(codes.Canceled) {
		return "CANCELLED"
	}
	return strings.ToUpper(regexp.MustCompile(camel).ReplaceAllString(codes.Code(code).String(), "${1}_$2"))
}

func (p parser) throttling(n *source.Node) *Throttling {
	if absent(n) {
		return nil
	}
	if n.Kind != source.Object {
		p.Errorf(n.Pos, "retryThrottling is an object, not %s", n.Kind)
		return nil
	}
	t := &Throttling{Pos: n.Pos, MaxTokens: 1, TokenRatio: 1}
	if at := p.need(n, "retryThrottling", "maxTokens"); at != nil {
		if t.MaxTokens = p.above0(at, "maxTokens"); t.MaxTokens > 1000 {
			p.Errorf(at.Pos, "maxTokens is %s, above 1000", at.Text)
		}
	}
	if at := p.need(n, "retryThrottling", "tokenRatio"); at != nil {
		t.TokenRatio = p.above0(at, "tokenRatio")
	}
	return t
}

// Method returns the entry that applies to a method, most specific first: its
// own, its service's, the default. Entries are never merged. Nil: none.
func (c *Config) Method(service, method string) *MethodConfig {
	for _, name := range []Name{{Service: service, Method: method}, {Service: service}, {}} {
		for i := range c.Methods {
			for _, own := range c.Methods[i].Names {
				if own.String() == name.String() {
					return &c.Methods[i]
				}
			}
		}
	}
	return nil
}
