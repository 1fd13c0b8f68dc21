package cli

import (
	"context"

	"google.golang.org/grpc"

	"touchstone/loadgen/replay"
	"touchstone/loadgen/transport"
)

// overWire lets the wire transport make the calls of a replay.
func (f *replayFlags) overWire(ctx context.Context, cfg *replay.Config, targets []*target) (closeAll func(), err error) {
	var opened []transport.Transport
	closeAll = func() {
		for _, via := range opened {
			via.Close()
		}
	}
	var conns []grpc.ClientConnInterface
	for i, t := range targets {
		flags := f.target
		flags.address = f.addresses()[i]
		via, md, err := flags.wire(ctx, t, nil, 1, nil)
		if err != nil {
			closeAll()
			return nil, err
		}
		opened = append(opened, via)
		conns = append(conns, replay.Over(via, md))
	}
	cfg.Targets, cfg.Transport = conns, f.transport
	return closeAll, nil
}
