package runner_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
	"touchstone/proto/hello"
)

// bubble runs a test in fake time. Goroutines that are left behind fail it.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestLargeMessages(t *testing.T) {
	const size = 100 << 20
	bubble(t, "100 MiB there and back", func(t *testing.T) {
		cfg := runner.Config{Env: func(string) (string, bool) { return strings.Repeat("x", size), true }}
		mirror := func(s fakeStream) error {
			greeting, _ := s.recv()
			s.send(greeting)
			return nil
		}
		r := runWith(t, t.Context(), mirror, cfg, `
version: 1
steps:
  - call: HelloService/SayHello
    send: {greeting: "${env.BIG}"}
    expect: {assert: [size(msg.reply) == 104857600]}`)
		checkFindings(t, r.Scenarios[0], nil)
	})
	bubble(t, "a message beyond the client's limit is the client's error, and told as that", func(t *testing.T) {
		r := runWith(t, t.Context(), replies(strings.Repeat("x", 201<<20)), runner.Config{}, `
version: 1
steps:
  - call: HelloService/SayHello
    send: {greeting: x}`)
		checkFindings(t, r.Scenarios[0], []string{`4:5 status | OK | RESOURCE_EXHAUSTED: *larger than max* | `})
	})
}

// statuses returns what came of each scenario, with the reason.
func statuses(r *report.Report) []string {
	var out []string
	for _, s := range r.Scenarios {
		text := string(s.Status)
		if s.Reason != "" {
			text += ": " + s.Reason
		}
		out = append(out, text)
	}
	return out
}

func checkStatuses(t *testing.T, r *report.Report, want ...string) {
	t.Helper()
	if got := statuses(r); !slices.Equal(got, want) {
		t.Errorf("scenarios end as %q, want %q", got, want)
	}
}

// Texts of scenarios that pass and fail against echo.
const (
	good = "version: 1\ntags: [smoke, fast]\nsteps:\n  - {call: HelloService/SayHello, send: {greeting: a}}"
	bad  = "version: 1\ntags: [slow]\nsteps:\n  - {id: wrong, call: HelloService/SayHello, send: {greeting: a}, expect: {message: {reply: b}}}"
	skip = "version: 1\nskip: not today\nsteps:\n  - {call: HelloService/SayHello, send: {greeting: a}}"
)

func TestSelection(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  runner.Config
		want []string
	}{
		{"all of them, in order", runner.Config{}, []string{"passed", "failed", "skipped: not today"}},
		{"one tag", runner.Config{Tags: []string{"smoke"}}, []string{"passed"}},
		{"either of two tags", runner.Config{Tags: []string{"slow", "fast"}}, []string{"passed", "failed"}},
		{"all but a tag", runner.Config{Tags: []string{"!slow"}}, []string{"passed", "skipped: not today"}},
		{"a tag but not another", runner.Config{Tags: []string{"smoke", "!fast"}}, nil},
		{"by file", runner.Config{Run: regexp.MustCompile(`^b\.yaml$`)}, []string{"failed"}},
		{"the first failure ends it", runner.Config{FailFast: true}, []string{"passed", "failed", "skipped: a scenario before it failed"}},
		{"only those with loads", runner.Config{Loads: runner.OnlyLoads}, nil},
	} {
		bubble(t, test.name, func(t *testing.T) {
			checkStatuses(t, runWith(t, t.Context(), echo, test.cfg, good, bad, skip), test.want...)
		})
	}
}

func TestSteps(t *testing.T) {
	bubble(t, "later steps run after a failure, and captures reach them", func(t *testing.T) {
		r := runWith(t, t.Context(), echo, runner.Config{}, `
version: 1
steps:
  - {id: first, call: HelloService/SayHello, send: {greeting: a}, save: {word: msg.reply}}
  - {id: second, call: HelloService/SayHello, send: {greeting: b}, expect: {message: {reply: c}}}
  - {id: third, call: HelloService/SayHello, send: {greeting: "${word}!"}, expect: {message: {reply: a!}}}
  - {id: fourth, skip: too slow, call: HelloService/SayHello}`)
		checkSteps(t, r.Scenarios[0], "first OK", "second OK 1 failed", "third OK", "fourth not run: too slow")
	})
	bubble(t, "a step whose capture was never saved does not run", func(t *testing.T) {
		r := runWith(t, t.Context(), echo, runner.Config{}, `
version: 1
steps:
  - {id: login, call: HelloService/SayHello, send: {greeting: a}, expect: {message: {reply: b}}, save: {token: msg.reply}}
  - {id: use, call: HelloService/SayHello, send: {greeting: "${token}"}}
  - {id: header, call: HelloService/SayHello, send: {greeting: x}, metadata: {x-token: "${token}"}}
  - {id: expect, call: HelloService/SayHello, send: {greeting: x}, expect: {message: {reply: "${token}"}}}
  - {id: other, call: HelloService/SayHello, send: {greeting: c}}`)
		const skipped = ` not run: it needs "token", which no step has saved`
		checkSteps(t, r.Scenarios[0], "login OK 1 failed", "use"+skipped, "header"+skipped, "expect"+skipped, "other OK")
	})
	bubble(t, "a repeated step makes its calls in turn, and stops after ten that fail", func(t *testing.T) {
		r := runWith(t, t.Context(), echo, runner.Config{}, `
version: 1
steps:
  - {id: fine, repeat: 3, call: HelloService/SayHello, send: {greeting: "n ${i}"}, expect: {message: {reply: "n ${i}"}}}
  - {id: odd, repeat: 4, call: HelloService/SayHello, send: {greeting: "n ${i}"}, expect: {assert: ['msg.reply != "n 2"']}}
  - {id: never, repeat: 1000, call: HelloService/SayHello, send: {greeting: a}, expect: {message: {reply: b}}}`)
		steps := r.Scenarios[0].Steps
		checkSteps(t, r.Scenarios[0], "fine OK", "odd OK 1 failed", "never OK 11 failed")
		if got := []int{steps[0].Sent, steps[1].Received, steps[2].Sent}; !slices.Equal(got, []int{3, 4, 10}) {
			t.Errorf("messages: %v, want 3, 4 and 10", got)
		}
		if got := steps[1].Failures[0].Message; !strings.HasPrefix(got, "call 3 of 4: ") {
			t.Errorf("message %q does not name the call", got)
		}
		if got := steps[2].Failures[10].Message; got != "stopped after 10 of 1000 calls, of which 10 failed" {
			t.Errorf("last message %q", got)
		}
	})
}

func TestForEachRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runWith(t, t.Context(), echo, runner.Config{}, `
version: 1
data: {file: rows.jsonl}
steps:
  - id: rows
    for_each: row
    call: HelloService/SayHello
    send: {greeting: "${row.who} ${i}"}
    expect: {assert: ['msg.reply != "grace 1"']}`)
		step := r.Scenarios[0].Steps[0]
		if step.Sent != 3 || len(step.Failures) != 1 || !strings.HasPrefix(step.Failures[0].Message, "call 2 of 3: ") {
			t.Errorf("sent %d, failures %+v, want 3 calls of which the second fails", step.Sent, step.Failures)
		}
	})
}

// checkSteps compares steps as "id STATUS", with the number of failures, or as
// "id not run: reason".
func checkSteps(t *testing.T, s report.Scenario, want ...string) {
	t.Helper()
	var got []string
	for _, step := range s.Steps {
		text := step.ID + " " + step.Status
		if step.Reason != "" {
			text = step.ID + " not run: " + step.Reason
		}
		if n := len(step.Failures); n > 0 {
			text += fmt.Sprintf(" %d failed", n)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps end as %q, want %q", got, want)
	}
}

// flaky fails the first n attempts that it sees, a moment after it has heard
// them out: a client that is still within CloseSend while grpc-go backs off
// waits for a mutex, in which a bubble's time does not pass.
func flaky(n int64) fakeServer {
	var attempts atomic.Int64
	return func(s fakeStream) error {
		greeting, err := s.recv()
		for err == nil {
			_, err = s.recv()
		}
		if attempts.Add(1) <= n {
			s.wait(time.Millisecond)
			return status.Error(codes.Unavailable, "planned")
		}
		s.send(greeting)
		return nil
	}
}

func TestAttempts(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails int64
		step  string
		want  []string
	}{
		{"two fail, then one succeeds", 2, `attempts: {count: 3, backoff: policy, transparent: 0, previous_attempts: [0, 1, 2]}`, nil},
		{"the budget is used up", 99, `expect: {status: UNAVAILABLE}, attempts: {count: 5, backoff: policy}`, nil},
		{"a range of counts", 1, `attempts: {count: 2-3}`, nil},
		{"gaps given in the file", 2, `attempts: {backoff: [100ms, 200ms]}`, nil},
		{"fewer attempts than wanted", 0, `attempts: {count: 3}`,
			[]string{"4:* attempts.count | 3 | 1 | want 3, got 1; the attempts: OK"}},
		{"more attempts than wanted", 1, `attempts: {count: 1}`,
			[]string{"4:* attempts.count | 1 | 2 | want 1, got 2; the attempts: UNAVAILABLE, after * ms OK"}},
		{"gaps of another length", 1, `attempts: {backoff: [300ms]}`,
			[]string{"4:* attempts.backoff[0] | 238ms to 380ms | *ms | *"}},
		{"fewer gaps than wanted", 0, `attempts: {backoff: [300ms]}`,
			[]string{"4:* attempts.backoff | 1 gaps | 0 | *"}},
		{"more gaps than wanted", 1, `attempts: {backoff: []}`,
			[]string{"4:* attempts.backoff[0] | no retry | one | *"}},
		{"no retry was transparent", 1, `attempts: {transparent: 1}`,
			[]string{"4:* attempts.transparent | 1 | 0 | *"}},
		{"previous attempts", 1, `attempts: {previous_attempts: [0, 0]}`,
			[]string{"4:* attempts.previous | [0 0] | [0 1] | *"}},
		{"the call fails, and the attempts tell how", 99, `attempts: {count: 3}`,
			[]string{"4:* status | OK | UNAVAILABLE: *planned | ", "4:* attempts.count | 3 | 5 | *"}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			s := runWith(t, t.Context(), flaky(test.fails), runner.Config{},
				"version: 1\nsteps:\n\n  - {call: HelloService/SayHello, send: {greeting: a}, "+test.step+"}").Scenarios[0]
			checkFindings(t, s, test.want)
			if got, want := int64(len(s.Steps[0].Attempts)), min(test.fails+1, 5); got != want {
				t.Errorf("%d attempts are reported, want %d", got, want)
			}
		})
	}
}

// TestLegalGapsAreReported: a gap that was judged stands beside what it may be,
// others stand alone.
func TestLegalGapsAreReported(t *testing.T) {
	for expect, want := range map[string]string{"backoff: policy": "80-120 160-240", "backoff: [100ms, 200ms]": "80-120 160-240", "count: 3": ""} {
		bubble(t, expect, func(t *testing.T) {
			s := runWith(t, t.Context(), flaky(2), runner.Config{},
				"version: 1\nsteps:\n  - {call: HelloService/SayHello, send: {greeting: a}, attempts: {"+expect+"}}").Scenarios[0]
			var legal []string
			for _, a := range s.Steps[0].Attempts {
				if a.LegalMinMS != nil && a.LegalMaxMS != nil {
					legal = append(legal, fmt.Sprintf("%g-%g", *a.LegalMinMS, *a.LegalMaxMS))
				}
			}
			if got := strings.Join(legal, " "); got != want {
				t.Errorf("legal gaps %q, want %q", got, want)
			}
		})
	}
}

func TestAttemptsAreReportedUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runWith(t, t.Context(), flaky(1), runner.Config{}, `
version: 1
steps:
  - {call: HelloService/SayHello, send: {greeting: a}}
  - {call: HelloService/SayHello, send: {greeting: a}}`)
		steps := r.Scenarios[0].Steps
		if got := []int{len(steps[0].Attempts), len(steps[1].Attempts)}; !slices.Equal(got, []int{2, 0}) {
			t.Errorf("attempts reported: %v, want 2 of the call that needed them, and none of the other", got)
		}
	})
}

func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Not a deadline: that would be the calls' own, and known to the target.
		ctx, cancel := context.WithCancelCause(t.Context())
		defer time.AfterFunc(5*time.Second, func() { cancel(errors.New("enough")) }).Stop()
		slow := func(s fakeStream) error { s.wait(3 * time.Second); return echo(s) }
		r := runWith(t, ctx, slow, runner.Config{}, `
version: 1
steps:
  - {id: first, call: HelloService/SayHello, send: {greeting: a}}
  - {id: second, call: HelloService/SayHello, send: {greeting: a}}
  - {id: third, call: HelloService/SayHello, send: {greeting: a}}`, good)
		checkStatuses(t, r, "skipped: interrupted", "skipped: interrupted")
		checkSteps(t, r.Scenarios[0], "first OK", "second not run: interrupted", "third not run: interrupted")
		if r.DurationMS != 5000 {
			t.Errorf("the run took %v ms, want 5000", r.DurationMS)
		}
	})
}

func TestWhatCannotBeRun(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"a variable that cannot be worked out", "version: 1\nvars: {x: '${env.NOT_THERE_AT_ALL}'}\nsteps:\n  - {call: HelloService/SayHello}",
			"error: a.yaml:2:*environment variable NOT_THERE_AT_ALL is not set*"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			got := statuses(runWith(t, t.Context(), echo, runner.Config{}, test.text))
			if len(got) != 1 || !matches(test.want, got[0]) {
				t.Errorf("scenarios end as %q, want %q", got, test.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := runner.Run(t.Context(), runner.Config{
			Programs: []*scenario.Program{compile(t, "a.yaml", good)},
			Dial: func(context.Context, *scenario.File) (*runner.Target, error) {
				return nil, errors.New("nobody is at home")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		checkStatuses(t, r, "error: connect: nobody is at home")
		if r.ExitCode != 1 {
			t.Errorf("exit code %d, want 1", r.ExitCode)
		}
	})
}

func TestNoConnectionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 10) // which nobody serves
		defer listener.Close()
		target := dialer(t, listener)
		start := time.Now()
		r, err := runner.Run(t.Context(), runner.Config{
			Programs: []*scenario.Program{compile(t, "a.yaml", good)},
			Dial:     func(context.Context, *scenario.File) (*runner.Target, error) { return target, nil },
			Guard:    3 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		checkFindings(t, r.Scenarios[0], []string{
			"4:5 call | the call starts within 3s | no connection for it | stuck for 3s at a.yaml:4:5: sent 0, received 0, not half-closed, no message yet"})
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestEndlessStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := strings.Repeat("x", 1<<20)
		endless := func(s fakeStream) error {
			for s.Context().Err() == nil {
				s.send(big)
			}
			return nil
		}
		r := runWith(t, t.Context(), endless, runner.Config{}, `
version: 1
steps:
  - {call: HelloService/LotsOfReplies, send: {greeting: go}}`)
		checkFindings(t, r.Scenarios[0], []string{
			"4:5 count | a stream that ends | more than 255 messages of 26* bytes | the stream is too long to be checked as a whole"})
	})
}

func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		flood := func(s fakeStream) error {
			s.recv()
			big := strings.Repeat("x", 1<<20)
			for s.Context().Err() == nil {
				if s.SendMsg(&hello.HelloResponse{Reply: big}) != nil {
					break
				}
				sent.Add(1)
			}
			return nil
		}
		r := runWith(t, t.Context(), flood, runner.Config{}, `
version: 1
steps:
  - id: slow
    call: HelloService/LotsOfReplies
    script:
      - send: {greeting: go}
      - sleep: 1h
      - recv: {}
      - cancel
      - end: {status: CANCELLED}`)
		checkFindings(t, r.Scenarios[0], nil)
		if n := sent.Load(); n < 200 || n > 300 {
			t.Errorf("the server could send %d MiB to a script that sleeps, want about 256", n)
		}
	})
}
