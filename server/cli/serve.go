package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"

	"touchstone/server/refserver"
)

// run serves until ctx or a signal ends it.
func (f *flags) run(ctx context.Context, stdout, stderr io.Writer, signals <-chan os.Signal) error {
	cfg, err := f.config(stderr)
	if err != nil {
		return err
	}
	server, err := refserver.New(cfg)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "listening %s\n", address(listener)); err != nil {
		_ = listener.Close()
		return fmt.Errorf("say where the server listens: %w", err)
	}
	cfg.Log.Info("serving", slog.String("address", address(listener)), slog.Bool("tls", cfg.TLS != nil), slog.Uint64("seed", f.seed))
	return serve(ctx, server, listener, signals)
}

// listen opens the address. SO_REUSEPORT stays off, as is Go's default: two
// servers on one port would share its calls without a word.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	network, target := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, target = "unix", strings.TrimPrefix(path, "//")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, network, target)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &failure{exitFailure, err, "another server has it; --listen 127.0.0.1:0 takes a free port"}
	}
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return nil, usage("host:port or unix:PATH, such as 127.0.0.1:8011", "--listen %q: %w", addr, err)
	}
	return nil, err
}

// address is what clients dial.
func address(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}

// serve shuts the server down at the first signal, and cuts it at the second.
func serve(ctx context.Context, server *refserver.Server, l net.Listener, signals <-chan os.Signal) error {
	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	select {
	case err := <-served:
		return err
	case <-signals:
		shutdown()
	}
	select {
	case err := <-served:
		return err
	case second := <-signals:
		server.Cut()
		return errors.Join(<-served, cutBy(second))
	}
}

// cutBy is how a server ends that was told twice.
func cutBy(s os.Signal) error {
	code := exitSignal
	if number, ok := s.(syscall.Signal); ok {
		code += int(number)
	}
	return &failure{code, fmt.Errorf("calls were cut by a second signal (%s)", s), ""}
}
