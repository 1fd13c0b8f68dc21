package proxy

import "encoding/binary"

// prefixLen is the length of what stands before each gRPC message: a flag byte
// and four bytes of length, big endian (gRPC over HTTP/2, Length-Prefixed-
// Message).
const prefixLen = 5

// scanner follows the messages in a stream of DATA, whatever the frames that
// carry them. The zero scanner stands before the first message.
type scanner struct {
	prefix   [prefixLen]byte
	have     int    // bytes of the prefix read
	left     uint32 // bytes of the message still to come, when have is prefixLen
	messages int    // read whole
	bytes    int64  // read, prefixes included
}

// next takes the bytes of data up to the end of the message that they belong
// to, and returns how many these are, and whether the message ended there. An
// empty message ends with its prefix.
func (s *scanner) next(data []byte) (n int, ended bool) {
	if s.have < prefixLen {
		n = copy(s.prefix[s.have:], data)
		s.have += n
		if s.have < prefixLen {
			s.bytes += int64(n)
			return n, false
		}
		s.left = binary.BigEndian.Uint32(s.prefix[1:])
	}
	body := min(len(data)-n, int(s.left))
	s.left -= uint32(body)
	n += body
	s.bytes += int64(n)
	if s.left > 0 {
		return n, false
	}
	s.have = 0
	s.messages++
	return n, true
}
