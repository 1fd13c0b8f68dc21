package replay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/proto/hello"
)

// sessions is a server that makes ids and takes only those that it has made: in
// messages, in JSON within them, and in metadata.
type sessions struct {
	hello.UnimplementedHelloServiceServer
	form string // of an id

	mu   sync.Mutex
	made map[string]bool
}

func (s *sessions) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Greeting == "open" {
		id := fmt.Sprintf(s.form, len(s.made)+1)
		s.made[id] = true
		return &hello.HelloResponse{Reply: fmt.Sprintf(`{"id":%q,"user":"ada"}`, id)}, nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if id := md.Get("x-session"); len(id) != 1 || !s.made[id[0]] || in.Greeting != fmt.Sprintf(`{"close": %q, "n": 1}`, id[0]) {
		return nil, status.Errorf(codes.NotFound, "no session")
	}
	return &hello.HelloResponse{Reply: "closed " + md.Get("x-session")[0][:4]}, nil
}

// BidiHello answers each request as SayHello does.
func (s *sessions) BidiHello(stream hello.HelloService_BidiHelloServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		out, err := s.SayHello(stream.Context(), in)
		if err != nil {
			return err
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

// TestIDsOfAServerAheadOfTheRecording has an answer that comes sooner than the
// recorded one, and a call between the two that needs its id.
func TestIDsOfAServerAheadOfTheRecording(t *testing.T) {
	r := newTape(t)
	r.add(1, start(0, "HelloService/BidiHello"), send(0, "open"), halfClose(50*ms), recv(50*ms, `{"id":"sess-000001","user":"ada"}`), ended(50*ms))
	second := start(60*ms, "HelloService/SayHello")
	second.Metadata = fixture.Metadata{{Name: "x-session", Value: "sess-000001"}}
	r.add(2, second, send(60*ms, `{"close": "sess-000001", "n": 1}`), halfClose(60*ms), recv(60*ms, "closed sess"), ended(60*ms))
	name := r.close()
	synctest.Test(t, func(t *testing.T) {
		s := grpc.NewServer()
		hello.RegisterHelloServiceServer(s, &sessions{form: "sess-9%05d", made: map[string]bool{}})
		dial, stop := serve(plain{s})
		defer stop()
		conn := connect(t, dial)
		defer conn.Close()
		outcome := run(t, replay.Config{Open: opener(name), Name: name, AutoIDs: true, Pace: replay.Pace{Rate: 1e3}, Targets: []grpc.ClientConnInterface{conn}})
		if got := groups(outcome); len(got) > 0 {
			t.Errorf("differences %q, want none", got)
		}
	})
}

func TestIDsOfTheServer(t *testing.T) {
	server := func(t *testing.T, form string) *grpc.ClientConn {
		s := grpc.NewServer()
		hello.RegisterHelloServiceServer(s, &sessions{form: form, made: map[string]bool{}})
		dial, stop := serve(plain{s})
		t.Cleanup(stop)
		conn := connect(t, dial)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	r := newTape(t)
	for i := range 3 {
		call, id, at := uint64(2*i+1), fmt.Sprintf("sess-%06d", i+1), time.Duration(i)*ms
		r.add(call, start(at, "HelloService/SayHello"), send(at, "open"), halfClose(at), recv(at, fmt.Sprintf(`{"id":%q,"user":"ada"}`, id)), ended(at))
		second := start(at, "HelloService/SayHello")
		second.Metadata = fixture.Metadata{{Name: "x-session", Value: id}}
		r.add(call+1, second, send(at, fmt.Sprintf(`{"close": %q, "n": 1}`, id)), halfClose(at), recv(at, "closed sess"), ended(at))
	}
	name := r.close()
	t.Run("each of three targets has its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			outcome := run(t, replay.Config{Open: opener(name), Name: name, AutoIDs: true,
				Targets: []grpc.ClientConnInterface{server(t, "sess-7%05d"), server(t, "sess-8%05d"), server(t, "sess-9%05d")}})
			// The ids differ between the two of the baseline, so they are noise.
			if d := outcome.Diff; d.Different != 0 || d.Calls != 6 || d.Noise != 3 || outcome.Load.Statuses["OK"] != 18 {
				t.Errorf("%+v with statuses %v, want no difference in 6, noise in 3, 18 times OK", d, outcome.Load.Statuses)
			}
		})
	})
	for _, row := range []struct {
		name string
		cfg  replay.Config
		form string
		want []string
	}{
		{"the ids are those of the recording", replay.Config{}, "sess-%06d", nil},
		{"other ids, not mapped", replay.Config{}, "sess-9%05d", []string{
			"HelloService/SayHello message missing", "HelloService/SayHello message.reply.id changed",
			"HelloService/SayHello status changed", "HelloService/SayHello status_message changed"}},
		{"other ids, mapped by themselves", replay.Config{AutoIDs: true}, "sess-9%05d", nil},
		{"other ids, mapped by a rule", replay.Config{Rules: diff.Rules{IDs: []string{"HelloService/SayHello message.reply.id"}}}, "sess-9%05d", nil},
		{"in several loops", replay.Config{AutoIDs: true, Loops: 3}, "sess-9%05d", nil},
		{"what does not look like an id is not mapped", replay.Config{AutoIDs: true, Pace: replay.Pace{Rate: 1e3}}, "sess-%06d!", []string{
			"HelloService/SayHello message missing", "HelloService/SayHello message.reply.id changed",
			"HelloService/SayHello status changed", "HelloService/SayHello status_message changed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := row.cfg
				cfg.Open, cfg.Name, cfg.Targets = opener(name), name, []grpc.ClientConnInterface{server(t, row.form)}
				if !cfg.AutoIDs && len(cfg.Rules.IDs) == 0 {
					cfg.Pace.Rate = 50 // nothing makes a call wait for the one that opens its session
				}
				if got := groups(run(t, cfg)); !slices.Equal(got, row.want) {
					t.Errorf("differences %q, want %q", got, row.want)
				}
			})
		})
	}
}
