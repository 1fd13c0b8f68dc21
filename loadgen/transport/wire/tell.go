package wire

import (
	"time"

	"touchstone/loadgen/transport"
)

// ended is what to tell whom.
type ended struct {
	end transport.Ender
	res *transport.Result
}

// lock takes mu, now.
func (s *slot) lock() {
	s.mu.Lock()
	s.now = time.Now()
}

// unlock gives up mu, when all that it brought about is told.
func (s *slot) unlock() {
	s.tellOver()
	s.left()
	s.mu.Unlock()
}

// unlockWriting is unlock for a connection's reader, which writes out what it
// has brought about.
func (s *slot) unlockWriting() {
	s.tellOver()
	for _, c := range s.conns {
		c.writeOut()
	}
	s.left()
	s.mu.Unlock()
}

// tellOver tells the calls that have ended, unless somebody else does.
func (s *slot) tellOver() {
	if len(s.over) > 0 && !s.telling {
		s.telling = true
		s.tell()
		s.telling = false
	}
}

// left is for those who made calls and are about to give up mu: what they have
// brought about is left to another goroutine, since they must not wait.
//
// Note: that they write out themselves, without waiting, was tried. At 10,000
// calls a second it takes a third more CPU, and the calls are no sooner
// answered (BenchmarkPaced).
func (s *slot) left() {
	if s.telling {
		return // it sees to the rest
	}
	if len(s.over) > 0 {
		s.telling = true
		s.spawn(s.tellAll)
	}
	for _, c := range s.conns {
		c.flush()
	}
}

// tell tells the calls that have ended so far; mu is given up meanwhile. Those
// that end while it does so are left to the next round, on another goroutine:
// the reader must get back to its connection.
func (s *slot) tell() {
	s.over, s.told = s.told[:0], s.over
	s.mu.Unlock()
	for _, one := range s.told {
		one.end.Ended(one.res)
	}
	clear(s.told)
	s.mu.Lock()
}

// tellAll tells until there is nothing to tell.
func (s *slot) tellAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.over) > 0 {
		s.tell()
	}
	s.telling = false
	s.left()
}

// spawn runs f on a goroutine that Close waits for.
func (s *slot) spawn(f func()) {
	if s.closed {
		go f() // Close is waiting already, or done
		return
	}
	s.transport.goroutines.Go(f)
}
