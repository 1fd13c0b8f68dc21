package replay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
)

// A value that an answer has first, and that comes back to the server, is saved
// and used by name; what was redacted, and calls without an end, are noted.
func TestToScenarioSavesWhatComesBack(t *testing.T) {
	r := newTape(t)
	r.add(1, start(0, "HelloService/SayHello"), send(0, "Ada"), halfClose(0), recv(1, `{"id":"session-00042","n":[7]}`), ended(2))
	second := start(3, "HelloService/SayHello")
	second.Metadata = fixture.Metadata{{Name: "x-session", Value: "Bearer session-00042"}, {Name: "authorization", Value: "redacted-abcdefghabcdefgh"}}
	r.add(2, second, send(3, "session-00042"), halfClose(3), recv(4, "session-00042"), ended(5))
	r.add(3, start(6, "HelloService/BidiHello"), send(6, "chosen-by-client-1"), recv(6, "made-by-server-22"), send(7, "made-by-server-22"),
		recv(7, "chosen-by-client-1"), halfClose(8), ended(8))
	r.add(4, start(9, "HelloService/BidiHello"), send(9, "made-by-server-22"), halfClose(9), ended(9))
	r.add(5, start(10, "HelloService/SayHello"))
	file, err := fixture.Open(r.close())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := replay.ToScenario("made", file, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := `version: 1
name: made
tags: [recorded]
steps:
  - id: say-hello-1
    call: HelloService/SayHello
    send: {greeting: Ada}
    expect: {status: OK, message: {reply: {$json: {id: "*", "n": [7]}}}}
    save:
      id: "json(msg.reply).id"
  - id: say-hello-2
    call: HelloService/SayHello
    metadata: {x-session: "Bearer ${id}"}
    send: {greeting: "${id}"}
    expect: {status: OK, message: {reply: "${id}"}}
  - id: bidi-hello-1
    call: HelloService/BidiHello
    script:
      - send: {greeting: chosen-by-client-1}
      - recv: {reply: "*"}
        save: {reply: msg.reply}
      - send: {greeting: "${reply}"}
      - recv: {reply: chosen-by-client-1}
      - half_close
      - end: {status: OK}
  - id: bidi-hello-2
    call: HelloService/BidiHello
    script:
      - send: {greeting: "${reply}"}
      - half_close
      - end: {status: OK}
`
	if diff := cmp.Diff(want, string(got.Text)); diff != "" {
		t.Errorf("scenario (-want +got):\n%s", diff)
	}
	notes := []string{"call 5 has no end in the recording, and is left out", "call 2: metadata authorization was redacted: add it with -H"}
	if !slices.Equal(got.Notes, notes) || got.Steps != 4 {
		t.Errorf("%d steps, notes %q, want 4 and %q", got.Steps, got.Notes, notes)
	}
}

// The starts of a recording are a schedule for load; they begin at once.
func TestTrace(t *testing.T) {
	r := newTape(t)
	for i, at := range []time.Duration{5000 * ms, 5100 * ms, 5100 * ms, 9400 * ms} {
		r.unary(uint64(i+1), at)
	}
	r.add(5, start(9500*ms, "HelloService/BidiHello"), ended(9600*ms))
	file, err := fixture.Open(r.close())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := replay.Trace(file, func(method string) bool { return method == "HelloService/SayHello" })
	if want := []time.Duration{0, 100 * ms, 100 * ms, 4400 * ms}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Trace = %v, %v, want %v", got, err, want)
	}
}
