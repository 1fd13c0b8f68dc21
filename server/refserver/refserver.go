// Package refserver puts the reference server together.
//
// It serves Detect and HelloService, the health service and reflection (v1 and
// v1alpha) on any listener, a TCP socket or one in memory.
package refserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"touchstone/server/detect/text"
	"touchstone/server/fault"
	"touchstone/server/inject"
	"touchstone/server/service"
)

// Defaults of Config.
const (
	DefaultGrace      = 5 * time.Second
	DefaultMaxMessage = 100 << 20 // bytes
)

// Config describes a server. The zero Config is the reference server in plain
// text, with the embedded rules, without faults.
type Config struct {
	// Rules for texts; nil: the embedded ones.
	Rules *text.Rules

	// Upstream is the URL of an HTTP backend that detection is delegated to;
	// "": the server's own detectors.
	Upstream string

	// CrawlAllow lists networks that fetches may reach although they are not
	// public, such as 127.0.0.0/8 in a test. What is public is always allowed.
	CrawlAllow []netip.Prefix

	// Faults is the plan to carry out; nil: none. Seed is that of its random
	// choices. FaultsByMetadata lets callers ask for faults themselves.
	Faults           *fault.Plan
	Seed             uint64
	FaultsByMetadata bool

	// Hostname is the server's name in faults by metadata.
	Hostname string

	// TLS is nil for plain text. Ask for client certificates here.
	TLS *tls.Config

	// Grace is how long calls may take to end once the server shuts down; 0:
	// DefaultGrace, negative: no time at all.
	Grace time.Duration

	// MaxMessage is the largest message, in bytes, in either direction; 0:
	// DefaultMaxMessage.
	MaxMessage int

	// Log gets every call at level Debug, what happens to the server at Info,
	// and panics at Error; nil: discarded.
	Log *slog.Logger
}

// Server is a server that has not been started, or has. Its methods may be
// called concurrently, Serve once.
type Server struct {
	grpc    *grpc.Server
	health  *health.Server
	faults  *inject.Injector
	release func() // lets go of connections to other servers
	plan    *fault.Plan
	grace   time.Duration
	log     *slog.Logger
}

// fill replaces zero values by their defaults.
func (cfg *Config) fill() {
	cfg.Grace = cmp.Or(cfg.Grace, DefaultGrace)
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, DefaultMaxMessage)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// New returns a server. The error is a [source.Errors] when the fault plan
// cannot be carried out.
func New(cfg Config) (*Server, error) {
	cfg.fill()
	s := &Server{health: health.NewServer(), plan: cfg.Faults, grace: cfg.Grace, log: cfg.Log}
	var err error
	s.faults, err = inject.New(inject.Config{
		Plan: cfg.Faults, Seed: cfg.Seed, ByMetadata: cfg.FaultsByMetadata, Hostname: cfg.Hostname,
		Services: append(service.Descs(), &healthpb.Health_ServiceDesc),
	})
	if err != nil {
		return nil, err
	}
	services, release, err := newServices(cfg)
	if err != nil {
		return nil, err
	}
	s.release = release
	s.grpc = grpc.NewServer(s.options(cfg)...)
	service.Register(s.grpc, services)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	return s, nil
}

// options are the server's settings.
//
// Note: the number of streams of a connection has no limit. With one, a load
// generator on few connections would measure its own queue as soon as the
// server stalls.
func (s *Server) options(cfg Config) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(cfg.MaxMessage),
		grpc.MaxSendMsgSize(cfg.MaxMessage),
		grpc.WaitForHandlers(true),
		// Clients behind proxies ping every 10 s or so; the default of 5
		// minutes would answer them with GOAWAY.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(cfg.TLS)))
	}
	var unary []grpc.UnaryServerInterceptor
	var stream []grpc.StreamServerInterceptor
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		unary, stream = append(unary, s.logUnary), append(stream, s.logStream)
	}
	unary, stream = append(unary, s.surviveUnary), append(stream, s.surviveStream)
	if cfg.Faults != nil || cfg.FaultsByMetadata {
		unary, stream = append(unary, s.faults.Unary), append(stream, s.faults.Stream)
	}
	return append(options, grpc.ChainUnaryInterceptor(unary...), grpc.ChainStreamInterceptor(stream...))
}

// Serve serves the listener, which it closes, until ctx ends. Then it shuts
// down: it reports NOT_SERVING, takes no new calls, lets those that run end
// within the grace period, and cuts the rest. The error is that of the
// listener; a shutdown is none.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.release()
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		s.shutdown()
		err = <-served
	}
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Cut ends all calls and the server at once, also in the middle of a shutdown.
func (s *Server) Cut() {
	s.log.Info("cutting all calls")
	s.grpc.Stop()
}

// Hits returns how many attempts each rule of the fault plan has decided.
func (s *Server) Hits() []int { return s.faults.Hits() }

// shutdown returns when the last call has ended.
func (s *Server) shutdown() {
	s.log.Info("shutting down", slog.Duration("grace", s.grace))
	s.health.Shutdown()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-drained:
		s.log.Info("drained")
	case <-timer.C:
		s.Cut()
		<-drained
	}
	s.logHits()
}

// logHits says how often each rule of the plan decided. One that never did
// makes the outcome of a check worthless.
func (s *Server) logHits() {
	if s.plan == nil {
		return
	}
	for i, hits := range s.faults.Hits() {
		s.log.Info("fault rule", slog.Int("rule", i+1), slog.Int("line", s.plan.Rules[i].Pos.Line), slog.Int("hits", hits))
	}
}
