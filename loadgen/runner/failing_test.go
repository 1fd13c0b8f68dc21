package runner_test

import (
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// failing are scripts that fail, by the check that has to find out.
var failing = []scriptTest{
	{
		name:  "a value is wrong",
		serve: echo,
		steps: `
  - call: HelloService/SayHello
    send: {greeting: hello}
    expect: {message: {reply: goodbye}}`,
		want: []string{`5:31 message.reply | "goodbye" | "hello" | `},
	},
	{
		name:  "the status is wrong: nothing is said of the message that cannot be there",
		serve: func(fakeStream) error { return status.Error(codes.NotFound, "gone") },
		steps: `
  - call: HelloService/SayHello
    expect: {message: {reply: hello}}`,
		want: []string{`4:13 status | OK | NOT_FOUND: gone | `},
	},
	{
		name: "answers come out of order",
		serve: func(s fakeStream) error {
			a, _ := s.recv()
			b, _ := s.recv()
			s.send(b, a)
			return nil
		},
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - send: {greeting: b}
      - recv: {reply: a}
      - recv: {reply: b}
      - half_close: {}
      - end: {}`,
		want: []string{`7:23 message[0].reply | "a" | "b" | `},
	},
	{
		name: "half-close is not heard: the guard ends it and names both ends",
		serve: func(s fakeStream) error {
			greeting, _ := s.recv()
			s.send(greeting)
			return s.hang()
		},
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - recv: {reply: a}
      - half_close: {}
      - end: {}`,
		took: 10 * time.Second,
		want: []string{`8:9 end | the call ends within 10s | it goes on | ` +
			`stuck for 10s at a.yaml:8:9: sent 1, received 1, half-closed, the last message after 0s: {"reply":"a"}`},
	},
	{
		name:  "a stuck recv names both ends",
		serve: func(s fakeStream) error { s.wait(2 * time.Second); s.send("one"); return s.hang() },
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - send: {greeting: b}
      - recv: {reply: one}
      - recv: {reply: two}
      - end: {}`,
		took: 12 * time.Second,
		want: []string{`8:9 recv | a message within 10s | nothing | ` +
			`stuck for 10s at a.yaml:8:9: sent 2, received 1, not half-closed, the last message after 2s: {"reply":"one"}`},
	},
	{
		name:  "a message does not come within its time",
		serve: func(s fakeStream) error { s.wait(time.Second); return echo(s) },
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - recv: {reply: a}
        within: 200ms
      - end: {}`,
		took: 200 * time.Millisecond,
		want: []string{`6:9 recv | a message within 200ms | nothing | ` +
			`stuck for 200ms at a.yaml:6:9: sent 1, received 0, not half-closed, no message yet`},
	},
	{
		name:  "the deadline is not kept",
		serve: fakeStream.hang,
		steps: `
  - call: HelloService/SayHello
    timeout: 300ms`,
		took: 300 * time.Millisecond,
		want: []string{`3:5 status | OK | DEADLINE_EXCEEDED: * | `},
	},
	{
		name:  "one message too many on a stream",
		serve: replies("a", "b", "c"),
		steps: `
  - call: HelloService/LotsOfReplies
    send: {greeting: x}
    expect: {count: 2}`,
		want: []string{`5:21 count | 2 | 3 | `},
	},
	{
		name:  "messages that a script did not take are counted, and the first is shown",
		serve: replies("a", "b", "c"),
		steps: `
  - call: HelloService/LotsOfReplies
    script:
      - send: {greeting: x}
      - recv: {reply: a}
      - end: {}`,
		want: []string{`7:9 messages | 1 | 2 more | want 1 messages, got 2 more; the first of them: {"reply":"b"}`},
	},
	{
		name:  "one message too many of a method that answers once",
		serve: replies("a", "a"),
		steps: `
  - call: HelloService/SayHello
    send: {greeting: x}
    expect: {message: {reply: a}}`,
		want: []string{`5:13 messages | 1 | 2 | HelloService/SayHello ended OK with 2 messages: it answers with exactly one`},
	},
	{
		name:  "no message of a method that answers once",
		serve: replies(),
		steps: `
  - call: HelloService/SayHello
    send: {greeting: x}
    expect: {message: {reply: a}}`,
		want: []string{`5:13 messages | 1 | 0 | *`},
	},
	{
		name: "a stream that never ends",
		serve: func(s fakeStream) error {
			for s.Context().Err() == nil {
				s.send("more")
				s.wait(time.Second)
			}
			return nil
		},
		steps: `
  - call: HelloService/LotsOfReplies
    send: {greeting: x}
    expect: {within: 2500ms}`,
		took: 2500 * time.Millisecond,
		want: []string{`5:13 recv_all | the end of the stream within 2.5s | it goes on | ` +
			`stuck for 2.5s at a.yaml:5:13: sent 1, received 3, half-closed, the last message after 2s: {"reply":"more"}`},
	},
	{
		name: "the call ends early with OK",
		serve: func(s fakeStream) error {
			greeting, _ := s.recv()
			s.send(greeting)
			return nil
		},
		steps: `
  - call: HelloService/BidiHello
    script:
      - repeat: 3
        do:
          - send: {greeting: "no ${i}"}
          - recv: {reply: "no ${i}"}
      - half_close: {}
      - end: {}`,
		want: []string{`8:13 recv | a message | the end of the call with OK | ` +
			`want a message, got the end of the call with OK; sent *, received 1, not half-closed, the last message after 0s: {"reply":"no 0"}`},
	},
	{
		name: "the call ends early with an error, which is what is told",
		serve: func(s fakeStream) error {
			greeting, _ := s.recv()
			s.send(greeting)
			return status.Error(codes.Internal, "oops")
		},
		steps: `
  - call: HelloService/BidiHello
    script:
      - send: {greeting: a}
      - recv: {reply: a}
      - recv: {reply: b}
      - half_close: {}
      - end: {status: OK}`,
		want: []string{`9:23 status | OK | INTERNAL: oops | `},
	},
	{
		name:  "the end comes too early with just the status that is expected",
		serve: func(fakeStream) error { return status.Error(codes.Aborted, "") },
		steps: `
  - call: HelloService/BidiHello
    script:
      - recv: {reply: a}
      - end: {status: ABORTED}`,
		want: []string{`5:9 recv | a message | the end of the call with ABORTED | *`},
	},
	{
		name: "the trailer is wrong",
		serve: func(s fakeStream) error {
			s.SetTrailer(metadata.Pairs("x-messages", "2"))
			s.send("a")
			return nil
		},
		steps: `
  - call: HelloService/LotsOfReplies
    send: {greeting: x}
    expect: {count: 1, trailer: {x-messages: "3"}}`,
		want: []string{`5:46 trailer.x-messages | "3" | "2" | `},
	},
	{
		name:  "a message where there should be none",
		serve: func(s fakeStream) error { s.wait(40 * time.Millisecond); s.send("psst"); return s.hang() },
		steps: `
  - call: HelloService/BidiHello
    script:
      - recv_none: {for: 50ms}
      - end: {}`,
		took: 40 * time.Millisecond,
		want: []string{`5:9 recv_none | no message for 50ms | {"reply":"psst"} | a message came 40ms after the start of the call: {"reply":"psst"}`},
	},
	{
		name:  "the message waited for is not among the first",
		serve: replies("a", "b", "c"),
		steps: `
  - call: HelloService/LotsOfReplies
    script:
      - send: {greeting: x}
      - recv_until: msg.reply == "c"
        max: 2
      - end: {}`,
		want: []string{`6:9 recv_until | the message waited for among 2 | none of them is it | ` +
			`took 2 messages without finding the one waited for; the last: {"reply":"b"}`},
	},
	{
		name:  "the first message is late, by its arrival",
		serve: func(s fakeStream) error { s.wait(80 * time.Millisecond); s.send("a"); return nil },
		steps: `
  - call: HelloService/LotsOfReplies
    send: {greeting: x}
    expect: {first_within: 50ms}`,
		took: 80 * time.Millisecond,
		want: []string{`5:13 first_within | 50ms | 80ms | the first message came 80ms after the start of the call, later than 50ms`},
	},
	{
		name:  "a server that does not read blocks a send, not us",
		serve: fakeStream.hang,
		steps: `
  - call: HelloService/LotsOfGreetings
    script:
      - send: {greeting: "` + strings.Repeat("x", 1000000) + `"}
      - send: {greeting: "` + strings.Repeat("y", 1000000) + `"}
      - half_close: {}
      - end: {}`,
		took: 10 * time.Second,
		want: []string{`6:9 send | the message is sent within 10s | flow control holds it back: the server does not read its 1000004 bytes | ` +
			`stuck for 10s at a.yaml:6:9: sent 1, received 0, not half-closed, no message yet`},
	},
	{
		name:  "a message that is none of its type",
		serve: garbage,
		steps: `
  - call: HelloService/SayHello
    send: {greeting: x}`,
		want: []string{`3:5 message | a message of type HelloResponse | 3 bytes that are none | message 1 cannot be decoded: *`},
	},
	{
		name:  "a value cannot be worked out",
		serve: echo,
		steps: `
  - call: HelloService/SayHello
    metadata: {x-n: "${1 / int(env.NOTHING)}"}
    send: {greeting: x}`,
		want: []string{`4:* metadata |  |  | *NOTHING*`},
	},
}
