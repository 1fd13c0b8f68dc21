package replay_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"touchstone/loadgen/replay"
	"touchstone/proto/hello"
	"touchstone/server/detect/text"
	"touchstone/server/refserver"
)

// reference starts a reference server, by other rules if they are not nil.
func reference(t testing.TB, rules *text.Rules) *grpc.ClientConn {
	t.Helper()
	s, err := refserver.New(refserver.Config{Rules: rules, Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	dial, stop := serve(s)
	t.Cleanup(stop)
	conn := connect(t, dial)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A session of a thousand calls of all four kinds, many at a time, recorded
// from the reference server, shows no difference when it is replayed there. On
// a server with other rules it shows those fields that the rules change, and no
// other.
func TestSessionOfAThousandCalls(t *testing.T) {
	s, err := refserver.New(refserver.Config{Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	dial, stop := serve(s)
	defer stop()
	name := record(t, dial, func(conn *grpc.ClientConn) { mix(t, conn, 250) })

	cfg := replay.Config{Open: opener(name), Name: name, Pace: replay.Pace{ASAP: true}, Targets: []grpc.ClientConnInterface{reference(t, nil)}}
	outcome := run(t, cfg)
	if d := outcome.Diff; d.Calls != 1000 || d.Different != 0 || len(d.Groups) > 0 || len(outcome.Warnings) > 0 {
		t.Fatalf("replayed on itself: %+v, warnings %q, want no difference in 1000 calls", d, outcome.Warnings)
	}
	wired := cfg
	wireConn, hangUp := via(t, "wire", dial)
	defer hangUp()
	wired.Targets = []grpc.ClientConnInterface{wireConn}
	if d := run(t, wired).Diff; d.Calls != 1000 || d.Different != 0 {
		t.Errorf("replayed over wire: %+v, want no difference in 1000 calls", d)
	}
	if l := outcome.Load; l.Sent != 1000 || l.Completed != 1000 || l.Statuses["INVALID_ARGUMENT"] != 25 || l.Statuses["OK"] != 975 {
		t.Errorf("sent %d, completed %d, statuses %v, want 1000, 1000, 975 OK and 25 INVALID_ARGUMENT", l.Sent, l.Completed, l.Statuses)
	}

	// Another weight for one label: scores change where it hit, and the label of
	// a whole, too, where another one was ahead of it by less.
	other, err := text.ParseRules("rules.yaml", []byte(strings.Replace(string(readFile(t, "../../server/detect/text/rules.yaml")),
		"contraband: {suggestion: block, weight: 0.9}", "contraband: {suggestion: block, weight: 0.95}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Targets = []grpc.ClientConnInterface{reference(t, other)}
	want := []string{
		"Detect/detect message.data.data.score changed",
		"Detect/detectAll message.data.data.label changed",
		"Detect/detectAll message.data.data.results[].score changed",
		"Detect/detectAll message.data.data.score changed",
		"Detect/detectEach messages[].data.data.score changed",
		"Detect/detectLive messages[].data.data.label changed",
		"Detect/detectLive messages[].data.data.results[].score changed",
		"Detect/detectLive messages[].data.data.score changed",
	}
	changed := run(t, cfg)
	if got := groups(changed); !slices.Equal(got, want) {
		t.Errorf("with other rules:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// The rules that the report offers silence all of it.
	for _, g := range changed.Diff.Groups {
		cfg.Rules.Ignore = append(cfg.Rules.Ignore, g.Ignore)
	}
	if quiet := run(t, cfg); quiet.Diff.Different != 0 || quiet.Diff.Ignored == 0 {
		t.Errorf("with all groups ignored: %+v", quiet.Diff)
	}
}

// Over wire, what is replayed is compared in all its parts, too: on another
// server the headers, trailers, texts and details of statuses differ.
func TestOverWire(t *testing.T) {
	said := func(word string) server {
		s := grpc.NewServer()
		hello.RegisterHelloServiceServer(s, wordy{word: word})
		return plain{s}
	}
	dial, stop := serve(said("old"))
	defer stop()
	name := record(t, dial, func(conn *grpc.ClientConn) {
		client := hello.NewHelloServiceClient(conn)
		if _, err := client.SayHello(t.Context(), &hello.HelloRequest{Greeting: "ok"}); err != nil {
			t.Error(err)
		}
		if _, err := client.SayHello(t.Context(), &hello.HelloRequest{Greeting: "fail"}); err == nil {
			t.Error("no error")
		}
	})
	other, stopOther := serve(said("new"))
	defer stopOther()
	for _, row := range []struct {
		server string
		dial   func(context.Context) (net.Conn, error)
		want   []string
	}{
		{"the same", dial, nil},
		{"another", other, []string{
			"HelloService/SayHello details[].greeting changed",
			"HelloService/SayHello header.x-head changed",
			"HelloService/SayHello status_message changed",
			"HelloService/SayHello trailer.x-tail-bin changed",
		}},
	} {
		var all [2][]string
		for i, transport := range []string{"channel", "wire"} {
			conn, hangUp := via(t, transport, row.dial)
			all[i] = groups(run(t, replay.Config{Open: opener(name), Name: name, Pace: replay.Pace{ASAP: true}, Targets: []grpc.ClientConnInterface{conn}}))
			hangUp()
		}
		if !slices.Equal(all[0], row.want) || !slices.Equal(all[1], row.want) {
			t.Errorf("%s server: over channel %q, over wire %q, want %q", row.server, all[0], all[1], row.want)
		}
	}
}

// groups writes each group as its rule, in order.
func groups(o replay.Outcome) []string {
	var out []string
	for _, g := range o.Diff.Groups {
		out = append(out, g.Ignore)
	}
	slices.Sort(out)
	return out
}

// What differs between two calls of the baseline is noise; what the candidate
// changes is told.
func TestBaselineAndCandidate(t *testing.T) {
	s, err := refserver.New(refserver.Config{Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	dial, stop := serve(s)
	defer stop()
	name := record(t, dial, func(conn *grpc.ClientConn) { mix(t, conn, 10) })

	// Every answer of the noisy targets has another text at its end.
	noisy := func(word string) *grpc.ClientConn { return echo(t, word) }
	outcome := run(t, replay.Config{Open: opener(name), Name: name, Pace: replay.Pace{ASAP: true},
		Keep:    func(method string) bool { return method == "HelloService/BidiHello" },
		Targets: []grpc.ClientConnInterface{noisy("a1"), noisy("a1"), noisy("b")}})
	if got, want := groups(outcome), []string{"HelloService/BidiHello trailer.x-word changed"}; !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	if d := outcome.Diff; d.Noise == 0 || d.Calls != 5 || d.Different != 5 || outcome.Load.Sent != 15 {
		t.Errorf("diff %+v of %d calls sent, want noise, 5 calls compared, 5 different, 15 sent", d, outcome.Load.Sent)
	}
}
