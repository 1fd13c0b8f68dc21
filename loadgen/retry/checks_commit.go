package retry

// overBuffer is a request size above the retry buffer of every client known.
const overBuffer = 2 << 20

// commitChecks are those of section 5: what commits a call, so that it is not
// retried.
func commitChecks() []Check {
	checks := []Check{
		{ID: "COM-1", Title: "UNAVAILABLE after response headers: no retry", Source: "A6:258",
			Plan: fails14("with_headers: true"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "COM-2.1", Title: "REFUSED_STREAM after response headers: no retry", Source: "A6:258",
			Plan: "- inject: {rst: REFUSED_STREAM, with_headers: true}", Judge: all(attempts(1), notOK)},
		{ID: "COM-2.2", Title: "a reset with another code after response headers: no retry", Source: "A6:258",
			Config: config(5, "0.01s", "0.02s", 1, `["INTERNAL","UNKNOWN","UNAVAILABLE"]`), // whatever the client takes it for
			Plan:   "- inject: {rst: INTERNAL_ERROR, with_headers: true}", Judge: all(attempts(1), notOK)},
		{ID: "COM-2.3", Title: "the connection is lost after a message: no retry", Source: "A6:258", Method: ServerStream,
			Plan: "- inject: {reset: {after_messages: 1}}", Judge: all(attempts(1), notOK)},
		{ID: "COM-3", Title: "UNAVAILABLE after one message: no retry", Source: "A6:258", Method: ServerStream,
			Plan: fails14("after_messages: 1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "COM-4", Title: "103 before the response is skipped, and commits nothing", Source: "http-grpc-status-mapping.md",
			Plan: "- {match: {attempt: 1}, inject: {informational: 103, status: UNAVAILABLE}}\n- {match: {attempt: 2}, inject: {informational: 103}}", Unhit: true, Judge: all(attempts(2), statuses("OK"))},
		{ID: "COM-5", Title: "a request above the retry buffer: no retry", Source: "A6:259", RequestBytes: overBuffer,
			Plan: fails14("after_requests: 1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "COM-6", Title: "a request above the retry buffer, refused: unspecified", Source: "-", RequestBytes: overBuffer,
			Plan: "- {match: {attempt: 1, call: 1}, inject: {refused: true}}", Judge: record(1, 2)},
		{ID: "COM-7", Title: "a stream of requests that outgrows the retry buffer: no retry", Source: "A6, Memory Management", Method: ClientStream, RequestBytes: overBuffer,
			Plan: fails14("after_requests: 3"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "COM-8", Title: "the application asks for the header of a failing stream: it is retried", Source: "grpc-go stream.go:967", Option: "header", Method: ServerStream,
			Plan: failsFirst(2), Judge: all(attempts(3), statuses("OK"))},
		{ID: "COM-9", Title: "the application asks for the stream's context: it is committed", Source: "grpc-go stream.go:911", Option: "context", Method: Bidi,
			Plan: fails14("after_requests: 1"), Judge: all(attempts(1), statuses("UNAVAILABLE"))},
		{ID: "COM-10", Title: "a server that fails before it answers sends Trailers-Only", Source: "A6:263",
			Skip: "a check of servers, not of clients: scenarios/errors has it for the reference server"},
	}
	return checks
}
