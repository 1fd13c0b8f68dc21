package report

import "fmt"

// statusNames are the names of gRPC's statuscodes.md, by code.
var statusNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
	"OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// StatusName returns the name of a gRPC status code as a report writes it: OK,
// CANCELLED, DEADLINE_EXCEEDED. A code that gRPC does not define is CODE_n.
func StatusName(code uint32) string {
	if int(code) < len(statusNames) {
		return statusNames[code]
	}
	return fmt.Sprintf("CODE_%d", code)
}
