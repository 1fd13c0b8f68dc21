package cli_test

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	"touchstone/loadgen/cli"
	"touchstone/loadgen/report"
)

// TestInterop runs scenarios of every kind against a service that loadgen has
// never seen: grpc-go's own interop TestService, known through reflection. The
// scenarios are named after the interop test cases they restate.
func TestInterop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, interop.NewTestServer())
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)

	files, err := filepath.Glob("testdata/interop/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	code := cli.Main(t.Context(), []string{"run", "testdata/interop", "--target", listener.Addr().String(), "--plaintext", "--report", dir},
		strings.NewReader(""), &stdout, &stderr)
	if code != 0 {
		t.Errorf("loadgen run exits %d, want 0\n%s%s", code, stdout.String(), stderr.String())
	}
	run, err := report.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	for _, scenario := range run.Scenarios {
		passed[scenario.Name] = scenario.Status == report.Passed
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); !passed[name] {
			t.Errorf("%s did not pass", name)
		}
	}
}
