package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// connect gives the job its transport, with all connections up: what it takes
// to set one up is no call's response time.
func (f *loadFlags) connect(ctx context.Context, job *loadJob) error {
	if f.transport == "wire" {
		via, _, err := f.target.wire(ctx, job.target, nil, f.connections, job.events)
		if err != nil {
			return err
		}
		job.via = f.target.safety.guarded(f.target.address, via)
		return nil
	}
	conns, closeAll, err := f.channels(ctx, job.target, job.streams)
	if err != nil {
		return err
	}
	job.via, job.close = transport.NewChannel(conns...), closeAll
	return nil
}

// metadata returns what every call is to have. Channels add it themselves.
func (f *loadFlags) metadata() (metadata.MD, error) {
	if f.transport != "wire" {
		return nil, nil
	}
	return parseHeaders(f.target.headers)
}

// channels returns the gRPC channels, and what closes those made for it.
func (f *loadFlags) channels(ctx context.Context, t *target, streams bool) (conns []grpc.ClientConnInterface, closeAll func(), err error) {
	config, err := f.target.policy()
	if err != nil {
		return nil, nil, err
	}
	dial := func() (*grpc.ClientConn, error) { return t.DialCounted(config) }
	if streams { // of those, when the headers came is measured
		dial = func() (*grpc.ClientConn, error) { return t.Dial() }
	}
	var opened []*grpc.ClientConn
	closeAll = func() {
		for _, conn := range opened {
			conn.Close()
		}
	}
	for range f.connections {
		conn, err := dial()
		if err != nil {
			closeAll()
			return nil, nil, withCode(exitTarget, fmt.Errorf("target %s: %w", t.Address, err))
		}
		conn.Connect()
		opened = append(opened, conn)
		conns = append(conns, conn)
	}
	ctx, cancel := context.WithTimeout(ctx, f.target.connectTimeout)
	defer cancel()
	for i, conn := range opened {
		for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
			if !conn.WaitForStateChange(ctx, state) {
				closeAll()
				return nil, nil, withCode(exitTarget, fmt.Errorf("target %s: connection %d of %d is not up after %v",
					t.Address, i+1, f.connections, f.target.connectTimeout))
			}
		}
	}
	return conns, closeAll, nil
}

// wire returns the wire transport to a target, through a proxy if there is one
// in the path, with n connections, all of them up; and the metadata that calls
// over it need. Channels add that themselves.
func (f *targetFlags) wire(ctx context.Context, t *target, path *faultPath, n int, events *engine.Events) (*wire.Transport, metadata.MD, error) {
	headers, err := parseHeaders(f.headers)
	if err != nil {
		return nil, nil, err
	}
	cfg := wire.Config{
		Authority: f.authorityOf(t), Scheme: "https", Connections: n, DialTimeout: f.connectTimeout,
		MaxMessage: int(f.maxMessage), UserAgent: "touchstone-loadgen", Event: noteEvents(events),
	}
	if path != nil {
		cfg.Dial = path.dial
	} else if cfg.Dial, err = f.rawDialer(t); err != nil {
		return nil, nil, err
	}
	if f.plaintext || t.Embedded || path != nil {
		cfg.Scheme = "http"
	} else {
		cfg.Dial = insistOnH2(cfg.Dial)
	}
	via, err := wire.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, f.connectTimeout)
	defer cancel()
	if err := via.Connect(wait); err != nil {
		via.Close()
		return nil, nil, withCode(exitTarget, fmt.Errorf("target %s: %w", t.Address, err))
	}
	return via, headers, nil
}

// insistOnH2 makes sure that the target speaks HTTP/2 over TLS.
func insistOnH2(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		if secured, ok := conn.(*tls.Conn); ok && secured.ConnectionState().NegotiatedProtocol != "h2" {
			conn.Close()
			return nil, fmt.Errorf("the target did not choose h2 by ALPN")
		}
		return conn, err
	}
}

// authorityOf returns the :authority of calls, as grpc-go has it.
func (f *targetFlags) authorityOf(t *target) string {
	switch {
	case f.authority != "":
		return f.authority
	case f.serverName != "":
		return f.serverName
	case strings.HasPrefix(t.Address, "unix:"):
		return "localhost"
	}
	_, address, found := strings.Cut(t.Address, ":///")
	if !found {
		address = t.Address
	}
	return address
}

// noteEvents takes down what happens to connections.
func noteEvents(events *engine.Events) func(wire.Event) {
	return func(e wire.Event) {
		text := fmt.Sprintf("connection %d", e.Connection)
		if e.Text != "" {
			text += ": " + e.Text
		}
		events.Add(e.Time, string(e.Kind), text)
	}
}
