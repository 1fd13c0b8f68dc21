package proxy

import "touchstone/server/fault"

// alter passes response data on, message by message, as far as the action
// lets it.
func (st *stream) alter(data []byte) {
	a := st.action
	for len(data) > 0 {
		first := st.response.messages == 0
		before := st.response
		n, ended := st.response.next(data)
		chunk := data[:n:n]
		data = data[n:]
		if first {
			corrupt(a.Corrupt, chunk, before)
		}
		keep, cut := st.limit(chunk, before, first)
		st.attempt.ResponseBytes = before.bytes + int64(len(keep))
		st.down.push(item{data: keep, credit: len(keep), end: cut && a.Truncate != nil})
		if ended && !cut {
			st.attempt.ResponseMessages = st.response.messages
			cut = st.limits() && st.reached()
		}
		if cut {
			st.down.giveBack(n - len(keep) + len(data))
			st.fire()
			return
		}
	}
}

// limits reports whether the action ends the call after a number of response
// messages.
func (st *stream) limits() bool { return st.messageLimit() > 0 }

// limit cuts a chunk at the byte where the action ends the response.
func (st *stream) limit(chunk []byte, before scanner, first bool) (keep []byte, cut bool) {
	end := cutAfter(st.action, first)
	if end < 0 || before.bytes+int64(len(chunk)) < end {
		return chunk, false
	}
	if st.action.Truncate != nil && st.response.have == 0 && st.response.bytes <= end {
		return chunk, false // a message that is no longer than that is whole
	}
	return chunk[:end-before.bytes], true
}

// cutAfter returns after how many bytes of the response the action ends it, -1
// for never. Truncation is a matter of the first message.
func cutAfter(a *fault.Action, first bool) int64 {
	if a.Truncate != nil && first {
		return prefixLen + *a.Truncate
	}
	if p := hangPoint(a); p != nil && p.AfterBytes > 0 {
		return p.AfterBytes
	}
	return -1
}

// corrupt flips one bit of a chunk of the first message; before is the
// scanner's state ahead of it.
func corrupt(what string, chunk []byte, before scanner) {
	at := -before.bytes // of the message's start in the chunk
	switch what {
	case "flag":
		flip(chunk, at, 0x02) // flags other than 0 and 1 are not defined
	case "length":
		flip(chunk, at+prefixLen-1, 0x01) // one byte more or less than there are
	case "payload":
		flip(chunk, at+prefixLen, 0x80)
	}
}

// flip flips bits of a byte, if the chunk has it.
func flip(chunk []byte, at int64, bits byte) {
	if 0 <= at && at < int64(len(chunk)) {
		chunk[at] ^= bits
	}
}
