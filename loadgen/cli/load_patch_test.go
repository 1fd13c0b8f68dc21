package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"touchstone/loadgen/cli"
	"touchstone/proto/hello"
)

// listener keeps what it hears.
type listener struct {
	greeter
	mu    sync.Mutex // guards heard
	heard map[string]int
}

func (l *listener) hear(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[text]++
}

func (l *listener) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	l.hear(in.Greeting)
	return &hello.HelloResponse{}, nil
}

func (l *listener) LotsOfGreetings(stream grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	var all []string
	for in, err := stream.Recv(); err == nil; in, err = stream.Recv() {
		all = append(all, in.Greeting)
	}
	l.hear(strings.Join(all, "+"))
	return stream.SendAndClose(&hello.HelloResponse{})
}

// TestLoadMakesAMessageForEachCall: on both transports, each message is heard
// as often as its call was made, none is mixed up with another.
func TestLoadMakesAMessageForEachCall(t *testing.T) {
	rows := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(rows, []byte("name\nAda\n\"Grace \"\"B\"\" H\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, via := range []string{"channel", "wire"} {
		t.Run(via, func(t *testing.T) {
			l := &listener{heard: map[string]int{}}
			address := serveHello(t, l)
			load := func(method string, args ...string) {
				t.Helper()
				var stdout, stderr bytes.Buffer
				args = append([]string{"load", "HelloService/" + method, "--target", address, "--plaintext", "--transport", via,
					"--closed", "20", "--requests", "200", "--data-rows", rows, "--report", t.TempDir()}, args...)
				if code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != 0 {
					t.Fatalf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
				}
			}

			load("SayHello", "-d", `{"greeting": "{\"n\": ${i}, \"of\": \"${row.name}\"}"}`)
			for k := range 200 {
				name := [...]string{"Ada", `Grace \"B\" H`}[k%2]
				if text := fmt.Sprintf(`{"n": %d, "of": "%s"}`, k, name); l.heard[text] != 1 {
					t.Errorf("%s was heard %d times", text, l.heard[text])
				}
			}
			clear(l.heard)
			load("LotsOfGreetings", "-d", `{"greeting": "a${i}"} {"greeting": "b"} {"greeting": "c${i % 10}"}`)
			for k := range 200 {
				if text := fmt.Sprintf("a%d+b+c%d", k, k%10); l.heard[text] != 1 {
					t.Errorf("%s was heard %d times", text, l.heard[text])
				}
			}
			clear(l.heard)
			load("SayHello", "-d", `{"greeting": "${uuid()}"}`)
			if len(l.heard) != 200 {
				t.Errorf("200 calls had %d UUIDs", len(l.heard))
			}
		})
	}
}

// serveHello serves on loopback until the test ends.
func serveHello(t *testing.T, s hello.HelloServiceServer) string {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, s)
	reflection.Register(server)
	ended := make(chan error)
	go func() { ended <- server.Serve(at) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return at.Addr().String()
}

// TestLoadMistakesInExpressions have a place, and end with the code of a file.
func TestLoadMistakesInExpressions(t *testing.T) {
	address := serveHello(t, &greeter{})
	for _, row := range []struct{ data, rows, want string }{
		{`{"greeting": "u-${j}"}`, "", "-d:1:19: a load cannot compute"},
		{`{"greeting": "${row.x}"}`, "", "--data-rows FILE"},
		{`{"greeting": "${row.x}"}`, "missing.csv", "--data-rows: open missing.csv"},
		{`{"greetin": "${i}"}`, "", `did you mean "greeting"?`},
	} {
		var stdout, stderr bytes.Buffer
		args := []string{"load", "HelloService/SayHello", "--target", address, "--plaintext", "--rate", "5", "-d", row.data, "--data-rows", row.rows}
		code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		if code != 3 || !strings.Contains(stderr.String(), row.want) {
			t.Errorf("%s: exit code %d\n%s", row.data, code, stderr.String())
		}
	}
}
