package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// opener opens a transport to the target of a request. The function that it
// returns closes it.
type opener func(req message) (transport.Opener, func(), error)

var openers = map[string]opener{"wire": openWire, "channel": openChannel}

func addressOf(req message) string {
	return net.JoinHostPort(req.get("host").String(), strconv.FormatUint(req.get("port").Uint(), 10))
}

// tlsOf returns how the target is to be spoken to, nil for plain text.
func tlsOf(req message) (*tls.Config, error) {
	trusted := req.get("server_tls_cert").Bytes()
	if len(trusted) == 0 {
		return nil, nil
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: req.get("host").String(), NextProtos: []string{"h2"}}
	if !cfg.RootCAs.AppendCertsFromPEM(trusted) {
		return nil, errors.New("the server's certificate is no PEM")
	}
	if !req.has("client_tls_creds") {
		return cfg, nil
	}
	creds := req.sub("client_tls_creds")
	pair, err := tls.X509KeyPair(creds.get("cert").Bytes(), creds.get("key").Bytes())
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, err
}

func openWire(req message) (transport.Opener, func(), error) {
	address := addressOf(req)
	secure, err := tlsOf(req)
	if err != nil {
		return nil, nil, err
	}
	cfg := wire.Config{Authority: address, MaxMessage: int(req.get("message_receive_limit").Uint())}
	cfg.Dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	if secure != nil {
		cfg.Scheme = "https"
		cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			d := tls.Dialer{Config: secure}
			return d.DialContext(ctx, "tcp", address)
		}
	}
	w, err := wire.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	return w, func() { w.Close() }, nil
}

func openChannel(req message) (transport.Opener, func(), error) {
	secure, err := tlsOf(req)
	if err != nil {
		return nil, nil, err
	}
	creds := insecure.NewCredentials()
	if secure != nil {
		creds = credentials.NewTLS(secure)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(creds)}
	if limit := req.get("message_receive_limit").Uint(); limit > 0 {
		options = append(options, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(int(limit))))
	}
	conn, err := grpc.NewClient("passthrough:///"+addressOf(req), options...)
	if err != nil {
		return nil, nil, err
	}
	return transport.NewChannel(conn), func() { conn.Close() }, nil
}
