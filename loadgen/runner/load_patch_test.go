package runner_test

import (
	"fmt"
	"strings"
	"testing"

	"touchstone/loadgen/runner"
)

// TestLoadsThatDifferFromCallToCall: a load without an end that is known has a
// message of its own for each call, and it is the one that the language makes.
func TestLoadsThatDifferFromCallToCall(t *testing.T) {
	const head = "vars: {room: 'lobby ${1+1} $${x}'}\ndata: {rows: [{who: 'a \"b\"', n: 5}, {who: '7', n: 6}]}\n"
	who := []string{`a "b"`, "7"}
	quoted := []string{`a \"b\"`, "7"}
	for _, test := range []struct {
		name, send string
		want       func(k int) string
	}{
		{"numbers of calls, rows, and names for values", `send: {greeting: "${room} ${i} ${row.who} ${row.n} ${i % 3 + 1}"}`,
			func(k int) string {
				return fmt.Sprintf("lobby 2 ${x} %d %s %d %d", k, who[k%2], 5+k%2, k%3+1)
			}},
		{"JSON in a string is text like any other", `send: {greeting: '{"n": ${i}, "who": "${row.who}"}'}`,
			func(k int) string { return fmt.Sprintf(`{"n": %d, "who": "%s"}`, k, who[k%2]) }},
		{"send_json keeps types and escapes", `send_json: {greeting: {n: "${i}", who: "${row.who}", m: "${row.n}", "k${i}": ["x ${row.who}", "$${y}"]}}`,
			func(k int) string {
				return fmt.Sprintf(`{"n":%d,"who":"%s","m":%d,"k${i}":["x %s","${y}"]}`, k, quoted[k%2], 5+k%2, quoted[k%2])
			}},
		{"an expression that only the language has", `send: {greeting: "${string(i * i)} ${row.who}"}`,
			func(k int) string { return fmt.Sprintf("%d %s", k*k, who[k%2]) }},
	} {
		bubble(t, test.name, func(t *testing.T) {
			c := &counter{seen: map[string]int{}}
			step := "repeat: 2, skip: as load only, call: HelloService/SayHello, " + test.send
			r := runWith(t, t.Context(), c.serve, runner.Config{}, head+loadFile(step, `arrival: {constant: 10/s}, duration: 5s`))
			if len(r.Loads) != 1 || r.Loads[0].Statuses["OK"] != 50 {
				t.Fatalf("loads %+v", r.Loads)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			for k := range 50 {
				if want := test.want(k); c.seen[want] == 0 {
					t.Fatalf("call %d: %q was not heard, but %v", k, want, c.seen)
				}
			}
		})
	}
}

// TestLongLoadsDoNotRepeat: more calls than are ever encoded beforehand are all
// different.
func TestLongLoadsDoNotRepeat(t *testing.T) {
	bubble(t, "12,000 calls", func(t *testing.T) {
		c := &counter{seen: map[string]int{}}
		step := `repeat: 2, skip: as load only, call: HelloService/SayHello, send: {greeting: "${i} ${uuid()}"}`
		r := runWith(t, t.Context(), c.serve, runner.Config{}, loadFile(step, `arrival: {constant: 4000/s}, duration: 3s`))
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(r.Loads) != 1 || r.Loads[0].Sent != 12_000 || len(c.seen) != 12_000 {
			t.Fatalf("%d different greetings", len(c.seen))
		}
		for greeting := range c.seen {
			if _, id, _ := strings.Cut(greeting, " "); len(id) != 36 {
				t.Fatalf("%q has no UUID", greeting)
			}
			break
		}
	})
}
