package replay_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/server/proxy"
)

// taped returns the events that taps of one call are recorded as.
func taped(t *testing.T, taps ...proxy.Tap) []fixture.Event {
	t.Helper()
	name := filepath.Join(t.TempDir(), "taped.grpcfix")
	writer, err := fixture.Create(name, fixture.Header{Started: time.Now()}, nil, fixture.WriterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tape := replay.NewTape(fixture.NewRecorder(writer, time.Now(), fixture.RecorderConfig{}))
	for _, tap := range taps {
		tap.Method = "HelloService/SayHello"
		tape.Tap(tap)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := fixture.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var events []fixture.Event
	for e, err := range file.Events() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// header makes header fields of name, value, name, value.
func header(pairs ...string) []proxy.Header {
	var out []proxy.Header
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, proxy.Header{Name: pair[0], Value: pair[1]})
	}
	return out
}

// How calls end, and the status that their client made of it.
func TestHowCallsEnd(t *testing.T) {
	begun := time.Now()
	for _, row := range []struct {
		name string
		end  proxy.Tap
		want string // status and message
	}{
		{"well", proxy.Tap{Header: header("grpc-status", "0")}, "OK "},
		{"with a message, percent-encoded", proxy.Tap{Header: header("grpc-status", "5", "grpc-message", "100%25 %E8%AF%B4")}, "NOT_FOUND 100% 说"},
		{"with a status that gRPC does not define", proxy.Tap{Header: header("grpc-status", "42")}, "CODE_42 "},
		{"as plain HTTP", proxy.Tap{Header: header(":status", "503")}, "UNAVAILABLE no grpc-status; HTTP status 503 Service Unavailable"},
		{"as HTTP of a page that is not there", proxy.Tap{Header: header(":status", "404")}, "UNIMPLEMENTED no grpc-status; HTTP status 404 Not Found"},
		{"refused", proxy.Tap{Ended: proxy.ByTarget, How: "rst REFUSED_STREAM"}, "UNAVAILABLE ended by the target: rst REFUSED_STREAM"},
		{"reset", proxy.Tap{Ended: proxy.ByTarget, How: "rst PROTOCOL_ERROR"}, "INTERNAL ended by the target: rst PROTOCOL_ERROR"},
		{"with its connection", proxy.Tap{Ended: proxy.ByConnection, How: "close"}, "UNAVAILABLE ended by the connection: close"},
		{"by the client", proxy.Tap{Ended: proxy.ByClient, How: "rst CANCEL", Time: begun.Add(time.Second)}, "CANCELLED ended by the client: rst CANCEL"},
		{"by the client's deadline", proxy.Tap{Ended: proxy.ByClient, How: "rst CANCEL", Time: begun.Add(2 * time.Second)}, "DEADLINE_EXCEEDED ended by the client: rst CANCEL"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.end.Kind = proxy.TapEnd
			events := taped(t, proxy.Tap{Kind: proxy.TapStart, Time: begun, Header: header("grpc-timeout", "2S")}, row.end)
			last := events[len(events)-1]
			if got := last.Status + " " + last.StatusMessage; got != row.want || events[0].Timeout != 2*time.Second {
				t.Errorf("end %q with timeout %v, want %q and 2s", got, events[0].Timeout, row.want)
			}
		})
	}
}

// Messages are written without their compression, and header fields without
// those of the protocol.
func TestWhatIsTaped(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, strings.Repeat("a", 100)) // into memory
	w.Close()
	events := taped(t,
		proxy.Tap{Kind: proxy.TapStart, Peer: "p:1", Header: header(":path", "/x", ":authority", "host", "te", "trailers", "grpc-encoding", "gzip", "x-one", "1", "x-one", "2", "x-raw-bin", "AAE,Ag==")},
		proxy.Tap{Kind: proxy.TapSend, Message: zipped.Bytes(), Compressed: true, Size: zipped.Len()},
		proxy.Tap{Kind: proxy.TapSend, Message: []byte{}},
		proxy.Tap{Kind: proxy.TapHalfClose},
		proxy.Tap{Kind: proxy.TapHeaders, Header: header(":status", "200", "grpc-encoding", "br")},
		proxy.Tap{Kind: proxy.TapRecv, Message: []byte("zzz"), Compressed: true, Size: 3},
		proxy.Tap{Kind: proxy.TapRecv, TooLarge: true, Size: 200 << 20},
		proxy.Tap{Kind: proxy.TapEnd, Header: header("grpc-status", "0", "x-tail", "t")},
	)
	if got, want := events[0].Metadata, (fixture.Metadata{{Name: "x-one", Value: "1"}, {Name: "x-one", Value: "2"}, {Name: "x-raw-bin", Value: "\x00\x01"}, {Name: "x-raw-bin", Value: "\x02"}}); cmp.Diff(want, got) != "" {
		t.Errorf("metadata %q, want %q", got, want)
	}
	if events[0].Authority != "host" || events[0].Peer != "p:1" {
		t.Errorf("start %+v", events[0])
	}
	if string(events[1].Bytes) != strings.Repeat("a", 100) || events[1].Size != zipped.Len() {
		t.Errorf("a compressed message is %q of size %d", events[1].Bytes, events[1].Size)
	}
	if events[2].Bytes == nil || len(events[2].Bytes) > 0 {
		t.Errorf("an empty message is %#v", events[2].Bytes)
	}
	if e := events[5]; e.Bytes != nil || e.Dropped != `its encoding "br" cannot be read` || e.Size != 3 {
		t.Errorf("a message of an unknown encoding is %+v", e)
	}
	if e := events[6]; e.Bytes != nil || e.Dropped != "larger than 100 MiB" {
		t.Errorf("a message that is too large is %+v", e)
	}
	if e := events[7]; cmp.Diff(fixture.Metadata{{Name: "x-tail", Value: "t"}}, e.Trailers) != "" {
		t.Errorf("trailers %q", e.Trailers)
	}
	if asked := taped(t, proxy.Tap{Kind: proxy.TapStart}, proxy.Tap{Kind: proxy.TapEnd, Header: header("grpc-status", "0")}); len(asked) != 2 {
		t.Errorf("%d events", len(asked))
	}
}
