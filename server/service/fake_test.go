package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/proto/detect"
	"touchstone/proto/hello"
	domain "touchstone/server/detect"
	"touchstone/server/service"
)

// fakeDetector answers "ok CONTENT", and obeys these contents:
//
//	bad         is invalid
//	down        is unavailable
//	odd         fails for a reason nobody thought of
//	panic       panics
//	sleep D     takes a duration
type fakeDetector struct{ started atomic.Int64 }

func (f *fakeDetector) Detect(ctx context.Context, content string) (string, error) {
	f.started.Add(1)
	switch {
	case content == "bad":
		return "", &domain.Invalid{Violations: []domain.Violation{{Field: "content", Description: "is bad"}}}
	case content == "down":
		return "", &domain.Unavailable{Cause: errors.New("no answer")}
	case content == "odd":
		return "", errors.New("the secret of the server")
	case content == "panic":
		panic("as asked")
	case strings.HasPrefix(content, "sleep "):
		d, err := time.ParseDuration(strings.TrimPrefix(content, "sleep "))
		if err != nil {
			return "", err
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "ok " + content, nil
}

// Each takes the contents between commas.
func (f *fakeDetector) Each(ctx context.Context, content string, emit func(string) error) error {
	for part := range strings.SplitSeq(content, ",") {
		data, err := f.Detect(ctx, part)
		if err != nil {
			return err
		}
		if err := emit(data); err != nil {
			return err
		}
	}
	return nil
}

// fakeSummary counts.
type fakeSummary struct {
	detector *fakeDetector
	all      []string
}

func (s *fakeSummary) Add(ctx context.Context, content string) error {
	_, err := s.detector.Detect(ctx, content)
	s.all = append(s.all, content)
	return err
}

func (s *fakeSummary) Data() string { return fmt.Sprint(len(s.all), s.all) }

// world is a client and a server within a bubble of fake time.
type world struct {
	detect detect.DetectClient
	hello  hello.HelloServiceClient
	fake   *fakeDetector
	log    *strings.Builder
}

// seedPolicy is the retry policy that clients use by default.
const seedPolicy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// survive stands for the panic interceptor of the whole server.
func survive(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("survived: %.8v", p)
		}
	}()
	return h(srv, ss)
}

func start(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{fake: &fakeDetector{}, log: &strings.Builder{}}
		server := grpc.NewServer(grpc.StreamInterceptor(survive))
		service.Register(server, service.Config{
			Detector:   w.fake,
			NewSummary: func() service.Summary { return &fakeSummary{detector: w.fake} },
			Log:        slog.New(slog.NewTextHandler(w.log, nil)),
		})
		listener := bufconn.Listen(1 << 16)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(seedPolicy),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		w.detect, w.hello = detect.NewDetectClient(conn), hello.NewHelloServiceClient(conn)
		test(t, w)
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
}
