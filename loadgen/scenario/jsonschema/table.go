package jsonschema

// This file is the language, key by key. A test holds it against the parsers
// of packages scenario and fault: each key of one is a key of the other.

func fileKeys() []key {
	return []key{
		{"version", "The version of the language.", node{"const": 1}, true},
		{"name", "Default: the name of the file.", str(), false},
		{"description", "A sentence for reports.", str(), false},
		{"tags", "Words that --tags selects by.", someOf(str()), false},
		{"skip", "A reason: the file is reported as skipped.", reason(), false},
		{"target", "An address that goes before --target.", str(), false},
		{"service_config", "The client's gRPC service config. Default: five attempts on UNAVAILABLE.", node{"type": "object"}, false},
		{"faults", "A fault plan, which a proxy in the path carries out.", list(ref("faultRule")), false},
		{"vars", "Names for values.", mapping(identifier, anything()), false},
		{"data", "Rows: a .jsonl or .csv file, or the rows themselves.", data(), false},
		{"metadata", "Request metadata of every step that does not have the key.", ref("metadata"), false},
		{"timeout", "The deadline of every step that has none.", ref("duration"), false},
		{"steps", "The calls, in order.", node{"type": "array", "items": ref("step"), "minItems": 1}, true},
		{"load", "Calls of a step, made many times.", someOf(ref("load")), false},
	}
}

func reason() node { return node{"type": "string", "pattern": `\S`} }

func data() node {
	return either(str(), object([]key{
		{"file", "Relative to the scenario.", str(), false},
		{"rows", "", someOf(anything()), false},
	}))
}

// step is one call. What a script says is not said beside it again.
func step() node {
	out := object([]key{
		{"call", "package.Service/Method", str(), true},
		{"id", "Unique in the file.", str(), false},
		{"description", "A sentence for reports.", str(), false},
		{"skip", "A reason not to run it.", reason(), false},
		{"metadata", "Request metadata.", ref("metadata"), false},
		{"timeout", "The deadline of the call.", ref("duration"), false},
		{"send", "The request; for a stream of requests, a list of messages.", anything(), false},
		{"send_json", "The request; values of string fields are written as JSON text.", anything(), false},
		{"expect", "What has to come back. Default: the status OK.", ref("expect"), false},
		{"save", "Values to use later: a name, and an expression.", saves(), false},
		{"cancel", "When the call is cancelled.", cancel(), false},
		{"script", "Operations in order, in place of send, expect, save and cancel.", list(ref("operation")), false},
		{"repeat", "How often to run the step, with i counting from 0.", integer(1, maxRepeat), false},
		{"for_each", "row: run it once for every row of the data.", words("row"), false},
		{"attempts", "What the client's attempts have to look like.", attempts(), false},
	})
	out["dependencies"] = node{"script": node{"not": node{"anyOf": []node{
		{"required": []string{"send"}}, {"required": []string{"send_json"}}, {"required": []string{"expect"}},
		{"required": []string{"save"}}, {"required": []string{"cancel"}}}}}}
	out["not"] = node{"required": []string{"send", "send_json"}}
	return out
}

func saves() node { return mapping(identifier, anything()) }

func cancel() node {
	return either(words("after_begin"), object([]key{{"after_messages", "", integer(1, maxRepeat), true}}))
}

func attempts() node {
	return object([]key{
		{"count", "Attempts made: 3, 1-5 or 2+.", count(), false},
		{"transparent", "How many of them were transparent retries.", count(), false},
		{"backoff", "policy, or the gaps as a list of durations.", either(words("policy"), list(ref("duration"))), false},
		{"previous_attempts", "The values of grpc-previous-rpc-attempts.", someOf(integer(0, maxCount)), false},
	})
}

// matchKeys go with a pattern.
func matchKeys() []key {
	return []key{
		{"exact", "No other fields are set than the patterns mention.", boolean(), false},
		{"unordered", "Lists may be in any order.", boolean(), false},
		{"assert", "Conditions, in CEL.", someOf(anything()), false},
	}
}

func messagesKeys() []key {
	return []key{
		{"count", "How many messages: 3, 1-5 or 2+.", count(), false},
		{"each", "Conditions and patterns that hold for each message.", someOf(anything()), false},
		{"messages", "Exactly these messages, in this order.", list(anything()), false},
		{"first_within", "How soon the first message has to be there.", ref("duration"), false},
		{"within", "How soon all of them have to be there.", ref("duration"), false},
	}
}

func endKeys() []key {
	return []key{
		{"status", "A status by name or number, or a list of which one has to be it.", someOf(ref("status")), false},
		{"status_message", "A pattern for the message of the status.", anything(), false},
		{"details", "Patterns for details of the status, by type.", either(node{"type": "object"}, list(node{"type": "object"})), false},
		{"header", "Patterns for response metadata, by key.", mapping(metadataKey, anything()), false},
		{"trailer", "Patterns for response metadata, by key.", mapping(metadataKey, anything()), false},
	}
}

// expect is `expect:` of a step.
func expect() node {
	out := object(join(endKeys(), messagesKeys(), matchKeys(), []key{
		{"message", "A pattern for the response.", anything(), false},
		{"json", "The same, but every string and bytes field is read as JSON first.", anything(), false},
	}))
	out["allOf"] = []node{
		{"not": node{"required": []string{"message", "json"}}},
		{"not": node{"required": []string{"messages", "count"}}},
	}
	return out
}

func join(lists ...[]key) []key {
	var out []key
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// operations are those of a script, each with what may stand beside it.
func operations() [][]key {
	within := key{"within", "How long to wait for it.", ref("duration"), false}
	save := key{"save", "Values to use later: a name, and an expression.", saves(), false}
	receive := append(matchKeys(), within, save)
	pause := either(ref("duration"), object([]key{{"for", "", ref("duration"), true}}))
	nothing := object(nil)
	return [][]key{
		{{"send", "Send one message.", anything(), true}},
		{{"send_json", "Send one message, whose string fields are JSON text.", anything(), true}},
		append([]key{{"recv", "Take the next message, which has to match; {} matches any.", anything(), true}}, receive...),
		append([]key{{"recv_json", "Take the next message; its string fields are read as JSON.", anything(), true}}, receive...),
		append([]key{{"recv_until", "Take messages up to the first that fits a condition or pattern.", anything(), true},
			{"max", "How many at most. Default: 100.", integer(1, maxRepeat), false}}, receive...),
		{{"recv_all", "Take the rest of the stream, after half-close.", object(join(messagesKeys(), matchKeys())), true}},
		{{"recv_none", "No message comes for so long.", pause, true}},
		{{"half_close", "Say that no more requests follow.", nothing, true}},
		{{"cancel", "Cancel the call.", nothing, true}},
		{{"sleep", "Wait.", pause, true}},
		{{"repeat", "Run operations so many times, with i counting from 0.", integer(1, maxRepeat), true},
			{"do", "The operations.", list(ref("operation")), true}},
		{{"end", "The call has ended.", object(append(endKeys(), matchKeys()[2])), true}, save},
	}
}

// operation is one item of a script: a mapping, or the bare word of an
// operation that needs nothing else.
func operation() node {
	var all []node
	var bare []string
	for _, keys := range operations() {
		all = append(all, object(keys))
		bare = append(bare, keys[0].name)
	}
	return node{"oneOf": append(all, words(bare...))}
}

func loadKeys() []key {
	number := integer(1, maxCount)
	part := object([]key{{"step", "The id of a step.", str(), true}, {"weight", "How often, beside the others. Default: 1.", positive(), false}})
	sampled := object([]key{{"sampled", "The share of the calls: 5%.", either(node{"type": "number"}, str()), true}})
	pair := object([]key{{"sent", "An expression on a message that is sent.", str(), true}, {"received", "The same, on its answer.", str(), true}})
	return []key{
		{"step", "The id of a step that is called.", str(), false},
		{"mix", "Steps that are called, by their weights.", list(part), false},
		{"session", "true: a call is a run of all steps of the file.", node{"const": true}, false},
		{"name", "Default: the id of the step, mix or session.", str(), false},
		{"arrival", "When calls are due.", arrival(), true},
		{"duration", "How long calls are made.", ref("duration"), false},
		{"requests", "How many calls are made.", number, false},
		{"warmup", "Time at the beginning that does not count.", ref("duration"), false},
		{"cooldown", "Time at the end that does not count.", ref("duration"), false},
		{"max_in_flight", "Calls above it are dropped, and counted.", number, false},
		{"connections", "How many connections the calls are spread over.", number, false},
		{"transport", "channel: a gRPC channel. wire: an HTTP/2 client made for load.", words("channel", "wire"), false},
		{"assert", "Whether expectations are checked.", either(words("off", "full"), node{"const": false}, sampled), false},
		{"round_trip", "Of bidi streams: order, or what a message and its answer have in common.", either(str(), pair), false},
		{"thresholds", "Conditions on the figures, such as response.p99 < 50ms.", someOf(str()), false},
		{"abort_on", "Conditions that end the load early, such as error_rate > 5% for 10s.", someOf(str()), false},
	}
}

func positive() node { return node{"type": "number", "exclusiveMinimum": 0} }

func arrival() node {
	rate, pause := either(positive(), node{"type": "string", "pattern": rateForm}), ref("duration")
	ramp := object([]key{{"from", "", rateOrNone(), true}, {"to", "", rateOrNone(), true}, {"over", "", pause, true}})
	step := object([]key{{"rate", "0 is a pause.", rateOrNone(), true}, {"for", "", pause, true}})
	spike := object([]key{{"base", "", rateOrNone(), true}, {"peak", "", rateOrNone(), true},
		{"at", "When the burst begins.", pause, true}, {"lasts", "", pause, true}})
	sine := object([]key{{"mean", "", rate, true}, {"swing", "", rate, true}, {"period", "", pause, true}})
	callers := object([]key{{"callers", "", integer(1, maxRepeat), true}, {"think", "Time between a caller's calls.", pause, false}})
	return node{"oneOf": []node{
		object([]key{{"ramp", "The rate moves in a straight line.", ramp, true}}),
		object([]key{{"steps", "One rate after the other.", someOf(step), true}}),
		object([]key{{"spike", "A burst above a base rate.", spike, true}}),
		object([]key{{"sine", "A rate that swings.", sine, true}}),
		object([]key{{"trace", "Offsets, or a file with one a line.", either(str(), list(ref("duration"))), true}}),
		object([]key{{"constant", "Evenly spaced: 500/s, 30/m, 1000/h.", rate, true}}),
		object([]key{{"poisson", "At random, as independent users come: 500/s.", rate, true}}),
		object([]key{{"closed", "Callers that call again when their call has ended.", either(integer(1, maxRepeat), callers), true}}),
	}}
}

func rateOrNone() node {
	return either(node{"type": "number", "minimum": 0}, node{"type": "string", "pattern": rateForm})
}

// statusNames are the names of the status codes, by number.
var statusNames = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", "CANCELED"}

func status() node { return either(words(statusNames...), integer(0, 16)) }

// faultKeys are those of a rule of a fault plan. Values are left to lint, but
// for the words.
func faultKeys() []key {
	return []key{
		{"match", "Which attempts the rule is for; all, when it is left out.", object(named(
			"method", "attempt", "call", "every", "percent", "metadata")), false},
		{"inject", "What happens to them.", object(named(
			"delay", "settings", "goaway", "informational", "corrupt", "bandwidth", "status", "message", "details", "pushback",
			"refused", "close", "reset", "blackhole", "http", "drop_trailers", "half_open", "after_requests", "after_messages",
			"rst", "truncate", "with_headers")), true},
	}
}

// named are keys with any value.
func named(names ...string) []key {
	keys := make([]key, len(names))
	for i, name := range names {
		keys[i] = key{name: name, value: anything()}
	}
	return keys
}
