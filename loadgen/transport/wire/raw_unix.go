//go:build unix

package wire

import (
	"net"
	"syscall"
)

// rawWriter writes to a socket without waiting for room in its buffer.
type rawWriter struct {
	conn syscall.RawConn
	once func(fd uintptr) bool // w.attempt, bound once: it would allocate
	data []byte
	n    int
	err  error
}

// newRawWriter returns nil for a connection that is no plain socket.
func newRawWriter(nc net.Conn) *rawWriter {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	conn, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	w := &rawWriter{conn: conn}
	w.once = w.attempt
	return w
}

// write returns how much it has written, which may be nothing.
func (w *rawWriter) write(data []byte) (int, error) {
	w.data, w.n, w.err = data, 0, nil
	if err := w.conn.Write(w.once); err != nil {
		return w.n, err
	}
	return w.n, w.err
}

// attempt makes one write; true says that it is not to be called again.
func (w *rawWriter) attempt(fd uintptr) bool {
	n, err := syscall.Write(int(fd), w.data)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		n, err = 0, nil
	}
	w.n, w.err = max(n, 0), err
	return true
}
