package transport_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/transport"
)

// counted makes a connection count attempts.
func counted(config string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(transport.CountAttempts(config))
}

// The attempts of calls are as many by the policy as by the events that an
// AttemptHandler sees.
func TestCountAttempts(t *testing.T) {
	const waits = `{"methodConfig":[{"name":[{}],"waitForReady":true}]}`
	roundRobin := `{"loadBalancingConfig":[{"unknown":{}},{"round_robin":{}}],` + policy[1:]
	byName := `{"loadBalancingPolicy":"round_robin",` + policy[1:]
	nobody := func(context.Context) (net.Conn, error) { return nil, errors.New("nobody is there") }
	silent := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tests := []struct {
		name    string
		config  string
		outage  int
		dial    func(context.Context) (net.Conn, error) // nil: there is a target
		timeout time.Duration
		status  codes.Code
		want    int
	}{
		{"a call that works", policy, 0, nil, time.Minute, codes.OK, 1},
		{"two UNAVAILABLE, then OK", policy, 2, nil, time.Minute, codes.OK, 3},
		{"always UNAVAILABLE", policy, 99, nil, time.Minute, codes.Unavailable, 5},
		{"a deadline within the first backoff", policy, 99, nil, 70 * time.Millisecond, codes.DeadlineExceeded, 1},
		{"another policy below", roundRobin, 2, nil, time.Minute, codes.OK, 3},
		{"another policy below, by name", byName, 2, nil, time.Minute, codes.OK, 3},
		{"no target", policy, 0, nobody, time.Minute, codes.Unavailable, 5},
		{"no target, and the call waits for one", waits, 0, nobody, time.Minute, codes.DeadlineExceeded, 1},
		{"a target that does not answer", policy, 0, silent, time.Second, codes.DeadlineExceeded, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for how, option := range map[string]grpc.DialOption{"policy": counted(tt.config), "events": watched()} {
					options := []grpc.DialOption{grpc.WithDefaultServiceConfig(tt.config), option}
					var arrivals []time.Time
					var conn *grpc.ClientConn
					if tt.dial == nil {
						conn = dial(t, outage(tt.outage, &arrivals), options...)
					} else {
						conn = connect(t, tt.dial, options...)
					}
					var res transport.Result
					transport.NewChannel(conn).Do(t.Context(), &transport.Request{Method: "/HelloService/SayHello",
						Messages: encode(t, "hi"), Timeout: tt.timeout}, &res)
					if res.Status != tt.status || res.Attempts != tt.want {
						t.Errorf("by %s: %v, %d attempts; want %v, %d", how, res.Status, res.Attempts, tt.status, tt.want)
					}
					conn.Close()
				}
			})
		})
	}
}

// Mistakes in a service config are still grpc-go's to find.
func TestCountAttemptsOfBadConfigs(t *testing.T) {
	for _, config := range []string{`{`, `[]`, `{"methodConfig":3}`, `{"loadBalancingConfig":[{"unknown":{}}]}`, `{"loadBalancingConfig":3}`} {
		conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), counted(config))
		if err == nil {
			conn.Close()
			t.Errorf("service config %s is taken", config)
		}
	}
	if got := transport.CountAttempts("no JSON"); got != "no JSON" {
		t.Errorf("CountAttempts = %q, want its argument", got)
	}
}

// A call that ends while its channel closes has a status all the same.
func TestCountAttemptsAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, &server{say: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", status.FromContextError(ctx.Err()).Err()
		}}, counted(policy))
		time.AfterFunc(time.Second, func() { conn.Close() })
		var res transport.Result
		transport.NewChannel(conn).Do(t.Context(), &transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi")}, &res)
		if res.Status != codes.Canceled || res.Attempts != 1 {
			t.Errorf("%v, %d attempts; want Canceled, 1", res.Status, res.Attempts)
		}
	})
}

// TestAttemptsByPolicy: what the policy counts it lists too, for those who ask.
func TestAttemptsByPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var arrivals []time.Time
		channel := transport.NewChannel(dial(t, outage(2, &arrivals), counted(policy)))
		ctx, attempts := transport.RecordAttempts(t.Context())
		var res transport.Result
		channel.Do(ctx, &transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi")}, &res)
		if res.Attempts != 3 || res.Status != codes.OK {
			t.Fatalf("%v after %d attempts, want OK after 3", res.Status, res.Attempts)
		}
		for i, one := range attempts.List() {
			want := []string{"UNAVAILABLE", "UNAVAILABLE", "OK"}[i]
			gap := arrivals[i].Sub(arrivals[max(i-1, 0)])
			if one.Number != i+1 || one.Status != want || one.GapMS != float64(gap)/1e6 {
				t.Errorf("attempt %+v, want %s after %v", one, want, gap)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		nowhere := func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") }
		channel := transport.NewChannel(connect(t, nowhere, counted(policy)))
		ctx, attempts := transport.RecordAttempts(t.Context())
		var res transport.Result
		channel.Do(ctx, &transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi")}, &res)
		if list := attempts.List(); res.Attempts != 5 || len(list) != 5 || list[4].Status != "UNAVAILABLE" {
			t.Errorf("%v after %d attempts, listed %+v; want five UNAVAILABLE", res.Status, res.Attempts, list)
		}
	})
}
