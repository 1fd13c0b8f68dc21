// Package proxy stands in the path between gRPC clients and their target, and
// carries out fault decisions on HTTP/2 frames.
//
// Every connection of a client has a [session] with one connection to the
// target, made when the first call needs it. Frames are forwarded as they
// come: messages are never held whole, and header fields, their order, and
// the way a response ends are left as they are. Flow control is end to end: a
// stream's sender is given window only when the other side has taken what it
// sent, so a client that stops reading stalls its own stream at the target,
// and no other.
//
// What is done to a call is decided by [fault.Decider] when its request
// headers have been read; see act.go for how each action looks on the wire.
// Every attempt that passes is described by an [Attempt].
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"touchstone/server/fault"
)

// Config says what a Proxy does. Dial is required.
type Config struct {
	// Dial connects to the target, once for every connection of a client. TLS
	// to the target, with ALPN, is up to it.
	Dial func(ctx context.Context) (net.Conn, error)

	// Decider decides what is done to each attempt. Nil: all are forwarded.
	Decider *fault.Decider

	// Attempts is called with every attempt when it has ended: one call at a
	// time for a connection of a client, several for several connections. The
	// connection waits for it. All have been called when Serve returns. Nil:
	// attempts are not described.
	Attempts func(Attempt)

	// Tap is called with everything that is read of each call: headers, whole
	// messages, trailers, in their order within a connection of a client. It is
	// called as Attempts is, soon after the event; a tap that is slow slows its
	// connection. Responses that an action of the plan changes are not told as
	// they were. Nil: nothing is told.
	Tap func(Tap)

	// KeepRequest is how many bytes of each attempt's request messages are
	// kept in its Attempt, 0 for none.
	KeepRequest int

	// StreamWindow is how many bytes of one stream and direction the proxy
	// holds at most: the window it gives to senders. 0 stands for 64 KiB.
	StreamWindow int

	// ConnWindow is how many bytes of all streams of a connection the proxy
	// holds at most. Streams stall each other only when so many of them are
	// stalled that their windows fill it. 0 stands for 256 MiB.
	ConnWindow int

	// Log receives connection errors at debug level. Nil: nothing is logged.
	Log *slog.Logger
}

// Limits on what peers can make the proxy hold.
const (
	maxConns        = 4096      // of clients, at a time
	maxStreams      = 1 << 16   // open at once in a session
	maxHeaderBytes  = 1 << 20   // of one header list
	maxSessionBytes = 128 << 20 // of all header lists of a session
	maxHeaders      = 100       // header blocks of one stream waiting
	maxControl      = 10_000    // frames waiting that are no stream's own, such as acknowledgements
	maxAnswers      = 1000      // of these, until no more of the peer's frames are read
	prefaceTimeout  = 10 * time.Second
	dialTimeout     = 10 * time.Second
)

// Proxy forwards connections to a target.
type Proxy struct {
	cfg Config
	log *slog.Logger
}

// New returns a proxy. It starts nothing.
func New(cfg Config) (*Proxy, error) {
	if cfg.Dial == nil {
		return nil, errors.New("proxy: Config.Dial is missing")
	}
	if cfg.StreamWindow <= 0 {
		cfg.StreamWindow = 64 << 10
	}
	if cfg.ConnWindow <= 0 {
		cfg.ConnWindow = 256 << 20
	}
	cfg.StreamWindow, cfg.ConnWindow = min(cfg.StreamWindow, maxWindow), min(cfg.ConnWindow, maxWindow)
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Proxy{cfg: cfg, log: log}, nil
}

// Serve accepts connections until ctx ends or the listener fails, then closes
// them all and waits for their sessions. It closes the listener, and returns
// nil when ctx has ended.
//
// TLS towards clients is up to the listener; it has to offer "h2" by ALPN.
// Beyond 4096 connections at a time, clients wait to be accepted.
func (p *Proxy) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	defer listener.Close()
	slots := make(chan struct{}, maxConns)
	for id := 1; ; id++ {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := p.accept(ctx, listener)
		if conn == nil {
			return err
		}
		sessions.Go(func() {
			defer func() { <-slots }()
			newSession(p, id, conn).run(ctx)
		})
	}
}

// accept returns the next connection, nil when ctx has ended or the listener
// has failed for good. A shortage, of file descriptors perhaps, passes.
func (p *Proxy) accept(ctx context.Context, listener net.Listener) (net.Conn, error) {
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil, nil
		}
		if err == nil {
			return conn, nil
		}
		if passing, ok := errors.AsType[temporary](err); !ok || !passing.Temporary() {
			return nil, err
		}
		p.log.Debug("accept", slog.Any("error", err))
		timer := time.NewTimer(acceptPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// acceptPause is how long a shortage is given to pass.
const acceptPause = 50 * time.Millisecond

// temporary is an error of a listener that may pass.
type temporary interface {
	error
	Temporary() bool
}
