package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/fullstorydev/grpcurl"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// dialer returns what connects to the target. It refuses to leave this machine
// for one that was on it when it was judged.
func (t *target) dialer() *net.Dialer { return &net.Dialer{Control: t.judged.Control} }

// pinned lets gRPC connect to a target on this machine by the dialer.
func (t *target) pinned() []grpc.DialOption {
	if !t.judged.Local || strings.HasPrefix(t.Address, "unix") {
		return nil
	}
	return []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return t.dialer().DialContext(ctx, "tcp", address)
	})}
}

// rawDialer returns a function that connects to a target as its gRPC
// connection does, below HTTP/2.
func (f *targetFlags) rawDialer(t *target) (func(context.Context) (net.Conn, error), error) {
	network, address := "tcp", strings.TrimPrefix(t.Address, "dns:///")
	for _, prefix := range []string{"unix://", "unix:"} {
		if path, ok := strings.CutPrefix(t.Address, prefix); ok {
			network, address = "unix", path
			break
		}
	}
	d := t.dialer()
	plain := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, network, address) }
	if f.plaintext || t.Embedded {
		return plain, nil
	}
	config, err := grpcurl.ClientTLSConfig(f.insecure, f.cacert, f.cert, f.key)
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("TLS: %w", err))
	}
	config.MinVersion, config.NextProtos = tls.VersionTLS12, []string{"h2"}
	config.ServerName = f.serverName
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			config.ServerName = address
		}
	}
	return func(ctx context.Context) (net.Conn, error) {
		return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, network, address)
	}, nil
}

// await waits until the connection is up.
func (f *targetFlags) await(ctx context.Context, t *target) error {
	wait, cancel := context.WithTimeout(ctx, f.connectTimeout)
	defer cancel()
	for {
		switch state := t.Conn.GetState(); {
		case state == connectivity.Ready:
			return nil
		case state == connectivity.TransientFailure:
			if err := diagnose(wait, t); err != nil {
				return withCode(exitTarget, fmt.Errorf("target %s is unreachable: %w", t.Address, err))
			}
			t.Conn.ResetConnectBackoff()
			fallthrough
		default:
			t.Conn.Connect() // it may be idle again
			if !t.Conn.WaitForStateChange(wait, state) && ctx.Err() == nil {
				return withCode(exitTarget, fmt.Errorf("target %s is unreachable: no connection within %v", t.Address, f.connectTimeout))
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// diagnose finds out why a target cannot be reached. grpc-go tells the cause
// only to calls, so this makes one, on a connection without retries. It returns
// nil if the target is reachable after all.
func diagnose(ctx context.Context, t *target) error {
	conn, err := t.Dial(grpc.WithDisableRetry())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if status.Code(err) != codes.Unavailable {
		return nil
	}
	message := status.Convert(err).Message()
	for _, known := range connectHints {
		if strings.Contains(message, known.cause) {
			return errors.New(message + "\nhint: " + known.hint)
		}
	}
	return errors.New(message)
}

// connectHints say what to do about causes that are mistakes of usage. A
// server that misses a client certificate may close the connection before its
// alert is read, so that the cause is whatever the client did next.
var connectHints = []struct{ cause, hint string }{
	{"first record does not look like a TLS handshake", "the target does not speak TLS: add --plaintext"},
	{"error reading server preface: remote error: tls: certificate required", "the target asks for a client certificate: --cert FILE --key FILE"},
	{"error reading server preface", "the target does not speak plaintext HTTP/2: leave --plaintext out if it speaks TLS"},
	{"certificate signed by unknown authority", "name the authority with --cacert FILE, or skip the check with --insecure"},
	{"cannot validate certificate for", "say which name the certificate is for with --servername NAME"},
	{"certificate is valid for", "say which of these names is meant with --servername NAME"},
	{"certificate required", "the target asks for a client certificate: --cert FILE --key FILE"},
	{"broken pipe", "the target hung up: it may ask for a client certificate, --cert FILE --key FILE"},
	{"connection reset", "the target hung up: it may ask for a client certificate, --cert FILE --key FILE"},
}
