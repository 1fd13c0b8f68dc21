// Package fault reads, prints and decides fault plans: which attempt of which
// call fails, and how.
//
// A plan is an ordered list of rules, as YAML or JSON. The first rule whose
// match fits decides; a call that none fits goes through untouched.
//
//	# an outage that a retry survives, within a slow network
//	- match: {method: Detect/detect, attempt: 1-2}
//	  inject: {status: UNAVAILABLE, message: planned}
//	- match: {method: "*", percent: 5, metadata: {x-tenant: acme}}
//	  inject: {delay: {distribution: lognormal, median: 20ms, sigma: 0.8, max: 2s}}
//
// # match
//
// Every condition given has to hold; an absent one always does.
//
//	method    Service/Method; * stands for any run of characters; alone it
//	          is every method but those of grpc.health and grpc.reflection
//	attempt   ordinals from 1, by grpc-previous-rpc-attempts: 3, 1-2 or 4-
//	call      ordinals from 1 of the calls that fit method and metadata
//	every     N: the calls whose ordinal is a multiple of N
//	percent   of the attempts that fit all the rest, drawn from the seed
//	metadata  {key: value}: the request has that value among those of key
//
// # inject
//
// At most one of these ends the call:
//
//	status         name or number; with message, details, pushback
//	rst            RST_STREAM with this HTTP/2 error, by name or number
//	refused        true: RST_STREAM(REFUSED_STREAM), before anything else
//	close          end the connection: FIN
//	reset          end the connection: RST
//	blackhole      the stream hangs: nothing more is sent or read on it
//	half_open      the connection hangs: nothing more is sent on it
//	http           {status, content_type, body}: an answer that is not gRPC
//	drop_trailers  true: the response ends without trailers
//	truncate       N: the response ends after N bytes of its first message
//
// The point of close, reset, blackhole and half_open is "headers" (when the request's
// headers have arrived), {after_bytes: N} of response data or
// {after_messages: N} of the response. A status or rst comes at once, unless
// one of these says otherwise:
//
//	after_requests  N: when N request messages have been read, or all: when
//	                the client has half-closed
//	after_messages  N: when N response messages have been sent
//	with_headers    true, or {key: value}: response headers go first, which
//	                commits the call: clients do not retry it
//
// These go with any end, or without one:
//
//	delay      before anything else: 200ms, or {distribution: ...}
//	settings   {max_concurrent_streams: N, ...}: SETTINGS, see names.go
//	goaway     {last, code, debug}, or a list of these: GOAWAY; last is a stream
//	           id, or below, this (the default) or max, relative to the stream
//	           of this call
//	informational  102 to 199: HEADERS with this status before the response
//	corrupt    payload, length or flag: damage the first response message
//	bandwidth  bytes a second of response data: 65536 or 64KiB/s
//
// The distributions are uniform {min, max}, normal {mean, stddev},
// exponential {mean}, lognormal {median, sigma} and pareto {min, alpha}; all
// but uniform take an optional max, which cuts longer draws down to it.
//
// pushback is the trailer grpc-retry-pushback-ms: an integer in milliseconds,
// a string that is sent as it stands (to see what clients make of "abc"), or a
// list, sent as repeated trailers. details is a list of google.rpc messages:
//
//	details: [{type: google.rpc.RetryInfo, retry_delay: 1s}]
//
// The package decides and does nothing else: no clock, goroutine or I/O. What
// it decided is carried out by an interpreter, the server interceptor or the
// proxy; see [Plan.Unsupported].
package fault

import (
	"strings"

	"touchstone/server/source"
)

// Plan is an ordered list of rules. It is immutable once parsed, and safe for
// concurrent use.
type Plan struct {
	Rules []Rule
	file  *source.File
}

// Rule says what is done to the calls that fit.
type Rule struct {
	Pos    source.Pos // where the rule starts
	Match  Match
	Action Action
	words  map[string]source.Pos // where each word of match and inject stands
}

// Match is the condition of a rule. The zero value fits every attempt.
type Match struct {
	Method   string            // "Service/Method" with * as wildcard; "" is "*"
	Attempt  Range             // ordinals of the attempt within its call
	Call     Range             // ordinals of the call, see [Decider]
	Every    int               // the call's ordinal is a multiple; 0 and 1 fit all
	Percent  float64           // in (0, 100]; 0 stands for absent
	Metadata map[string]string // each key has this value among its values
}

// Range is a range of ordinals, both ends included. To is 0 when the range is
// open; the zero Range holds every ordinal.
type Range struct{ From, To int }

// Contains reports whether n is in the range.
func (r Range) Contains(n int) bool { return n >= r.From && (r.To == 0 || n <= r.To) }

// MatchesMethod reports whether the rule's pattern fits "Service/Method". What
// every method would fit leaves the services of the infrastructure alone: a
// plan must not cut off the reflection that its scenario is compiled with, nor
// count its calls.
func (m Match) MatchesMethod(method string) bool {
	if m.Method == "" || m.Method == "*" {
		return !strings.HasPrefix(method, "grpc.reflection.") && !strings.HasPrefix(method, "grpc.health.")
	}
	return wildcard(m.Method, method)
}

// wildcard reports whether the whole text fits a pattern in which * stands for
// any run of characters. It takes the shortest run each time, which is enough:
// a match for the rest in a later place is one in the earliest place too.
func wildcard(pattern, text string) bool {
	part, pattern, star := strings.Cut(pattern, "*")
	rest, ok := strings.CutPrefix(text, part)
	if !star {
		return ok && rest == ""
	}
	for ok {
		if part, pattern, star = strings.Cut(pattern, "*"); !star {
			return strings.HasSuffix(rest, part)
		}
		_, rest, ok = strings.Cut(rest, part)
	}
	return false
}

// matchesMetadata reports whether every pair of the rule is in the request.
func (m Match) matchesMetadata(md map[string][]string) bool {
	for key, want := range m.Metadata {
		found := false
		for _, value := range md[key] {
			found = found || value == want
		}
		if !found {
			return false
		}
	}
	return true
}
