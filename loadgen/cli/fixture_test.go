package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/schema"
	"touchstone/proto/hello"
)

// recordingCommand writes a recording of two calls of HelloService:
// `recording FILE [GREETING]`, the greeting being what the first call sends.
func recordingCommand(ts *testscript.TestScript, _ bool, args []string) {
	name := "Ada"
	if len(args) > 1 {
		name = strings.Join(args[1:], " ")
	}
	w, err := fixture.Create(ts.MkAbs(args[0]), fixture.Header{Tool: "test", Started: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)},
		schema.FromFiles(hello.File_hello_hello_proto), fixture.WriterConfig{})
	ts.Check(err)
	recorder := fixture.NewRecorder(w, time.Now(), fixture.RecorderConfig{Schema: schema.FromFiles(hello.File_hello_hello_proto)})
	message := append([]byte{10, byte(len(name))}, name...)
	call := recorder.Start(fixture.Event{Method: "HelloService/SayHello"})
	call.Record(fixture.Event{Kind: fixture.Send, Bytes: message})
	call.Record(fixture.Event{Kind: fixture.HalfClose})
	call.Record(fixture.Event{Kind: fixture.Headers})
	call.Record(fixture.Event{Kind: fixture.Recv, Bytes: message})
	call.Record(fixture.Event{Kind: fixture.End, Status: "OK"})
	recorder.Start(fixture.Event{Method: "HelloService/NoSuch"}).Record(fixture.Event{Kind: fixture.End, Status: "UNIMPLEMENTED"})
	ts.Check(recorder.Err())
	ts.Check(w.Close())
}

// cutCommand takes as many bytes from the end of a file as the second argument
// has: `cut FILE xxxxx`.
func cutCommand(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Clean(ts.MkAbs(args[0]))
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(path, []byte(data[:len(data)-len(args[1])]), 0o600))
}
