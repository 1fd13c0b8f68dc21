package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"

	"touchstone/server/detect/text"
	"touchstone/server/fault"
	"touchstone/server/refserver"
)

// config turns the flags into the configuration of a server. It reads the
// files that they name, and nothing else.
func (f *flags) config(stderr io.Writer) (refserver.Config, error) {
	if err := f.validate(); err != nil {
		return refserver.Config{}, err
	}
	cfg := refserver.Config{
		Upstream:         f.upstream,
		CrawlAllow:       f.crawlAllow,
		Seed:             f.seed,
		FaultsByMetadata: f.faultsByMetadata,
		Grace:            f.grace,
		MaxMessage:       int(f.maxMessage),
		Log:              f.logger(stderr),
	}
	if f.grace == 0 {
		cfg.Grace = -1 // 0 is the default there
	}
	cfg.Hostname, _ = os.Hostname() // without one, no fault asks for this host
	var err error
	if cfg.Faults, err = readFile(f.faults, "fault plan", fault.Parse); err != nil {
		return cfg, err
	}
	if cfg.Rules, err = readFile(f.rules, "rules", text.ParseRules); err != nil {
		return cfg, err
	}
	cfg.TLS, err = f.tls()
	return cfg, err
}

func (f *flags) logger(stderr io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(f.logLevel)}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(stderr, options))
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}

// readFile reads and parses a file; without a path there is nothing.
func readFile[T any](path, what string, parse func(name string, data []byte) (*T, error)) (*T, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &failure{exitFile, fmt.Errorf("read %s: %w", what, err), ""}
	}
	return parse(path, data)
}

// tls returns the server's side of TLS, nil for plain text.
func (f *flags) tls() (*tls.Config, error) {
	if f.tlsCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
	if err != nil {
		return nil, &failure{exitFile, fmt.Errorf("load certificate %s: %w", f.tlsCert, err), "both files are PEM, and belong together"}
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.clientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, &failure{exitFile, fmt.Errorf("read client CA: %w", err), ""}
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, &failure{exitFile, fmt.Errorf("client CA %s: no certificate in it", f.clientCA), "certificates are PEM"}
	}
	return config, nil
}
