package runner_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/report"
)

// scriptTest runs one step against a server in memory. Without want it passes;
// else the step fails with exactly these findings, written as "line:col field
// | want | got | message", in which "*" stands for anything.
type scriptTest struct {
	name  string
	serve fakeServer
	steps string
	took  time.Duration // exact, in fake time
	want  []string
}

// passing are scripts that pass: one for each operation and each kind.
var passing = []scriptTest{
	{
		name:  "unary: one message there, one back",
		serve: echo,
		steps: `
  - call: HelloService/SayHello
    send: {greeting: hello}
    expect: {message: {reply: hello}, trailer: {x-last: hello}}`,
	},
	{
		name:  "server stream: every message is checked",
		serve: replies("a", "b", "c"),
		steps: `
  - call: HelloService/LotsOfReplies
    send: {greeting: hello}
    expect: {count: 3, each: ['msg.reply == ["a", "b", "c"][index]']}`,
	},
	{
		name:  "client stream: repeats are spelt out",
		serve: countGreetings,
		steps: `
  - call: HelloService/LotsOfGreetings
    send:
      - {greeting: first}
      - repeat: 64
        message: {greeting: "no ${i}"}
    expect: {message: {reply: "65 greetings, the last no 63"}}`,
	},
	{
		name:  "bidi: every operation of a script in turn",
		serve: func(s fakeStream) error { s.wait(time.Second); return echo(s) },
		steps: `
  - call: HelloService/BidiHello
    script:
      - recv_none: {for: 400ms}
      - send: {greeting: a}
      - recv: {reply: a}
        within: 700ms
      - repeat: 3
        do:
          - send: {greeting: "n ${i}"}
      - recv_until: 'msg.reply == "n 1"'
        max: 2
      - sleep: 250ms
      - half_close: {}
      - recv_all: {count: 1, each: ['msg.reply == "n 2"']}
      - end: {status: OK, trailer: {x-last: n 2}}`,
		took: 1250 * time.Millisecond,
	},
	{
		name:  "an error is a status like any other, with its details",
		serve: func(fakeStream) error { return status.Error(codes.NotFound, "no such room") },
		steps: `
  - call: HelloService/SayHello
    expect: {status: NOT_FOUND, status_message: no such room}`,
	},
	{
		name:  "cancel before anything is sent",
		serve: fakeStream.hang,
		steps: `
  - call: HelloService/LotsOfGreetings
    script:
      - cancel: {}
      - end: {status: CANCELLED}`,
	},
	{
		name: "cancel in the middle: what was on its way is no failure",
		serve: func(s fakeStream) error {
			s.send("a", "b", "c")
			return s.hang()
		},
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: x}
      - recv: {reply: a}
      - sleep: 10ms
      - cancel
      - end: {status: CANCELLED}`,
		took: 10 * time.Millisecond,
	},
	{
		name:  "the timeout of a step is the deadline of the call",
		serve: fakeStream.hang,
		steps: `
  - call: HelloService/SayHello
    timeout: 300ms
    expect: {status: DEADLINE_EXCEEDED}`,
		took: 300 * time.Millisecond,
	},
	{
		name: "the server learns of the deadline",
		serve: func(s fakeStream) error {
			deadline, ok := s.Context().Deadline()
			if left := time.Until(deadline).Round(time.Millisecond); !ok || left != 2*time.Second {
				return status.Errorf(codes.Aborted, "%v left, %v", left, ok)
			}
			return echo(s)
		},
		steps: `
  - call: HelloService/SayHello
    timeout: 2s
    send: {greeting: x}`,
	},
	{
		name: "the server learns of no guard",
		serve: func(s fakeStream) error {
			if _, ok := s.Context().Deadline(); ok {
				return status.Error(codes.Aborted, "there is a deadline")
			}
			return echo(s)
		},
		steps: `
  - call: HelloService/SayHello
    send: {greeting: x}`,
	},
	{
		name:  "what comes while the script sleeps is on time",
		serve: func(s fakeStream) error { s.wait(30 * time.Millisecond); return echo(s) },
		steps: `
  - call: HelloService/LotsOfReplies
    script:
      - send: {greeting: a}
      - sleep: 1s
      - recv_all: {count: 1, first_within: 30ms}
      - end: {}`,
		took: time.Second,
	},
	{
		name:  "a server that fails before it has heard everything is judged by its status",
		serve: func(fakeStream) error { return status.Error(codes.PermissionDenied, "who are you") },
		steps: `
  - call: HelloService/LotsOfGreetings
    script:
      - send: {greeting: a}
      - sleep: 1ms
      - send: {greeting: b}
      - half_close: {}
      - end: {status: PERMISSION_DENIED}`,
		took: time.Millisecond,
	},
	{
		name: "metadata goes there and comes back",
		serve: func(s fakeStream) error {
			md, _ := metadata.FromIncomingContext(s.Context())
			s.SetHeader(metadata.Pairs("x-header", md.Get("x-token")[0]))
			s.SetTrailer(metadata.Pairs("x-trailer-bin", md.Get("x-binary-bin")[0]))
			return echo(s)
		},
		steps: `
  - call: HelloService/SayHello
    metadata: {x-token: secret, x-binary-bin: q6ur}
    send: {greeting: x}
    expect: {header: {x-header: secret}, trailer: {x-trailer-bin: q6ur}}`,
	},
}

func TestScripts(t *testing.T) {
	for _, test := range append(passing, failing...) {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got := run(t, test.serve, strings.TrimPrefix(test.steps, "\n"))
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				checkFindings(t, got, test.want)
			})
		})
	}
}

// checkFindings compares the failures of a scenario of one step.
func checkFindings(t *testing.T, got report.Scenario, want []string) {
	t.Helper()
	wantStatus := report.Passed
	if len(want) > 0 {
		wantStatus = report.Failed
	}
	if got.Status != wantStatus {
		t.Errorf("the scenario %s (%s), want %s", got.Status, got.Reason, wantStatus)
	}
	failures := got.Steps[0].Failures
	for i := range max(len(failures), len(want)) {
		switch {
		case i >= len(failures):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("unexpected: %s", text(failures[i]))
		case !matches(want[i], text(failures[i])):
			t.Errorf("finding %d is\n\t%s\nwant\n\t%s", i, text(failures[i]), want[i])
		}
	}
}
