package wire

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/transport"
)

// Requests use hpack's static table only. With a dynamic table the encoding of
// a request would depend on those before it, and could not be made once.

// staticHeaders encodes the pseudo-headers that all requests have in common.
func staticHeaders(cfg *Config) []byte {
	b := []byte{0x83, 0x86} // :method POST, :scheme http
	if cfg.Scheme == "https" {
		b[1] = 0x87
	}
	return appendIndexed(b, 1, cfg.Authority)
}

// restHeaders encodes the other fields that all requests have in common.
func restHeaders(cfg *Config) []byte {
	b := appendIndexed(nil, 31, "application/grpc")
	b = appendField(b, "te", "trailers")
	b = appendIndexed(b, 58, cfg.UserAgent)
	return appendField(b, "grpc-accept-encoding", "gzip")
}

// appendHeaders encodes the header block of a call; timeout 0 is none.
func appendHeaders(b []byte, t *Transport, req *transport.Request, timeout time.Duration) []byte {
	b = append(b, t.static...)
	b = appendIndexed(b, 4, req.Method)
	b = append(b, t.rest...)
	if timeout > 0 {
		var digits [16]byte
		b = appendField(b, "grpc-timeout", string(appendTimeout(digits[:0], timeout)))
	}
	if req.Compression != "" {
		b = appendField(b, "grpc-encoding", req.Compression)
	}
	for key, values := range req.Metadata {
		key = strings.ToLower(key)
		if reserved(key) {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.RawStdEncoding.EncodeToString([]byte(v))
			}
			b = appendField(b, key, v)
		}
	}
	return b
}

// reserved reports whether a field is the transport's own business.
func reserved(key string) bool {
	switch key {
	case "", "content-type", "te", "user-agent", "connection", "host", "content-length", "transfer-encoding":
		return true
	}
	return key[0] == ':' || strings.HasPrefix(key, "grpc-") && key != "grpc-previous-rpc-attempts" &&
		key != "grpc-tags-bin" && key != "grpc-trace-bin"
}

// appendIndexed encodes a literal field, not indexed, whose name is in the
// static table (RFC 7541, section 6.2.2).
func appendIndexed(b []byte, name uint64, value string) []byte {
	b = appendInt(b, 0, 4, name)
	return appendString(b, value)
}

// appendField encodes a literal field with a new name.
func appendField(b []byte, name, value string) []byte {
	return appendString(appendString(append(b, 0), name), value)
}

func appendString(b []byte, s string) []byte {
	return append(appendInt(b, 0, 7, uint64(len(s))), s...)
}

// appendInt encodes an integer with an n-bit prefix (RFC 7541, section 5.1).
func appendInt(b []byte, first byte, n uint, v uint64) []byte {
	limit := uint64(1)<<n - 1
	if v < limit {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// appendTimeout writes a timeout as grpc-timeout does: up to eight digits and
// a unit. It rounds up, so that the target does not give up before us.
func appendTimeout(b []byte, d time.Duration) []byte {
	units := [...]struct {
		size time.Duration
		name byte
	}{{1, 'n'}, {time.Microsecond, 'u'}, {time.Millisecond, 'm'}, {time.Second, 'S'}, {time.Minute, 'M'}, {time.Hour, 'H'}}
	for _, u := range units {
		if n := (d-1)/u.size + 1; n < 1e8 {
			return append(strconv.AppendInt(b, int64(n), 10), u.name)
		}
	}
	return append(b, "99999999H"...)
}
