package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"touchstone/loadgen/safety"
)

// A target whose name led to this machine when it was judged, and leads
// elsewhere when it is connected to again: nothing is sent there, whichever
// transport connects. 192.0.2.0/24 is nobody's.
func TestTargetStaysWhereItWasJudged(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	go server.Serve(listener)
	defer server.Stop()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	local := safety.Target{Local: true, Name: "localhost:" + port}
	for _, row := range []struct {
		name  string
		flags targetFlags
	}{
		{"judged on opening", targetFlags{safety: &safetyFlags{}}},
		{"judged before", targetFlags{judged: local}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			flags := row.flags
			flags.address, flags.plaintext, flags.reflect, flags.connectTimeout, flags.maxMessage = local.Name, true, "auto", 10*time.Second, 1<<20
			target, err := flags.open(ctx, &env{stderr: newConsole(&bytes.Buffer{})})
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()

			elsewhere := manual.NewBuilderWithScheme("dns")
			elsewhere.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: "192.0.2.7:" + port}}})
			conn, err := target.Dial(grpc.WithResolvers(elsewhere), grpc.WithDisableRetry())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			if err == nil || !strings.Contains(err.Error(), "it is at 192.0.2.7 now") {
				t.Errorf("over grpc-go: %v, want a refusal", err)
			}

			target.Address = "192.0.2.7:" + port
			dial, err := flags.rawDialer(target)
			if err != nil {
				t.Fatal(err)
			}
			var refused *safety.Refused
			if _, err := dial(ctx); !errors.As(err, &refused) {
				t.Errorf("over wire: %v, want a refusal", err)
			}
		})
	}
}
