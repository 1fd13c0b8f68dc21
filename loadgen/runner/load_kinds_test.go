package runner_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
)

// loadOf runs a file that has loads against a server, both in fake time, and
// returns the report.
func loadOf(t *testing.T, handle fakeServer, file string) *report.Report {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.ForceServerCodecV2(codec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		return handle(fakeStream{s, method})
	}))
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		served.Wait()
	})
	target := dialer(t, listener)
	target.Wire = func(ctx context.Context, n int, events *engine.Events) (transport.Transport, metadata.MD, error) {
		w, err := wire.New(wire.Config{
			Authority: "memory", Connections: n, Dial: func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) },
			Event: func(e wire.Event) { events.Add(e.Time, string(e.Kind), e.Text) },
		})
		if err != nil {
			return nil, nil, err
		}
		return w, metadata.Pairs("x-from", "wire"), w.Connect(ctx)
	}
	r, err := runner.Run(t.Context(), runner.Config{
		Programs: []*scenario.Program{compile(t, "a.yaml", "version: 1\n"+file)},
		Dial:     func(context.Context, *scenario.File) (*runner.Target, error) { return target, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Loads) != 1 {
		t.Fatalf("%d loads, want 1: %+v", len(r.Loads), r.Scenarios)
	}
	return r
}

const twoSteps = `
steps:
  - {id: one, call: HelloService/SayHello, send: {greeting: a}}
  - {id: many, call: HelloService/BidiHello, script: [{repeat: 3, do: [{send: {greeting: "n ${i}"}}, {recv: {reply: "*"}}]}]}
`

func TestLoadOverWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards from
		from := map[string]int{}
		r := loadOf(t, func(s fakeStream) error {
			md, _ := metadata.FromIncomingContext(s.Context())
			mu.Lock()
			from[strings.Join(md.Get("x-from"), ",")]++
			mu.Unlock()
			return echo(s)
		}, twoSteps+"load: {step: many, transport: wire, connections: 2, arrival: {constant: 100/s}, requests: 50}")
		l := r.Loads[0]
		if l.Transport != "wire" || l.Statuses["OK"] != 50 || l.Stream == nil || l.Stream.RoundTrip == nil || l.Stream.RoundTrip.Count != 150 {
			t.Errorf("load %+v, want 50 calls OK, with 150 round trips", l)
		}
		if from["wire"] != 50 {
			t.Errorf("metadata of calls %v, want 50 with that of wire", from)
		}
	})
}

func TestLoadOfAMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := loadOf(t, echo, twoSteps+"load: {mix: [{step: one, weight: 3}, {step: many}], arrival: {ramp: {from: 0, to: 100/s, over: 4s}}}")
		l := r.Loads[0]
		if l.Name != "mix" || l.Kind != "mix" || l.Sent != 200 || len(l.Methods) != 2 {
			t.Fatalf("load %+v, want 200 calls of two methods", l)
		}
		if n := l.Methods[0].Sent; l.Methods[0].Method != "HelloService/SayHello" || n < 125 || n > 175 {
			t.Errorf("%d calls of %s, want about 150 of SayHello", n, l.Methods[0].Method)
		}
		if len(l.Phases) < 2 || l.Phases[1].Name != "0/s to 100/s" {
			t.Errorf("phases %+v", l.Phases)
		}
	})
}

// TestLoadOfArrivals runs each arrival, and counts its calls.
func TestLoadOfArrivals(t *testing.T) {
	for arrival, want := range map[string]struct {
		fields string
		sent   int64
		text   string
	}{
		"{steps: [{rate: 10/s, for: 2s}, {rate: 0, for: 1s}, {rate: 20/s, for: 1s}]}": {"", 40, "steps 10/s for 2s, 0/s for 1s, 20/s for 1s"},
		"{spike: {base: 10/s, peak: 100/s, at: 1s, lasts: 1s}}":                       {"", 120, "spike 10/s for 1s, 100/s for 1s, 10/s"},
		"{sine: {mean: 10/s, swing: 10/s, period: 1s}}":                               {"duration: 3s", 30, "sine 10/s ± 10/s every 1s"},
		"{trace: [0s, 1s, 1s, 2.5s]}":                                                 {"", 4, "trace of 4"},
		"{ramp: {from: 10/s, to: 30/s, over: 2s}}":                                    {"warmup: 1s", 40, "ramp 10/s to 30/s over 2s"},
		"{constant: 10/s}":                     {"duration: 2s, warmup: 1s, cooldown: 1s", 20, "constant 10/s"},
		"{closed: {callers: 2, think: 100ms}}": {"duration: 1s", 20, "closed 2, think 100ms"},
	} {
		bubble(t, arrival, func(t *testing.T) {
			l := loadOf(t, echo, twoSteps+fmt.Sprintf("load: {step: one, arrival: %s, %s}", arrival, want.fields)).Loads[0]
			if l.Sent != want.sent || l.Arrival != want.text || l.Statuses["OK"] != want.sent {
				t.Errorf("%q: %d calls, %v; want %q, %d", l.Arrival, l.Sent, l.Statuses, want.text, want.sent)
			}
		})
	}
}

// TestLoadIsChecked: a server that is wrong one time in four.
func TestLoadIsChecked(t *testing.T) {
	handle := func() fakeServer {
		var mu sync.Mutex // guards n
		n := 0
		return func(s fakeStream) error {
			greeting, err := s.recv()
			if err != nil {
				return nil
			}
			mu.Lock()
			n++
			wrong := n%4 == 0
			mu.Unlock()
			if wrong {
				greeting = "no " + greeting
			}
			s.send(greeting)
			return nil
		}
	}
	for _, test := range []struct {
		assert         string
		judged, failed int64
		code           int
	}{
		{"full", 100, 25, 1},
		{"{sampled: 20%}", -1, -1, 1},
		{"off", 0, 0, 0},
	} {
		for _, via := range []string{"channel", "wire"} {
			bubble(t, test.assert+" over "+via, func(t *testing.T) {
				r := loadOf(t, handle(), fmt.Sprintf(`
data: {file: rows.jsonl}
steps:
  - {id: s, skip: as load only, call: HelloService/SayHello, send: {greeting: "${row.who}"}, expect: {message: {reply: "${row.who}"}}}
load: {step: s, arrival: {constant: 10/s}, requests: 100, assert: %s, transport: %s}`, test.assert, via))
				l := r.Loads[0]
				if r.ExitCode != test.code || (l.Checks == nil) != (test.code == 0) {
					t.Errorf("exit code %d, checks %+v, want %d", r.ExitCode, l.Checks, test.code)
				}
				if c := l.Checks; test.judged > 0 && (c.Judged != test.judged || c.Failed != test.failed) {
					t.Errorf("%d judged, %d failed, want %d, %d", c.Judged, c.Failed, test.judged, test.failed)
				} else if test.judged < 0 && (c.Judged < 5 || c.Judged > 40 || c.Failed == 0) {
					t.Errorf("%d judged, %d failed, want about 20, and some of them", c.Judged, c.Failed)
				}
				if test.code != 0 && !strings.Contains(l.Checks.Examples[0], "a.yaml:5:120: message.reply: want ") {
					t.Errorf("examples %q, want the place of the expectation", l.Checks.Examples)
				}
			})
		}
	}
}

func TestLoadIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := loadOf(t, func(s fakeStream) error {
			if time.Since(start) > 3*time.Second {
				return status.Error(codes.Internal, "")
			}
			return echo(s)
		}, twoSteps+"load: {step: one, arrival: {constant: 100/s}, duration: 1m, abort_on: ['error_rate > 10% for 2s']}")
		l := r.Loads[0]
		if !strings.HasPrefix(l.Aborted, "after 5 s: error_rate > 10% for 2s") || r.ExitCode != 4 || l.Sent > 502 {
			t.Errorf("aborted %q after %d calls, exit code %d", l.Aborted, l.Sent, r.ExitCode)
		}
	})
}

// TestLoadOfSessions: each session greets by a name that it was given.
func TestLoadOfSessions(t *testing.T) {
	const file = `
steps:
  - id: first
    call: HelloService/SayHello
    send: {greeting: "name"}
    save: {name: msg.reply}
  - id: second
    repeat: 2
    call: HelloService/LotsOfReplies
    send: {greeting: "I am ${name}"}
    expect: {count: 1, each: ['msg.reply == "I am " + name']}
load: {session: true, arrival: {constant: 10/s}, requests: 20}
`
	names := func(limit int) fakeServer {
		var mu sync.Mutex // guards n
		n := 0
		return func(s fakeStream) error {
			greeting, err := s.recv()
			if err != nil {
				return nil
			}
			s.wait(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if greeting == "name" {
				n++
				greeting = fmt.Sprint("caller ", n)
			}
			if n > limit {
				greeting = "nobody"
			}
			s.send(greeting)
			return nil
		}
	}
	bubble(t, "all is well", func(t *testing.T) {
		r := loadOf(t, names(100), file)
		l := r.Loads[0]
		if l.Kind != "session" || l.Statuses["OK"] != 20 || r.ExitCode != 0 || l.Response.Max != 30 {
			t.Errorf("load %+v, exit code %d, want 20 sessions of three calls of 10 ms", l, r.ExitCode)
		}
		if len(l.Methods) != 2 || l.Methods[0].Method != "HelloService/LotsOfReplies" || l.Methods[0].Sent != 40 || l.Methods[1].Sent != 20 || l.Methods[1].Response.Max != 10 {
			t.Errorf("methods %+v, want 40 and 20 calls of 10 ms", l.Methods)
		}
	})
	bubble(t, "a session ends at the step that fails", func(t *testing.T) {
		l := loadOf(t, names(11), file).Loads[0] // the first call of all is that of the steps themselves
		if l.Statuses["OK"] != 10 || l.Statuses["UNKNOWN"] != 10 || l.Methods[0].Sent != 30 {
			t.Errorf("statuses %v, %d calls of the second step; want 10 of each, 30", l.Statuses, l.Methods[0].Sent)
		}
		last := l.Calls[len(l.Calls)-1]
		if last.Why != "failed" || !strings.Contains(last.StatusText, "step second: a.yaml:") {
			t.Errorf("example %+v, want the step and the place", last)
		}
	})
}

// TestLoadOfRoundTrips: a server answers in the opposite order, 10 ms apart: the
// last message first.
func TestLoadOfRoundTrips(t *testing.T) {
	for _, via := range []string{"channel", "wire"} {
		bubble(t, via, func(t *testing.T) {
			backwards := func(s fakeStream) error {
				var all []string
				for greeting, err := s.recv(); err == nil; greeting, err = s.recv() {
					all = append(all, greeting)
				}
				for _, greeting := range slices.Backward(all) {
					s.wait(10 * time.Millisecond)
					s.send("to " + greeting)
				}
				return nil
			}
			l := loadOf(t, backwards, fmt.Sprintf(`
steps:
  - {id: talk, skip: as load only, call: HelloService/BidiHello, send: [{greeting: a}, {greeting: b}, {greeting: c}]}
load: {step: talk, round_trip: {sent: '"to " + msg.greeting', received: msg.reply}, transport: %s, arrival: {constant: 10/s}, requests: 20}`, via)).Loads[0]
			if trip := l.Stream.RoundTrip; trip == nil || trip.Count != 60 || trip.Min != 10 || trip.Max != 30 {
				t.Errorf("round trips %+v, want 60 of 10 to 30 ms", trip)
			}
		})
	}
}
