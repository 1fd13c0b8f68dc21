package replay_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
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

// recordedBytes is the size of the recordings that TestMemoryIsBounded replays:
//
//	go test ./loadgen/replay -run MemoryIsBounded -v -recorded-bytes 1073741824
var recordedBytes = flag.Int64("recorded-bytes", 48<<20, "bytes of the recordings of TestMemoryIsBounded")

// made is a recording that is made while it is read, and looks at the heap as
// it goes.
type made struct {
	next    func(n int) string // the n-th lines, "" for no more
	n       int
	buffer  bytes.Buffer
	read    int64
	watched int64
	most    uint64 // bytes of the heap
}

func (m *made) Read(p []byte) (int, error) {
	for m.buffer.Len() == 0 {
		lines := m.next(m.n)
		if lines == "" {
			return 0, io.EOF
		}
		m.n++
		m.buffer.WriteString(lines)
	}
	n, err := m.buffer.Read(p)
	m.read += int64(n)
	if m.read-m.watched > 2<<20 {
		m.watched = m.read
		m.most = max(m.most, heap())
	}
	return n, err
}

// heap is how much is on the heap, in bytes.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// parrot answers with what it is told, and with a stream of many replies.
type parrot struct {
	hello.UnimplementedHelloServiceServer
	reply string
	many  int
}

func (p *parrot) BidiHello(stream hello.HelloService_BidiHelloServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		if err := stream.Send(&hello.HelloResponse{Reply: in.Greeting}); err != nil {
			return err
		}
	}
}

func (p *parrot) LotsOfReplies(_ *hello.HelloRequest, stream hello.HelloService_LotsOfRepliesServer) error {
	for range p.many {
		time.Sleep(ms) // slower than the recording is read
		if err := stream.Send(&hello.HelloResponse{Reply: p.reply}); err != nil {
			return err
		}
	}
	return nil
}

// A recording that is far larger than the window, of many calls or of one
// stream, is replayed in memory that does not depend on its size. In fake time
// the calls are slow, and the reader is as far ahead as it may be.
func TestMemoryIsBounded(t *testing.T) {
	const size = 64 << 10 // of a message
	text := strings.Repeat("x", size)
	data, err := proto.Marshal(&hello.HelloRequest{Greeting: text}) // the response has the same form
	if err != nil {
		t.Fatal(err)
	}
	message := base64.StdEncoding.EncodeToString(data)
	head := `{"format":"grpcfix","version":1,"started":"2026-01-01T00:00:00Z","clock":"monotonic","redaction":{"applied":false}}` + "\n"
	event := func(call int, kind, rest string) string {
		return fmt.Sprintf(`{"call":%d,"t_ns":0,"kind":%q%s}`+"\n", call, kind, rest)
	}
	calls := int(*recordedBytes / int64(2*len(message)))
	many := int(*recordedBytes / int64(len(message)))
	for _, row := range []struct {
		name string
		next func(n int) string
	}{
		{"many calls", func(n int) string {
			switch {
			case n == 0:
				return head
			case n > calls:
				return ""
			}
			body := `,"bytes":"` + message + `"`
			return event(n, "start", `,"method":"HelloService/BidiHello"`) + event(n, "send", body) + event(n, "recv", body) +
				event(n, "half_close", "") + event(n, "end", `,"status":"OK"`)
		}},
		{"one stream", func(n int) string {
			switch {
			case n == 0:
				return head + event(1, "start", `,"method":"HelloService/LotsOfReplies"`) + event(1, "send", `,"bytes":""`) + event(1, "half_close", "")
			case n == many+1:
				return event(1, "end", `,"status":"OK"`)
			case n > many:
				return ""
			}
			return event(1, "recv", `,"bytes":"`+message+`"`)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is alive, not what is garbage
				s := grpc.NewServer()
				hello.RegisterHelloServiceServer(s, &parrot{reply: text, many: many})
				dial, stop := serve(plain{s})
				defer stop()
				conn := connect(t, dial)
				defer conn.Close()
				runtime.GC()
				runtime.GC() // pools are emptied by the second one
				before := heap()
				source := &made{next: row.next}
				outcome := run(t, replay.Config{
					Open: func() (*fixture.File, error) {
						reader, err := fixture.NewReader("made", source)
						if err != nil {
							return nil, err
						}
						return &fixture.File{Reader: reader, Schema: known()}, nil
					},
					Name: "made", Targets: []grpc.ClientConnInterface{conn}, Pace: replay.Pace{Rate: 100},
					Window: 2 << 20, Guard: safety.NewGuard(0, 8),
				})
				if outcome.Diff.Different > 0 || outcome.Diff.Calls == 0 || source.read < *recordedBytes-1<<20 {
					t.Errorf("%+v after %d bytes, want no difference in all of it", outcome.Diff, source.read)
				}
				t.Logf("%d MiB read, %d calls, at most %d MiB on the heap, %d of them from before", source.read>>20, outcome.Diff.Calls, source.most>>20, before>>20)
				if source.most > before+32<<20 {
					t.Errorf("%d MiB more on the heap, want at most 32 for any size", (source.most-before)>>20)
				}
			})
		})
	}
}
