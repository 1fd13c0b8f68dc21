package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// connect returns the transport of a load with all its connections up, so that
// what it takes to set them up is no call's response time; the metadata that
// it wants added to requests; and what closes it.
func (f *fileRun) connect(ctx context.Context, l *scenario.Load, events *engine.Events) (transport.Transport, metadata.MD, func(), error) {
	n := max(l.Connections, 1)
	if l.Transport == "wire" {
		if f.target.Wire == nil {
			return nil, nil, nil, errors.New("this target has no wire transport")
		}
		via, md, err := f.target.Wire(ctx, n, events)
		if err != nil {
			return nil, nil, nil, err
		}
		return via, md, func() { via.Close() }, nil
	}
	conns, closeAll, err := f.channels(ctx, n, !streams(l))
	if err != nil {
		return nil, nil, nil, err
	}
	return transport.NewChannel(conns...), nil, closeAll, nil
}

// streams reports whether a load has calls that stream: of those, when the
// headers came is measured.
func streams(l *scenario.Load) bool {
	return slices.ContainsFunc(l.Parts, func(p scenario.Part) bool {
		return p.Step.Method.IsStreamingClient() || p.Step.Method.IsStreamingServer()
	})
}

// channels returns n gRPC channels, and what closes those that were made for
// it. Of calls on counted channels no more is known than how many attempts
// they take.
func (f *fileRun) channels(ctx context.Context, n int, counted bool) ([]grpc.ClientConnInterface, func(), error) {
	var conns []grpc.ClientConnInterface
	dial := f.target.More
	if counted && f.target.Counted != nil {
		dial = f.target.Counted
	} else {
		conns = append(conns, f.target.Conn)
	}
	var made []*grpc.ClientConn
	closeAll := func() {
		for _, conn := range made {
			conn.Close()
		}
	}
	for len(conns) < n {
		if dial == nil {
			return nil, nil, fmt.Errorf("%d connections, but this target has one", n)
		}
		conn, err := dial()
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		conn.Connect()
		made, conns = append(made, conn), append(conns, conn)
	}
	for i, conn := range made {
		if !up(ctx, conn, f.Guard) {
			closeAll()
			return nil, nil, fmt.Errorf("connection %d of %d is not up after %v", i+1+n-len(made), n, f.Guard)
		}
	}
	return conns, closeAll, nil
}

// up waits until a channel has a connection.
func up(ctx context.Context, conn *grpc.ClientConn, bound time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
	return true
}
