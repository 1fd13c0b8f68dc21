package otlp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/report"
)

// Config says where to send.
type Config struct {
	// Address is host:port or http://host:port, in plain text, or
	// https://host:port.
	Address string
	// Headers are in the form of OTEL_EXPORTER_OTLP_HEADERS: name=value, with
	// commas between, values URL-encoded.
	Headers string
	// Options are added to the connection's.
	Options []grpc.DialOption
}

// exportMethod is the method of OTLP's metrics service.
const exportMethod = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

// timeout bounds an export, all attempts together.
const timeout = 10 * time.Second

// retryPolicy makes up to five attempts for the statuses that OTLP calls
// retryable and that grpc-go takes in a policy.
const retryPolicy = `{"methodConfig": [{"name": [{}], "waitForReady": false, "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.5s",
  "maxBackoff": "3s", "backoffMultiplier": 2,
  "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "OUT_OF_RANGE", "DATA_LOSS"]}}]}`

// Send sends the figures of a report. It takes ten seconds at most, attempts
// included.
func Send(ctx context.Context, cfg Config, r *report.Report) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := cfg.dial()
	if err != nil {
		return fmt.Errorf("otlp: %w", err)
	}
	defer conn.Close()
	headers, err := parseHeaders(cfg.Headers)
	if err != nil {
		return fmt.Errorf("otlp: headers: %w", err)
	}
	var answer collector.ExportMetricsServiceResponse
	if err := conn.Invoke(metadata.NewOutgoingContext(ctx, headers), exportMethod, Metrics(r), &answer); err != nil {
		return fmt.Errorf("otlp %s: %w", cfg.Address, err)
	}
	if p := answer.GetPartialSuccess(); p.GetRejectedDataPoints() > 0 {
		return fmt.Errorf("otlp %s: %d points were refused: %s", cfg.Address, p.GetRejectedDataPoints(), p.GetErrorMessage())
	}
	return nil
}

// dial connects to the collector.
func (cfg Config) dial() (*grpc.ClientConn, error) {
	address, secure := strings.CutPrefix(cfg.Address, "https://")
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	return grpc.NewClient(address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds), grpc.WithDefaultServiceConfig(retryPolicy), grpc.WithDisableServiceConfig(),
	}, cfg.Options...)...)
}

// parseHeaders reads name=value pairs with commas between.
func parseHeaders(text string) (metadata.MD, error) {
	out := metadata.MD{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			return nil, fmt.Errorf("header %d is not name=value", len(out)+1) // its value may be a secret
		}
		out.Append(strings.TrimSpace(name), value)
	}
	return out, nil
}
