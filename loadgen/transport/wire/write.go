package wire

import (
	"runtime"
	"time"
)

// write sends what the others have left, all of it in one call, until the
// connection is closed.
func (c *conn) write() {
	s := c.slot
	for {
		// Let those run that have something to add: this saves system calls.
		runtime.Gosched()
		s.lock()
		buffer, last, ok := c.toWrite()
		s.left()
		s.mu.Unlock()
		if !ok {
			select {
			case <-c.kick:
			case <-c.dead:
			}
			continue
		}
		if last {
			_ = c.net.SetWriteDeadline(time.Now().Add(closingGrace))
		}
		_, err := c.net.Write(buffer)
		s.lock()
		c.written(buffer)
		if err != nil {
			c.breaks(err)
		}
		s.unlock()
		if err != nil {
			<-c.dead
		}
		if last || err != nil {
			c.net.Close() // and so the reader ends
			return
		}
	}
}

// toWrite returns what the writer is to write next, and whether that is the
// last of the connection; it is false when there is nothing yet.
func (c *conn) toWrite() (buffer []byte, last, ok bool) {
	if len(c.unwritten) > 0 {
		buffer, c.unwritten = c.unwritten, nil
		return buffer, false, true
	}
	if c.writing || len(c.out) == 0 && c.err == nil {
		c.idle = true
		return nil, false, false
	}
	c.writing = true
	return c.swap(), c.err != nil, true
}

// swap returns what is there to write, and leaves room for more.
func (c *conn) swap() []byte {
	buffer := c.out
	c.out, c.spare = c.spare[:0], nil
	c.advance()
	return buffer
}

// written takes a buffer back.
func (c *conn) written(buffer []byte) {
	c.writing, c.spare = false, buffer
}

// flush makes the writer run, if there is anything to write.
func (c *conn) flush() {
	if !c.idle || len(c.unwritten) == 0 && (c.writing || len(c.out) == 0) {
		return // those who write see to it when they are done
	}
	c.idle = false
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// breaks notes that the target takes no more. Why, it may have said: the
// reader, who is about to see that, ends the connection.
func (c *conn) breaks(err error) {
	if c.broken == nil {
		c.broken = err
		_ = c.net.SetReadDeadline(time.Now().Add(closingGrace))
	}
}

// writeOut writes what is there without waiting, and leaves the rest to the
// writer. mu is given up meanwhile.
func (c *conn) writeOut() {
	if c.raw == nil || c.writing || c.err != nil || c.broken != nil || len(c.out) == 0 {
		return
	}
	s := c.slot
	c.writing = true
	buffer := c.swap()
	s.mu.Unlock()
	n, err := c.raw.write(buffer)
	s.mu.Lock()
	switch {
	case err != nil:
		c.written(buffer)
		c.breaks(err)
	case n < len(buffer):
		c.unwritten = buffer[n:]
	default:
		c.written(buffer)
	}
}
