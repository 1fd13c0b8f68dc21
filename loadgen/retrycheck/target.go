package retrycheck

import (
	"context"
	"net"
	"sync"

	"touchstone/server/refserver"
)

// target is the reference server that every call ends at which the plan lets
// through.
type target struct {
	addr  string
	stop  func()
	serve sync.WaitGroup
}

// startTarget starts the reference server on a loopback port; stop ends it.
func startTarget() (*target, error) {
	server, err := refserver.New(refserver.Config{})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &target{addr: listener.Addr().String()}
	t.serve.Go(func() { server.Serve(ctx, listener) })
	t.stop = func() {
		cancel()
		server.Cut()
		t.serve.Wait()
	}
	return t, nil
}

// dial connects to the target.
func (t *target) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", t.addr)
}
