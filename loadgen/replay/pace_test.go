package replay_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/loadgen/safety"
	"touchstone/proto/hello"
)

const ms = time.Millisecond

// tape is a recording that is written by hand.
type tape struct {
	t      testing.TB
	name   string
	writer *fixture.Writer
}

func newTape(t testing.TB) *tape {
	t.Helper()
	name := filepath.Join(t.TempDir(), "made.grpcfix")
	writer, err := fixture.Create(name, fixture.Header{Started: time.Now()}, known(), fixture.WriterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return &tape{t, name, writer}
}

// add writes events of a call.
func (r *tape) add(call uint64, events ...fixture.Event) {
	r.t.Helper()
	for _, e := range events {
		e.Call = call
		if err := r.writer.Write(e); err != nil {
			r.t.Fatal(err)
		}
	}
}

func start(at time.Duration, method string) fixture.Event {
	return fixture.Event{T: at, Kind: fixture.Start, Method: method, Peer: "127.0.0.1:1"}
}

func send(at time.Duration, greeting string) fixture.Event {
	data, _ := proto.Marshal(&hello.HelloRequest{Greeting: greeting})
	return fixture.Event{T: at, Kind: fixture.Send, Bytes: data}
}

func recv(at time.Duration, reply string) fixture.Event {
	data, _ := proto.Marshal(&hello.HelloResponse{Reply: reply})
	return fixture.Event{T: at, Kind: fixture.Recv, Bytes: data}
}

func halfClose(at time.Duration) fixture.Event { return fixture.Event{T: at, Kind: fixture.HalfClose} }

func ended(at time.Duration) fixture.Event {
	return fixture.Event{T: at, Kind: fixture.End, Status: "OK"}
}

// unary is a whole call that took a millisecond.
func (r *tape) unary(call uint64, at time.Duration) {
	r.add(call, start(at, "HelloService/SayHello"), send(at, "hi"), halfClose(at), recv(at+ms, "hi"), ended(at+ms))
}

// close ends the recording and returns its name.
func (r *tape) close() string {
	r.t.Helper()
	if err := r.writer.Close(); err != nil {
		r.t.Fatal(err)
	}
	return r.name
}

// clock is a server that notes when calls and messages come, and takes its
// time to answer.
type clock struct {
	hello.UnimplementedHelloServiceServer
	took time.Duration

	mu        sync.Mutex
	begun     time.Time
	came      []time.Duration
	inFlight  int
	mostAtAll int
}

func (c *clock) note() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came = append(c.came, time.Since(c.begun))
}

func (c *clock) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	c.note()
	c.mu.Lock()
	c.inFlight++
	c.mostAtAll = max(c.mostAtAll, c.inFlight)
	c.mu.Unlock()
	time.Sleep(c.took)
	c.mu.Lock()
	c.inFlight--
	c.mu.Unlock()
	return &hello.HelloResponse{Reply: in.Greeting}, nil
}

func (c *clock) BidiHello(stream hello.HelloService_BidiHelloServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		c.note()
		time.Sleep(c.took)
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

// replayOn replays a recording on the clock, within a bubble.
func (c *clock) replayOn(t *testing.T, name string, cfg replay.Config) (replay.Outcome, error) {
	t.Helper()
	s := grpc.NewServer()
	hello.RegisterHelloServiceServer(s, c)
	dial, stop := serve(plain{s})
	defer stop()
	conn, hangUp := via(t, cfg.Transport, dial)
	defer hangUp()
	synctest.Wait()
	cfg.Open, cfg.Name, cfg.Targets = opener(name), name, []grpc.ClientConnInterface{conn}
	c.begun = time.Now()
	return replay.Run(t.Context(), cfg)
}

// Each row: calls recorded at 5 s, 5.1 s, 5.4 s and 9.4 s; when they come.
func TestPace(t *testing.T) {
	for _, row := range []struct {
		name string
		pace replay.Pace
		want []time.Duration
	}{
		{"as recorded", replay.Pace{}, []time.Duration{0, 100 * ms, 400 * ms, 4400 * ms}},
		{"twice as fast", replay.Pace{Speed: 2}, []time.Duration{0, 50 * ms, 200 * ms, 2200 * ms}},
		{"half as fast", replay.Pace{Speed: 0.5}, []time.Duration{0, 200 * ms, 800 * ms, 8800 * ms}},
		{"a rate", replay.Pace{Rate: 10}, []time.Duration{0, 100 * ms, 200 * ms, 300 * ms}},
		{"as fast as possible", replay.Pace{ASAP: true}, []time.Duration{0, 0, 0, 0}},
		{"without the times in which no call is under way", replay.Pace{DropThink: true}, []time.Duration{0, 1 * ms, 2 * ms, 3 * ms}},
		{"a cap spreads what is too fast", replay.Pace{MaxRate: 5}, []time.Duration{0, 200 * ms, 400 * ms, 4400 * ms}},
		{"a cap holds against a rate", replay.Pace{Rate: 1000, MaxRate: 5}, []time.Duration{0, 200 * ms, 400 * ms, 600 * ms}},
		{"a cap holds against all haste", replay.Pace{ASAP: true, MaxRate: 2}, []time.Duration{0, 500 * ms, 1000 * ms, 1500 * ms}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTape(t)
				for i, at := range []time.Duration{5000 * ms, 5100 * ms, 5400 * ms, 9400 * ms} {
					r.unary(uint64(i+1), at)
				}
				var c clock
				outcome, err := c.replayOn(t, r.close(), replay.Config{Pace: row.pace})
				slices.Sort(c.came)
				if err != nil || !slices.Equal(c.came, row.want) {
					t.Errorf("calls come at %v (%v), want %v", c.came, err, row.want)
				}
				if outcome.Load.Lag.Max != 0 || outcome.Diff.Different != 0 || outcome.Diff.Calls != 4 {
					t.Errorf("lag %v ms, diff %+v, want none of 4", outcome.Load.Lag.Max, outcome.Diff)
				}
			})
		})
	}
}

// A stream's messages are sent after the recorded gaps, or at once, and never
// before the answers that came before them in the recording.
func TestGapsWithinAStream(t *testing.T) {
	for _, row := range []struct {
		name string
		pace replay.Pace
		took time.Duration
		want []time.Duration
	}{
		{"as recorded", replay.Pace{}, 0, []time.Duration{0, 300 * ms, 1000 * ms}},
		{"twice as fast", replay.Pace{Speed: 2}, 0, []time.Duration{0, 150 * ms, 500 * ms}},
		{"without gaps", replay.Pace{DropGaps: true}, 0, []time.Duration{0, 0, 0}},
		{"as fast as possible", replay.Pace{ASAP: true}, 0, []time.Duration{0, 0, 0}},
		{"a rate keeps gaps", replay.Pace{Rate: 1}, 0, []time.Duration{0, 300 * ms, 1000 * ms}},
		{"a slow server holds the talk up", replay.Pace{}, 600 * ms, []time.Duration{0, 600 * ms, 1200 * ms}},
		{"so it does without gaps", replay.Pace{DropGaps: true}, 600 * ms, []time.Duration{0, 600 * ms, 1200 * ms}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTape(t)
				r.add(1, start(0, "HelloService/BidiHello"), send(0, "a"), recv(0, "a"), send(300*ms, "b"), recv(300*ms, "b"),
					send(1000*ms, "c"), halfClose(1000*ms), recv(1000*ms, "c"), ended(1000*ms))
				name := r.close()
				for _, transport := range []string{"channel", "wire"} {
					c := clock{took: row.took}
					outcome, err := c.replayOn(t, name, replay.Config{Pace: row.pace, Transport: transport})
					if err != nil || !slices.Equal(c.came, row.want) || outcome.Diff.Different != 0 {
						t.Errorf("over %s messages come at %v (%v), want %v; %+v", transport, c.came, err, row.want, outcome.Diff)
					}
				}
			})
		})
	}
}

// A server that answers less than it did does not hold a talk up for ever.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTape(t)
		r.add(1, start(0, "HelloService/BidiHello"), send(0, "a"), recv(0, "a"), recv(0, "more"), send(0, "b"), recv(0, "b"), send(0, "c"),
			halfClose(0), recv(0, "c"), ended(0))
		var c clock
		outcome, err := c.replayOn(t, r.close(), replay.Config{Patience: 2 * time.Second})
		if want := []time.Duration{0, 2 * time.Second, 2 * time.Second}; err != nil || !slices.Equal(c.came, want) {
			t.Errorf("messages come at %v (%v), want %v", c.came, err, want)
		}
		if got, want := groups(outcome), []string{"HelloService/BidiHello messages[] missing"}; !slices.Equal(got, want) {
			t.Errorf("differences %q, want %q", got, want)
		}
	})
}

// A server that takes a second for each of 40 calls, recorded 10 ms apart: no
// more are under way than the cap allows, and how late the others are is told.
func TestCapsAndLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTape(t)
		for i := range 40 {
			r.unary(uint64(i+1), time.Duration(i)*10*ms)
		}
		c := clock{took: time.Second}
		outcome, err := c.replayOn(t, r.close(), replay.Config{Guard: safety.NewGuard(0, 10)})
		if err != nil || c.mostAtAll != 10 || len(c.came) != 40 {
			t.Fatalf("%d calls, at most %d at a time (%v), want 40 and 10", len(c.came), c.mostAtAll, err)
		}
		if len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "2700 ms after they were due") {
			t.Errorf("warnings %q, want one on 2700 ms", outcome.Warnings)
		}
		// Calls 10 to 19 wait for the first ten to end, and so on: the last,
		// due at 390 ms, leaves at 3090 ms.
		if l := outcome.Load; l.Lag.Max != 2700 || l.Lag.Min != 0 || l.Service.Max != 1000 || l.Response.Max != 3700 {
			t.Errorf("lag %v to %v ms, service up to %v, response up to %v; want 0 to 2700, 1000, 3700", l.Lag.Min, l.Lag.Max, l.Service.Max, l.Response.Max)
		}
	})
}

// Loops follow each other at the length of the recording, and bounds hold.
func TestLoopsAndBounds(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  replay.Config
		want []time.Duration
	}{
		{"loops", replay.Config{Loops: 3}, []time.Duration{0, 100 * ms, 101 * ms, 201 * ms, 202 * ms, 302 * ms}},
		{"a number of calls", replay.Config{Loops: 3, Calls: 3}, []time.Duration{0, 100 * ms, 101 * ms}},
		{"a duration", replay.Config{Loops: 3, Duration: 202 * ms}, []time.Duration{0, 100 * ms, 101 * ms, 201 * ms}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTape(t)
				r.unary(1, time.Second)
				r.unary(2, 1100*ms)
				var c clock
				if _, err := c.replayOn(t, r.close(), row.cfg); err != nil || !slices.Equal(c.came, row.want) {
					t.Errorf("calls come at %v (%v), want %v", c.came, err, row.want)
				}
			})
		})
	}
}

// When ctx ends, a replay ends within the same instant, whatever is under way.
func TestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTape(t)
		for i := range 100 {
			r.unary(uint64(i+1), time.Duration(i)*100*ms)
		}
		c := clock{took: time.Hour}
		s := grpc.NewServer()
		hello.RegisterHelloServiceServer(s, &c)
		dial, stop := serve(plain{s})
		conn := connect(t, dial)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3050*ms, func() { cancel(errors.New("enough")) })
		begun := time.Now()
		name := r.close()
		outcome, err := replay.Run(ctx, replay.Config{Open: opener(name), Name: name, Targets: []grpc.ClientConnInterface{conn}})
		if took := time.Since(begun); err == nil || err.Error() != "enough" || took != 3050*ms {
			t.Errorf("Run = %v after %v, want enough after 3.05s", err, took)
		}
		if l := outcome.Load; l.Sent != 31 || l.Cancelled != 31 || outcome.Diff.Calls != 0 {
			t.Errorf("sent %d, cancelled %d, compared %d, want 31, 31, 0", l.Sent, l.Cancelled, outcome.Diff.Calls)
		}
		conn.Close()
		time.Sleep(2 * time.Hour)
		stop()
	})
}

// An error budget that is spent ends the run.
func TestStopOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTape(t)
		for i := range 600 {
			at := time.Duration(i) * 100 * ms
			r.add(uint64(i+1), start(at, "HelloService/LotsOfGreetings"), send(at, "a"), halfClose(at), ended(at)) // not implemented by the clock
		}
		s := grpc.NewServer()
		hello.RegisterHelloServiceServer(s, &clock{})
		dial, stop := serve(plain{s})
		conn := connect(t, dial)
		ctx, cancel := context.WithCancelCause(t.Context())
		guard := safety.NewGuard(0, 0)
		guard.StopOn(safety.StopRule{Share: 0.05, For: 10 * time.Second}, cancel)
		name := r.close()
		outcome, err := replay.Run(ctx, replay.Config{Open: opener(name), Name: name, Guard: guard, Targets: []grpc.ClientConnInterface{conn}})
		if err == nil || outcome.Load.Sent < 100 || outcome.Load.Sent > 102 {
			t.Errorf("%d calls before %v, want it to stop after 10 s, 100 calls", outcome.Load.Sent, err)
		}
		conn.Close()
		stop()
	})
}

func TestSample(t *testing.T) {
	sample := replay.Sample{Share: 0.1, Key: "x-session"}
	kept := 0
	for i := range 10_000 {
		e := fixture.Event{Call: uint64(i), Metadata: fixture.Metadata{{Name: "x-session", Value: fmt.Sprint("user-", i/10)}}}
		if sample.Keeps(&e) {
			kept++
		}
		first := fixture.Event{Call: 1, Metadata: fixture.Metadata{{Name: "x-session", Value: fmt.Sprint("user-", i/10)}}}
		if sample.Keeps(&e) != sample.Keeps(&first) {
			t.Fatalf("calls of one session are not kept together: %v", e.Metadata)
		}
	}
	if kept < 800 || kept > 1200 || kept%10 != 0 {
		t.Errorf("kept %d of 10,000 calls in sessions of ten, want about 1,000", kept)
	}
}

// A deadline of the recording is one of the replay; a call that the recorded
// client gave up is given up at the same point, and its end is nobody's
// difference.
func TestDeadlinesAndCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTape(t)
		first := start(0, "HelloService/SayHello")
		first.Timeout = 300 * ms
		r.add(1, first, send(0, "a"), halfClose(0), fixture.Event{T: 300 * ms, Kind: fixture.Cancel},
			fixture.Event{T: 300 * ms, Kind: fixture.End, Status: "DEADLINE_EXCEEDED", StatusMessage: "ended by the client: rst CANCEL"})
		r.add(2, start(0, "HelloService/BidiHello"), send(0, "a"), recv(10*ms, "a"), fixture.Event{T: 20 * ms, Kind: fixture.Cancel},
			fixture.Event{T: 20 * ms, Kind: fixture.End, Status: "CANCELLED"})
		c := clock{took: time.Second}
		begun := time.Now()
		outcome, err := c.replayOn(t, r.close(), replay.Config{})
		if err != nil || outcome.Diff.Different != 0 || outcome.Diff.Calls != 2 {
			t.Errorf("%+v, %v, want no difference in 2", outcome.Diff, err)
		}
		if s := outcome.Load.Statuses; s["DEADLINE_EXCEEDED"] != 1 || s["CANCELLED"] != 1 {
			t.Errorf("statuses %v, want one DEADLINE_EXCEEDED and one CANCELLED", s)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %v, want about the second in which the server answers", took)
		}
	})
}
