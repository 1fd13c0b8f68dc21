//go:build !unix

package wire

import "net"

// rawWriter is for systems with sockets of the Unix kind only.
type rawWriter struct{}

func newRawWriter(net.Conn) *rawWriter { return nil }

func (*rawWriter) write([]byte) (int, error) { panic("wire: no raw writer on this system") }
