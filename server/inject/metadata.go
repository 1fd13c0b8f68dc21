package inject

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/server/fault"
)

// Metadata by which callers ask for faults.
const (
	behaviorKey   = "rpc-behavior"
	envoyAbortKey = "x-envoy-fault-abort-grpc-request"
	envoyDelayKey = "x-envoy-fault-delay-request"
)

// maxWait bounds the waits that callers ask for.
const maxWait = 24 * time.Hour

// asked reads what the caller asks for. The error is INVALID_ARGUMENT.
func asked(md metadata.MD, previous int, hostname string) (order, error) {
	if len(md[behaviorKey]) > 0 {
		return behave(md[behaviorKey], previous, hostname)
	}
	var o order
	if values := md[envoyDelayKey]; len(values) > 0 {
		ms, err := parse(envoyDelayKey, values[0], 63)
		if err != nil {
			return order{}, err
		}
		o.delay = capped(ms, time.Millisecond)
	}
	if values := md[envoyAbortKey]; len(values) > 0 {
		code, err := parse(envoyAbortKey, values[0], 32)
		if err != nil {
			return order{}, err
		}
		o.fail(code, "fault filter abort")
	}
	return o, nil
}

// behave follows rpc-behavior: comma-separated words, carried out one after
// the other until one of them ends the matching.
//
//	sleep-N                      wait N seconds, then go on
//	keep-open                    never answer
//	error-code-N                 end the call with this status
//	succeed-on-retry-attempt-N   on attempt N (0 is the first), as usual
//	hostname=NAME WORD           do WORD if this is the server's name
//
// Words that it does not know are passed over, as the interop servers do.
func behave(values []string, previous int, hostname string) (order, error) {
	var o order
	for word := range strings.SplitSeq(strings.Join(values, ","), ",") {
		word, ok := onHost(strings.TrimSpace(word), hostname)
		if !ok {
			continue
		}
		name, number := splitNumber(word)
		if name == "keep-open" {
			o.keepOpen = true
			return o, nil
		}
		if name != "sleep-" && name != "error-code-" && name != "succeed-on-retry-attempt-" {
			continue
		}
		n, err := parse(behaviorKey, number, 31)
		if err != nil {
			return order{}, err
		}
		switch name {
		case "sleep-":
			o.delay = min(o.delay+capped(n, time.Second), maxWait)
		case "error-code-":
			o.fail(n, "RPC failed as directed by rpc-behavior header value "+word)
			return o, nil
		case "succeed-on-retry-attempt-":
			if n == uint64(previous) {
				return o, nil
			}
		}
	}
	return o, nil
}

// onHost strips the prefix that limits a word to one host, and reports whether
// the word is for this one.
func onHost(word, hostname string) (string, bool) {
	rest, limited := strings.CutPrefix(word, "hostname=")
	if !limited {
		return word, true
	}
	name, rest, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(rest), name == hostname
}

// splitNumber cuts a word behind its last dash: sleep-5 is sleep- and 5. What
// has no number is a name.
func splitNumber(word string) (name, number string) {
	for _, prefix := range []string{"sleep-", "error-code-", "succeed-on-retry-attempt-"} {
		if rest, ok := strings.CutPrefix(word, prefix); ok {
			return prefix, rest
		}
	}
	return word, ""
}

// parse reads a number of a header.
func parse(key, text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return 0, status.Errorf(codes.InvalidArgument, "invalid format for %s header: %q", key, text)
	}
	return n, nil
}

// capped returns n units, at most maxWait.
func capped(n uint64, unit time.Duration) time.Duration {
	return time.Duration(min(n, uint64(maxWait/unit))) * unit
}

// fail makes the order end with a status. Code 0 is a call as usual.
func (o *order) fail(code uint64, message string) {
	if code == 0 {
		return
	}
	o.action = &fault.Action{}
	o.end.err = status.Error(codes.Code(code), message)
}
