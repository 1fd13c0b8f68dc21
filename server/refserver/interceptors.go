package refserver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

func (s *Server) logUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	begin := time.Now()
	resp, err := handler(ctx, req)
	s.logCall(ctx, info.FullMethod, begin, err)
	return resp, err
}

func (s *Server) logStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	begin := time.Now()
	err := handler(srv, ss)
	s.logCall(ss.Context(), info.FullMethod, begin, err)
	return err
}

// logCall logs one attempt. The options leave it out where it would log
// nothing.
func (s *Server) logCall(ctx context.Context, method string, begin time.Time, err error) {
	from := ""
	if p, ok := peer.FromContext(ctx); ok {
		from = p.Addr.String()
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "call",
		slog.String("method", method), slog.String("peer", from),
		slog.String("code", status.Code(err).String()), slog.Duration("duration", time.Since(begin)))
}

func (s *Server) surviveUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer s.survive(ctx, info.FullMethod, &err)
	return handler(ctx, req)
}

func (s *Server) surviveStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.survive(ss.Context(), info.FullMethod, &err)
	return handler(srv, ss)
}

// survive turns a panic of the handler into INTERNAL. The client learns
// nothing of it but that it happened.
func (s *Server) survive(ctx context.Context, method string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelError, "handler panicked",
		slog.String("method", method), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	*err = status.Error(codes.Internal, "internal error")
}
