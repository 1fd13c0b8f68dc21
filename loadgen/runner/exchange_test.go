package runner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
)

// said returns an exchange in short lines: milliseconds, direction, message.
func said(step report.Step) []string {
	var out []string
	for _, m := range step.Exchange {
		out = append(out, fmt.Sprintf("%g %s %s", m.TMS, m.Direction, m.JSON))
	}
	return out
}

func TestExchangeOfAFailedStep(t *testing.T) {
	bubble(t, "both directions, with their times; a step that passes keeps nothing", func(t *testing.T) {
		slow := func(s fakeStream) error { s.wait(250 * time.Millisecond); return echo(s) }
		r := runWith(t, t.Context(), slow, runner.Config{}, `
version: 1
steps:
  - {id: good, call: HelloService/SayHello, send: {greeting: fine}}
  - id: bad
    call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - recv: {reply: a}
      - sleep: 1s
      - send: {greeting: b}
      - recv: {reply: c}`)
		steps := r.Scenarios[0].Steps
		if len(steps[0].Exchange) > 0 {
			t.Errorf("a step that passed has an exchange: %q", said(steps[0]))
		}
		want := []string{`0 send {"greeting":"a"}`, `250 recv {"reply":"a"}`, `1250 send {"greeting":"b"}`, `1250 recv {"reply":"b"}`}
		if diff := cmp.Diff(want, said(steps[1])); diff != "" {
			t.Errorf("exchange (-want +got):\n%s", diff)
		}
	})
	bubble(t, "of many messages the first and the last are kept, of a long one the beginning, of a huge one the size", func(t *testing.T) {
		var words []string
		for i := range 100 {
			words = append(words, fmt.Sprint(i))
		}
		words[0], words[1] = strings.Repeat("x", 3000), strings.Repeat("x", 70<<10)
		r := runWith(t, t.Context(), replies(words...), runner.Config{}, `
version: 1
steps:
  - {call: HelloService/LotsOfReplies, send: {greeting: a}, expect: {count: 1}}`)
		got := said(r.Scenarios[0].Steps[0])
		if len(got) != 31 {
			t.Fatalf("%d lines, want 20, a gap and 10: %q", len(got), got)
		}
		for i, want := range map[int]string{
			0: `0 send {"greeting":"a"}`, 2: `0 recv a message of 71684 bytes`, 19: `0 recv {"reply":"18"}`,
			20: `0 skip 71 messages left out`, 21: `0 recv {"reply":"90"}`, 30: `0 recv {"reply":"99"}`,
		} {
			if got[i] != want {
				t.Errorf("line %d is %q, want %q", i, got[i], want)
			}
		}
		if len(got[1]) > 2100 || !strings.HasSuffix(got[1], "... (3012 bytes)") {
			t.Errorf("the long message takes %d bytes and ends in %q", len(got[1]), got[1][len(got[1])-30:])
		}
	})
}

func TestWhatItTakesToReproduce(t *testing.T) {
	for _, test := range []struct {
		name, step string
		alone      bool
		messages   []string
	}{
		{"a unary call", `{call: HelloService/SayHello, send: {greeting: a}, expect: {message: {reply: b}}}`, true, []string{`{"greeting":"a"}`}},
		{"the empty message is one", `{call: HelloService/SayHello, expect: {message: {reply: b}}}`, true, []string{`{}`}},
		{"a stream that is sent as a whole", `{call: HelloService/BidiHello, send: [{greeting: a}, {repeat: 2, message: {greeting: "${i}"}}], expect: {count: 9}}`,
			true, []string{`{"greeting":"a"}`, `{"greeting":"0"}`, `{"greeting":"1"}`}},
		{"more messages than are kept are built again", `{call: HelloService/LotsOfGreetings, send: [{repeat: 40, message: {}}], expect: {message: {reply: b}}}`,
			true, slicesOf(40, "{}")},
		{"a value of the environment is named, not told", `{call: HelloService/SayHello, send: {greeting: "my ${env.PASSWORD}"}, expect: {message: {reply: b}}}`,
			true, []string{`{"greeting":"my ${env.PASSWORD}"}`}},
		{"turns cannot be had from one command", `{call: HelloService/BidiHello, script: [{send: {}}, {recv: {}}, {send: {}}, {recv: {reply: b}}]}`, false, nil},
		{"nor can turns within a repeat", `{call: HelloService/BidiHello, script: [{repeat: 2, do: [{send: {}}, {recv: {reply: b}}]}]}`, false, nil},
		{"nor a cancelled call", `{call: HelloService/BidiHello, cancel: after_begin, expect: {status: OK}}`, false, nil},
		{"nor a long message", `{call: HelloService/SayHello, send: {greeting: "${base64(bytes(5000))}"}, expect: {message: {reply: b}}}`, false, nil},
	} {
		bubble(t, test.name, func(t *testing.T) {
			var failed []runner.Failed
			cfg := runner.Config{
				Env: func(string) (string, bool) { return "s3cret words", true },
				Reproduce: func(f runner.Failed) (string, string) {
					failed = append(failed, f)
					return "ours", "theirs"
				},
			}
			r := runWith(t, t.Context(), echo, cfg, "version: 1\nmetadata: {x-password: \"${env.PASSWORD}\"}\nsteps:\n  - "+test.step)
			step := r.Scenarios[0].Steps[0]
			if len(failed) != 1 || step.Reproduce != "ours" || step.Grpcurl != "theirs" {
				t.Fatalf("asked for %d commands, got %q and %q", len(failed), step.Reproduce, step.Grpcurl)
			}
			if diff := cmp.Diff(test.messages, failed[0].Messages); diff != "" || failed[0].Alone != test.alone {
				t.Errorf("alone %v, want %v; messages (-want +got):\n%s", failed[0].Alone, test.alone, diff)
			}
			if diff := cmp.Diff(metadata.Pairs("x-password", "${env.PASSWORD}"), failed[0].Metadata); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			if text := fmt.Sprint(step); strings.Contains(text, "s3cret") {
				t.Errorf("the report tells a secret: %s", text)
			}
		})
	}
}

func slicesOf(n int, s string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}
