package runner_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/report"
	"touchstone/loadgen/runner"
)

// counter is a server that counts greetings.
type counter struct {
	mu   sync.Mutex // guards seen
	seen map[string]int
}

func (c *counter) serve(s fakeStream) error {
	for {
		greeting, err := s.recv()
		if err != nil {
			return nil
		}
		c.mu.Lock()
		c.seen[greeting]++
		c.mu.Unlock()
		s.send(greeting)
	}
}

// loadFile is a scenario of one step and one load of it.
func loadFile(step, load string) string {
	return fmt.Sprintf("version: 1\nsteps:\n  - {id: s, %s}\nload: {step: s, %s}", step, load)
}

func TestLoads(t *testing.T) {
	for _, test := range []struct {
		name, step, load string
		kinds            int // different greetings, those of the step's own call included
		want             report.Load
	}{
		{"a call that is always the same is encoded once",
			`call: HelloService/SayHello, send: {greeting: a}`, `arrival: {constant: 10/s}, requests: 30`, 1,
			report.Load{Kind: "unary", Arrival: "constant 10/s", OfferedRPS: 10, Sent: 30}},
		{"a call that differs does so for each",
			`repeat: 2, call: HelloService/SayHello, send: {greeting: "n ${i}"}`, `arrival: {constant: 10/s}, requests: 30`, 30,
			report.Load{Kind: "unary", Arrival: "constant 10/s", OfferedRPS: 10, Sent: 30}},
		{"a closed loop", `call: HelloService/LotsOfReplies, send: {greeting: a}`, `arrival: {closed: 4}, requests: 30`, 1,
			report.Load{Kind: "server_stream", Arrival: "closed 4", Sent: 30}},
		{"a conversation takes turns",
			`call: HelloService/BidiHello, script: [{repeat: 3, do: [{send: {greeting: "n ${i}"}}, {recv: {reply: "*"}}]}]`,
			`arrival: {poisson: 10/s}, requests: 30, connections: 3`, 3,
			report.Load{Kind: "bidi_stream", Arrival: "poisson 10/s", OfferedRPS: 10, Sent: 30}},
	} {
		bubble(t, test.name, func(t *testing.T) {
			c := &counter{seen: map[string]int{}}
			r := runWith(t, t.Context(), c.serve, runner.Config{}, loadFile(test.step, test.load))
			checkStatuses(t, r, "passed")
			if len(r.Loads) != 1 {
				t.Fatalf("%d loads, want 1", len(r.Loads))
			}
			got := r.Loads[0]
			if got.Name != "s" || got.Kind != test.want.Kind || got.Arrival != test.want.Arrival ||
				got.Sent != test.want.Sent || got.Statuses["OK"] != test.want.Sent {
				t.Errorf("load %+v, want %+v", got, test.want)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.seen) != test.kinds {
				t.Errorf("%d different greetings, want %d", len(c.seen), test.kinds)
			}
		})
	}
}

func TestLoadThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(s fakeStream) error { s.wait(20 * time.Millisecond); return echo(s) }
		r := runWith(t, t.Context(), slow, runner.Config{}, loadFile(`call: HelloService/SayHello, send: {greeting: a}`,
			`arrival: {constant: 100/s}, requests: 400, thresholds: ['response.p99 < 30ms', 'response.min < 10ms']`))
		var got []string
		for _, one := range r.Thresholds {
			got = append(got, fmt.Sprintf("%s %v", one.Expression, one.Passed))
		}
		if want := []string{"response.p99 < 30ms true", "response.min < 10ms false"}; !slices.Equal(got, want) {
			t.Errorf("thresholds %q, want %q", got, want)
		}
		if r.ExitCode != 4 {
			t.Errorf("exit code %d, want 4", r.ExitCode)
		}
	})
}

func TestLoadOfRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{seen: map[string]int{}}
		runWith(t, t.Context(), c.serve, runner.Config{}, "data: {file: rows.jsonl}\n"+
			loadFile(`skip: as load only, call: HelloService/SayHello, send: {greeting: "${row.who}"}`, `arrival: {constant: 10/s}, requests: 40`))
		c.mu.Lock()
		defer c.mu.Unlock()
		if want := map[string]int{"ada": 14, "grace": 13, "edsger": 13}; !maps.Equal(c.seen, want) {
			t.Errorf("greetings %v, want %v", c.seen, want)
		}
	})
}

func TestLoadIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5050*time.Millisecond)
		defer cancel()
		r := runWith(t, ctx, echo, runner.Config{},
			loadFile(`call: HelloService/SayHello, send: {greeting: a}`, `arrival: {constant: 10/s}, duration: 1h, thresholds: ['sent > 99']`), good)
		checkStatuses(t, r, "skipped: interrupted", "skipped: interrupted")
		if len(r.Loads) != 1 || r.Loads[0].Sent != 51 || len(r.Thresholds) != 0 {
			t.Errorf("loads %+v, thresholds %v, want one load of 51 calls, and nothing judged", r.Loads, r.Thresholds)
		}
	})
}

func TestLoadsThatAreNotRun(t *testing.T) {
	file := loadFile(`call: HelloService/SayHello, send: {greeting: a}`, `arrival: {constant: 10/s}, requests: 3`)
	bubble(t, "when a step failed", func(t *testing.T) {
		down := func(fakeStream) error { return status.Error(codes.Internal, "") }
		r := runWith(t, t.Context(), down, runner.Config{}, file)
		checkStatuses(t, r, "failed: its loads were not run, since a step failed")
		if len(r.Loads) != 0 {
			t.Errorf("loads %+v, want none", r.Loads)
		}
	})
	bubble(t, "when nobody wants them", func(t *testing.T) {
		if r := runWith(t, t.Context(), echo, runner.Config{Loads: runner.NoLoads}, file); len(r.Loads) != 0 {
			t.Errorf("loads %+v, want none", r.Loads)
		}
	})
}
