package fault

import (
	"slices"
	"strconv"

	"touchstone/server/source"
)

// statusNames are the gRPC status codes by number.
var statusNames = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED",
	"NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// http2Names are the HTTP/2 error codes by number (RFC 9113, section 7).
var http2Names = []string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR",
	"SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM",
	"CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// settingNames are the settings by number (RFC 9113, section 6.5.2).
var settingNames = []string{
	"", "header_table_size", "enable_push", "max_concurrent_streams",
	"initial_window_size", "max_frame_size", "max_header_list_size",
}

// number reads a name of the table, or any number: codes that the table does
// not know are worth a test too.
func number(r *source.Reporter, n *source.Node, what string, names []string) uint32 {
	if n.Kind == source.Int {
		v, err := strconv.ParseUint(n.Text, 10, 32)
		if err != nil {
			r.Errorf(n.Pos, "%s %s is not within 0 and 4294967295", what, n.Text)
		}
		return uint32(v)
	}
	name := r.Str(n)
	at := slices.Index(names, name)
	if at < 0 && n.Kind == source.String {
		e := r.Errorf(n.Pos, "unknown %s %q", what, name)
		e.Hint = source.DidYouMean(name, names)
	}
	return uint32(max(at, 0))
}

// numeral prints what number reads: the name, or else the number.
func numeral(v uint32, names []string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return strconv.FormatUint(uint64(v), 10)
}
