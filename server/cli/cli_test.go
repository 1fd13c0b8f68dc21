package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"touchstone/proto/hello"
	"touchstone/server/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"detect-server": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
		"hello": func() { os.Exit(run(sayHello)) },
		"hold":  func() { os.Exit(run(hold)) },
	})
}

// TestScripts runs the scripts in testdata/script. Beside the server they have
//
//	hello ADDR       say hello, and print the reply or the status
//	hold ADDR MODE   open a conversation, note that in the file held, and wait
//	                 until the server shuts down. Then, with MODE finish, end
//	                 the conversation; with MODE stay, note that in the file
//	                 draining, and wait for the server to end it
//	waitfile FILE    wait until a file exists
//	term             send SIGTERM to the server in the background
//	certificate      write cert.pem and key.pem
//	exits N CMD...   run a command that has to exit with code N
//	code N           the server that term stopped has exited with code N
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Values[stopped{}] = &stopped{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"waitfile":    waitFile,
			"term":        term,
			"certificate": certificate,
			"exits":       exits,
			"code":        code,
		},
	})
}

// waitFile polls for a file. It gives up before the test's own limit does, so
// that the script's log is shown.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for range 6000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not come", args[0])
}

// stopped holds the server that term has signalled.
type stopped struct{ cmd *exec.Cmd }

func term(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		if filepath.Base(cmd.Path) == "detect-server" {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
			ts.Value(stopped{}).(*stopped).cmd = cmd
		}
	}
}

// code compares the exit code of a server that the script has waited for.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if got := fmt.Sprint(ts.Value(stopped{}).(*stopped).cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// exits runs a command and compares its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	if got := fmt.Sprint(exitCode(err)); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// exitCode returns the code that a command ended with.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

// certificate writes a self-signed certificate, which is its own CA.
func certificate(ts *testscript.TestScript, _ bool, _ []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	write := func(name, kind string, bytes []byte) {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
	}
	write("cert.pem", "CERTIFICATE", der)
	write("key.pem", "PRIVATE KEY", private)
}

// run is the frame of a client: it dials the first argument, and waits for the
// server to come up.
func run(client func(context.Context, *grpc.ClientConn) error) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err == nil {
		defer conn.Close()
		err = client(ctx, conn)
	}
	if err != nil {
		fmt.Println("status", status.Code(err))
		return 1
	}
	return 0
}

func sayHello(ctx context.Context, conn *grpc.ClientConn) error {
	got, err := hello.NewHelloServiceClient(conn).SayHello(ctx, &hello.HelloRequest{Greeting: "Ada"})
	if err == nil {
		fmt.Println(got.Reply)
	}
	return err
}

func hold(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := hello.NewHelloServiceClient(conn).BidiHello(ctx)
	if err != nil {
		return err
	}
	if err := exchange(stream); err != nil {
		return err
	}
	if err := shutdownSeen(ctx, conn); err != nil {
		return err
	}
	if os.Args[2] == "stay" {
		if err := os.WriteFile("draining", nil, 0o600); err != nil {
			return err
		}
		_, err := stream.Recv()
		return err
	}
	if err := exchange(stream); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return err
	}
	fmt.Println("finished")
	return nil
}

// exchange sends a greeting and waits for the reply.
func exchange(stream grpc.BidiStreamingClient[hello.HelloRequest, hello.HelloResponse]) error {
	if err := stream.Send(&hello.HelloRequest{Greeting: "Ada"}); err != nil {
		return err
	}
	_, err := stream.Recv()
	return err
}

// shutdownSeen waits until the health service reports NOT_SERVING. It notes in
// the file held that it watches.
func shutdownSeen(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	for err == nil {
		var got *healthpb.HealthCheckResponse
		got, err = watch.Recv()
		switch got.GetStatus() {
		case healthpb.HealthCheckResponse_SERVING:
			err = os.WriteFile("held", nil, 0o600)
		case healthpb.HealthCheckResponse_NOT_SERVING:
			return nil
		}
	}
	return err
}
