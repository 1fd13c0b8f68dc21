package inject

import (
	"google.golang.org/grpc"

	"touchstone/server/fault"
	"touchstone/server/source"
)

// capability is what an interceptor can carry out.
var capability = fault.Capability{"status", "delay", "after_requests", "after_messages", "with_headers"}

// needsProxy is the hint beside words that are not in capability.
const needsProxy = "the server itself carries out status and delay; what lies below gRPC is done on the wire"

// method is what the check has to know of a served method.
type method struct {
	name          string // Service/Method
	clientStreams bool
	serverStreams bool
}

// methods lists what the services serve.
func methods(services []*grpc.ServiceDesc) []method {
	var out []method
	for _, s := range services {
		for _, m := range s.Methods {
			out = append(out, method{name: s.ServiceName + "/" + m.MethodName})
		}
		for _, m := range s.Streams {
			out = append(out, method{name: s.ServiceName + "/" + m.StreamName, clientStreams: m.ClientStreams, serverStreams: m.ServerStreams})
		}
	}
	return out
}

// check refuses a plan that cannot be carried out: words that need the proxy,
// methods that do not exist, and points that are never reached.
func check(cfg Config) error {
	if cfg.Plan == nil {
		return nil
	}
	r := cfg.Plan.Reporter()
	r.Add(cfg.Plan.Unsupported(capability, needsProxy)...)
	served := methods(cfg.Services)
	for i := range cfg.Plan.Rules {
		if len(served) > 0 {
			checkMethods(r, &cfg.Plan.Rules[i], served)
		}
	}
	return r.Err()
}

// checkMethods reports a rule that fits no method, and the first method whose
// kind has too few messages for the rule's point.
func checkMethods(r *source.Reporter, rule *fault.Rule, served []method) {
	var names []string
	fits := false
	for _, m := range served {
		names = append(names, m.name)
		if !rule.Match.MatchesMethod(m.name) {
			continue
		}
		fits = true
		if word, why := unreachable(rule.Action, m); word != "" {
			e := r.Errorf(rule.Word(word), "%s: %s %s", word, m.name, why)
			e.Hint = "name a streaming method in match"
			return
		}
	}
	if !fits {
		e := r.Errorf(rule.Word("method"), "%q fits no method of this server", rule.Match.Method)
		e.Hint = source.DidYouMean(rule.Match.Method, names)
	}
}

// unreachable returns the word of the action that m cannot reach, and why. The
// response of a unary call is sent together with its OK, so nothing can come
// after it.
func unreachable(a fault.Action, m method) (word, why string) {
	switch {
	case a.AfterRequests > 1 && a.AfterRequests != fault.AllRequests && !m.clientStreams:
		return "after_requests", "has one request"
	case a.AfterMessages > 0 && !m.clientStreams && !m.serverStreams:
		return "after_messages", "is unary: its response and its status are one"
	case a.AfterMessages > 1 && !m.serverStreams:
		return "after_messages", "has one response"
	}
	return "", ""
}
