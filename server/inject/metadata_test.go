package inject_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/proto/hello"
	"touchstone/server/inject"
)

func TestFaultsByMetadata(t *testing.T) {
	tests := []struct {
		name     string
		metadata []string
		code     codes.Code
		attempts int
		took     time.Duration // not counting backoff; -1: not compared
	}{
		{"nothing asked", nil, codes.OK, 1, 0},
		{"an error code", []string{"rpc-behavior", "error-code-13"}, codes.Internal, 1, 0},
		{"error code 0 is a call as usual", []string{"rpc-behavior", "error-code-0"}, codes.OK, 1, 0},
		{"sleep", []string{"rpc-behavior", "sleep-3"}, codes.OK, 1, 3 * time.Second},
		{"sleeps add up, then the error", []string{"rpc-behavior", "sleep-1, sleep-2,error-code-13"}, codes.Internal, 1, 3 * time.Second},
		{"the first error ends the matching", []string{"rpc-behavior", "error-code-13,sleep-9"}, codes.Internal, 1, 0},
		{"several headers are one list", []string{"rpc-behavior", "sleep-1", "rpc-behavior", "error-code-13"}, codes.Internal, 1, time.Second},
		{"success on the second retry", []string{"rpc-behavior", "succeed-on-retry-attempt-2,error-code-14"}, codes.OK, 3, -1},
		{"success on a retry that never comes", []string{"rpc-behavior", "succeed-on-retry-attempt-9,error-code-14"}, codes.Unavailable, 5, -1},
		{"keep open until the deadline", []string{"rpc-behavior", "keep-open"}, codes.DeadlineExceeded, 1, time.Minute},
		{"for this host", []string{"rpc-behavior", "hostname=here error-code-13"}, codes.Internal, 1, 0},
		{"for another host", []string{"rpc-behavior", "hostname=there error-code-13"}, codes.OK, 1, 0},
		{"for another host, then for all", []string{"rpc-behavior", "hostname=there sleep-5,error-code-13"}, codes.Internal, 1, 0},
		{"an unknown word is passed over", []string{"rpc-behavior", "dance,error-code-13"}, codes.Internal, 1, 0},
		{"a number that is none", []string{"rpc-behavior", "sleep-x"}, codes.InvalidArgument, 1, 0},
		{"a sleep beyond all bounds ends with the deadline", []string{"rpc-behavior", "sleep-2147483647"}, codes.DeadlineExceeded, 1, time.Minute},
		{"Envoy's abort", []string{"x-envoy-fault-abort-grpc-request", "8"}, codes.ResourceExhausted, 1, 0},
		{"Envoy's delay, in milliseconds", []string{"x-envoy-fault-delay-request", "250"}, codes.OK, 1, 250 * time.Millisecond},
		{"both of Envoy's", []string{"x-envoy-fault-delay-request", "250", "x-envoy-fault-abort-grpc-request", "13"}, codes.Internal, 1, 250 * time.Millisecond},
		{"an abort that is no number", []string{"x-envoy-fault-abort-grpc-request", "UNAVAILABLE"}, codes.InvalidArgument, 1, 0},
		{"a negative delay", []string{"x-envoy-fault-delay-request", "-1"}, codes.InvalidArgument, 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, inject.Config{ByMetadata: true, Hostname: "here"}, func(t *testing.T, w *world) {
				begin := time.Now()
				ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), test.metadata...), time.Minute)
				defer cancel()
				_, err := w.client.SayHello(ctx, &hello.HelloRequest{})
				w.want(t, err, test.code, test.attempts)
				if took := time.Since(begin); test.took >= 0 && took != test.took {
					t.Errorf("the call took %s, want exactly %s", took, test.took)
				}
			})
		})
	}
}

func TestMetadataIsNotObeyedUnasked(t *testing.T) {
	start(t, inject.Config{}, func(t *testing.T, w *world) {
		w.want(t, w.hello(t, "rpc-behavior", "error-code-13"), codes.OK, 1)
	})
}

func TestThePlanComesFirst(t *testing.T) {
	cfg := plan(t, "- {match: {metadata: {rpc-behavior: error-code-13}}, inject: {status: ABORTED}}")
	cfg.ByMetadata = true
	start(t, cfg, func(t *testing.T, w *world) {
		if got := status.Code(w.hello(t, "rpc-behavior", "error-code-13")); got != codes.Aborted {
			t.Errorf("status %s, want the plan's", got)
		}
		if got := status.Code(w.hello(t, "rpc-behavior", "error-code-5")); got != codes.NotFound {
			t.Errorf("status %s, want the caller's", got)
		}
	})
}
