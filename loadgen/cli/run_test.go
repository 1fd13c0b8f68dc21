package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"touchstone/loadgen/report"
	"touchstone/proto/hello"
)

// A signal ends a run where it is: what ran is in the report, the rest is
// skipped.
func TestSignalLeavesAReport(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	w := waiter{called: make(chan struct{}, 1)}
	hello.RegisterHelloServiceServer(server, w)
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)

	dir := t.TempDir()
	const text = "version: 1\nsteps:\n" +
		"  - {id: refused, call: HelloService/LotsOfReplies, expect: {status: UNIMPLEMENTED}}\n" +
		"  - {id: waiting, call: HelloService/SayHello}\n  - {id: later, call: HelloService/SayHello}\n"
	if err := os.WriteFile(filepath.Join(dir, "wait.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := process(t, "loadgen", "run", dir, "--plaintext", "--target", listener.Addr().String(), "--report", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-w.called
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v, want exit code 130", cmd.ProcessState)
	}

	r, err := report.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Passed || r.ExitCode != 130 {
		t.Errorf("the report says passed %v, exit code %d, want 130", r.Passed, r.ExitCode)
	}
	var got []string
	for _, step := range r.Scenarios[0].Steps {
		got = append(got, step.ID+" "+step.Status+step.Reason)
	}
	if diff := cmp.Diff([]string{"refused UNIMPLEMENTED", "waiting interrupted", "later interrupted"}, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
