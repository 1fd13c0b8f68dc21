package wire_test

import (
	"context"
	"net"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// faulty is a transport to a target with a proxy in the path that carries out
// a plan.
func faulty(t *testing.T, plan *fault.Plan) *wire.Transport {
	behind, front := bufconn.Listen(1<<20), bufconn.Listen(1<<20)
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, greeter{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(behind) })
	p, err := proxy.New(proxy.Config{Decider: fault.NewDecider(plan, 1), Dial: behind.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	serving.Go(func() { _ = p.Serve(ctx, front) })
	w, err := wire.New(wire.Config{Authority: "target",
		Dial: func(ctx context.Context) (net.Conn, error) { return front.DialContext(ctx) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); cancel(); srv.Stop(); serving.Wait() })
	return w
}

// Every action of the plan language, and the status that gRPC has for it.
// After it the transport still works, but on a connection that is half open:
// without keepalive, which would be calls of its own, nobody notices that.
func TestFaults(t *testing.T) {
	const timeout = 5 * time.Second
	unary, each, all, both := "SayHello", "LotsOfReplies", "LotsOfGreetings", "BidiHello"
	tests := []struct {
		method, inject string
		want           codes.Code
		took           time.Duration
		received       int
	}{
		{unary, "{status: RESOURCE_EXHAUSTED, message: planned}", codes.ResourceExhausted, 0, 0},
		{unary, "{status: ABORTED, pushback: 100, details: [{type: google.rpc.RetryInfo, retry_delay: 1s}]}", codes.Aborted, 0, 0},
		{each, "{status: UNAVAILABLE, after_messages: 2}", codes.Unavailable, 0, 2},
		{all, "{status: UNAVAILABLE, after_requests: 1}", codes.Unavailable, 0, 0},
		{both, "{status: UNAVAILABLE, after_requests: all, with_headers: {a: b}}", codes.Unavailable, 0, 0},
		{unary, "{status: UNAVAILABLE, with_headers: true}", codes.Unavailable, 0, 0},
		{unary, "{rst: INTERNAL_ERROR}", codes.Internal, 0, 0},
		{unary, "{rst: CANCEL}", codes.Canceled, 0, 0},
		{unary, "{rst: ENHANCE_YOUR_CALM}", codes.ResourceExhausted, 0, 0},
		{each, "{rst: INADEQUATE_SECURITY, after_messages: 1}", codes.PermissionDenied, 0, 1},
		{unary, "{refused: true}", codes.Unavailable, 0, 0},
		{unary, "{close: headers}", codes.Unavailable, 0, 0},
		{each, "{close: {after_messages: 2}}", codes.Unavailable, 0, 2},
		{unary, "{reset: headers}", codes.Unavailable, 0, 0},
		{each, "{reset: {after_bytes: 12}}", codes.Unavailable, 0, 1},
		{unary, "{blackhole: headers}", codes.DeadlineExceeded, timeout, 0},
		{each, "{blackhole: {after_messages: 1}}", codes.DeadlineExceeded, timeout, 1},
		{unary, "{half_open: headers}", codes.DeadlineExceeded, timeout, 0},
		{both, "{half_open: {after_messages: 1}}", codes.DeadlineExceeded, timeout, 1},
		{unary, "{http: {status: 400}}", codes.Internal, 0, 0},
		{unary, "{http: {status: 401}}", codes.Unauthenticated, 0, 0},
		{unary, "{http: {status: 403}}", codes.PermissionDenied, 0, 0},
		{unary, "{http: {status: 404}}", codes.Unimplemented, 0, 0},
		{unary, "{http: {status: 429}}", codes.Unavailable, 0, 0},
		{unary, "{http: {status: 500}}", codes.Unknown, 0, 0},
		{unary, "{http: {status: 502}}", codes.Unavailable, 0, 0},
		{unary, "{http: {status: 503, content_type: text/html, body: <p>no</p>}}", codes.Unavailable, 0, 0},
		{unary, "{http: {status: 504}}", codes.Unavailable, 0, 0},
		{unary, "{http: {status: 200, content_type: text/html, body: <p>yes</p>}}", codes.Unknown, 0, 0},
		{unary, "{drop_trailers: true}", codes.Unknown, 0, 1},
		{each, "{truncate: 3}", codes.Unknown, 0, 0},
		{unary, "{delay: 2s}", codes.OK, 2 * time.Second, 1},
		{unary, "{settings: {max_concurrent_streams: 1, initial_window_size: 1, max_frame_size: 16384}}", codes.OK, 0, 1},
		{unary, "{settings: {initial_window_size: 2147483647}}", codes.OK, 0, 1},
		{unary, "{goaway: {last: below, code: ENHANCE_YOUR_CALM, debug: too_many_pings}}", codes.Unavailable, 0, 0},
		{unary, "{goaway: {last: this}}", codes.OK, 0, 1},
		{each, "{goaway: [{last: max}, {last: this}]}", codes.OK, 0, 5},
		{unary, "{informational: 103}", codes.OK, 0, 1},
		{unary, "{corrupt: payload}", codes.OK, 0, 1},
		{unary, "{corrupt: length}", codes.Internal, 0, 0},
		{unary, "{corrupt: flag}", codes.Internal, 0, 0},
		{unary, "{bandwidth: 4}", codes.OK, 2250 * time.Millisecond, 1},
	}
	kinds := map[string]transport.Kind{unary: transport.Unary, each: transport.ServerStream, all: transport.ClientStream, both: transport.BidiStream}
	unused := actions()
	for _, test := range tests {
		t.Run(test.method+" "+test.inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan, err := fault.Parse("plan.yaml", []byte("- match: {call: 1}\n  inject: "+test.inject))
				if err != nil {
					t.Fatal(err)
				}
				note(unused, &plan.Rules[0].Action)
				w := faulty(t, plan)
				req := &transport.Request{Method: service + test.method, Kind: kinds[test.method], Messages: encode(t, "hi"), Timeout: timeout}
				var res transport.Result
				w.Do(t.Context(), req, &res)
				if res.Status != test.want || res.Received != test.received || res.Done.Sub(res.Start) != test.took {
					t.Errorf("%v %q after %v, %d messages; want %v after %v, %d", res.Status, res.Message,
						res.Done.Sub(res.Start), res.Received, test.want, test.took, test.received)
				}
				w.Do(t.Context(), req, &res)
				after := codes.OK
				if plan.Rules[0].Action.HalfOpen != nil {
					after = codes.DeadlineExceeded // nothing tells that the connection is dead
				}
				if res.Status != after {
					t.Errorf("the call after it: %v %q, want %v", res.Status, res.Message, after)
				}
			})
		})
	}
	if len(unused) > 0 && !t.Failed() {
		t.Errorf("actions that no test has: %v", unused)
	}
}

// actions returns the names of all actions.
func actions() map[string]bool {
	all := map[string]bool{}
	for f := range reflect.TypeFor[fault.Action]().Fields() {
		all[f.Name] = f.Name != "Rule"
	}
	delete(all, "Rule")
	return all
}

// note takes those that are set out of a set of actions.
func note(all map[string]bool, a *fault.Action) {
	v := reflect.ValueOf(a).Elem()
	for name := range all {
		if !v.FieldByName(name).IsZero() {
			delete(all, name)
		}
	}
}
