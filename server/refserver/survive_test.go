package refserver

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fakeStream is a stream that no message passes through.
type fakeStream struct{ grpc.ServerStream }

func (fakeStream) Context() context.Context { return context.Background() }

func TestPanicsBecomeInternal(t *testing.T) {
	var log strings.Builder
	s := &Server{log: slog.New(slog.NewTextHandler(&log, nil))}
	_, unary := s.surviveUnary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/C"},
		func(context.Context, any) (any, error) { panic("secret") })
	stream := s.surviveStream(nil, fakeStream{}, &grpc.StreamServerInfo{FullMethod: "/a.B/D"},
		func(any, grpc.ServerStream) error { panic(errors.New("an error")) })
	for _, err := range []error{unary, stream} {
		if got := status.Convert(err); got.Code() != codes.Internal || got.Message() != "internal error" {
			t.Errorf("status %v, want INTERNAL without details", err)
		}
	}
	for _, want := range []string{"method=/a.B/C panic=secret", "method=/a.B/D", "panic=\"an error\"", "survive_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

func TestNoPanicIsNoError(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	got, err := s.surviveUnary(t.Context(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return "fine", nil })
	if got != "fine" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
