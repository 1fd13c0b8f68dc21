package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/cli"
	"touchstone/proto/hello"
	servercli "touchstone/server/cli"
)

// TestMain makes this test binary loadgen and detect-server as well: under
// those names, for scripts, and under the hidden argument with which loadgen
// starts its own server.
func TestMain(m *testing.M) {
	run := func(main func(context.Context, []string, io.Reader, io.Writer, io.Writer) int) func() {
		return func() { os.Exit(main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
	}
	if len(os.Args) > 1 && os.Args[1] == "detect-server" {
		run(cli.Main)() // a test called cli.Main without --target
	}
	testscript.Main(m, map[string]func(){
		"loadgen":       run(cli.Main),
		"detect-server": run(servercli.Main),
	})
}

// TestScripts runs testdata/script. Besides loadgen and detect-server, scripts
// have `serve HOW`, which starts a server within the test and puts its address
// into $TARGET, `exits CODE COMMAND`, which compares the exit code, `address`,
// which puts an address for a program into $ADDRESS, `await`, which waits
// until that listens, `recording FILE [GREETING]`, which makes a recording, and
// `cut FILE xxx`, which takes as many bytes from a file's end. $SCENARIOS and $FIXTURES are the project's own.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("scripts run whole programs, which make test does")
	}
	scenarios, err := filepath.Abs("../../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	fixtures := filepath.Join(filepath.Dir(scenarios), "fixtures")
	testscript.Run(t, testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Setenv("SCENARIOS", scenarios)
			e.Setenv("FIXTURES", fixtures)
			return checkReports(e)
		},
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveCommand, "exits": exitsCommand, "address": addressCommand, "await": awaitCommand,
			"recording": recordingCommand, "cut": cutCommand},
	})
}

// exitsCommand runs a command that has to end with a given exit code.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exited, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exited.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s exits %d, want %s", args[1], code, args[0])
	}
}

// serveCommand starts a HelloService, or with interop grpc-go's TestService.
// The other arguments say how: v1, v1alpha or none for its reflection, unix for a socket in the work folder, tls or mtls
// for TLS with the certificate in cert.pem and the key in key.pem, guard for
// one that wants a header, and silent for a port that accepts and never
// answers.
func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	network, address := "tcp", "127.0.0.1:0"
	if slices.Contains(args, "unix") {
		network, address = "unix", ts.MkAbs("s.sock")
		ts.Setenv("TARGET", "unix:"+address)
	}
	listener, err := net.Listen(network, address)
	ts.Check(err)
	if network == "tcp" {
		ts.Setenv("TARGET", listener.Addr().String())
	}
	ts.Defer(func() { listener.Close() })
	if slices.Contains(args, "silent") {
		return
	}
	var opts []grpc.ServerOption
	switch {
	case slices.Contains(args, "tls"):
		opts = append(opts, grpc.Creds(certificate(ts, tls.NoClientCert)))
	case slices.Contains(args, "mtls"):
		opts = append(opts, grpc.Creds(certificate(ts, tls.RequireAndVerifyClientCert)))
	}
	if slices.Contains(args, "guard") {
		opts = append(opts, grpc.StreamInterceptor(guardStream), grpc.UnaryInterceptor(guardUnary))
	}
	server := grpc.NewServer(opts...)
	if slices.Contains(args, "interop") {
		grpc_testing.RegisterTestServiceServer(server, interop.NewTestServer())
	} else {
		hello.RegisterHelloServiceServer(server, talker{})
	}
	options := reflection.ServerOptions{Services: server}
	switch {
	case slices.Contains(args, "v1"):
		reflectv1.RegisterServerReflectionServer(server, reflection.NewServerV1(options))
	case slices.Contains(args, "v1alpha"):
		reflectv1alpha.RegisterServerReflectionServer(server, reflection.NewServer(options))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	ts.Defer(func() {
		server.Stop()
		<-done
	})
}

// certificate makes a certificate for localhost, writes it to cert.pem and its
// key to key.pem, and returns both. Clients are verified against it as well.
func certificate(ts *testscript.TestScript, clients tls.ClientAuthType) credentials.TransportCredentials {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	ts.Check(err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: clients, ClientCAs: pool})
}

// allowed lets in calls that carry the header x-key: open.
func allowed(ctx context.Context) error {
	if md, _ := metadata.FromIncomingContext(ctx); !slices.Equal(md["x-key"], []string{"open"}) {
		return status.Error(codes.Unauthenticated, "no x-key")
	}
	return nil
}

func guardStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := allowed(stream.Context()); err != nil {
		return err
	}
	return handle(srv, stream)
}

func guardUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := allowed(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

// talker is a HelloService that answers with what it was told. A greeting of
// "fail" gets a status with details, "hang" no answer, "flaky" UNAVAILABLE for
// two attempts, and "authority" the :authority of the call.
type talker struct {
	hello.UnimplementedHelloServiceServer
}

func (talker) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	switch in.Greeting {
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "flaky":
		md, _ := metadata.FromIncomingContext(ctx)
		if !slices.Equal(md["grpc-previous-rpc-attempts"], []string{"2"}) {
			return nil, status.Error(codes.Unavailable, "try again")
		}
	case "authority":
		md, _ := metadata.FromIncomingContext(ctx)
		return &hello.HelloResponse{Reply: md[":authority"][0]}, nil
	case "fail":
		s, err := status.New(codes.FailedPrecondition, "not today").WithDetails(&errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "greeting", Description: "unfriendly"}}})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-head", "h")); err != nil {
		return nil, err
	}
	return &hello.HelloResponse{Reply: "hello " + in.Greeting}, grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t"))
}

func (talker) LotsOfReplies(in *hello.HelloRequest, stream grpc.ServerStreamingServer[hello.HelloResponse]) error {
	for _, word := range []string{"one ", "two "} {
		if err := stream.Send(&hello.HelloResponse{Reply: word + in.Greeting}); err != nil {
			return err
		}
	}
	return nil
}

func (talker) LotsOfGreetings(stream grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	all := ""
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&hello.HelloResponse{Reply: "all:" + all})
		}
		if err != nil {
			return err
		}
		all += " " + in.Greeting
	}
}

func (talker) BidiHello(stream grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&hello.HelloResponse{Reply: "hello " + in.Greeting}); err != nil {
			return err
		}
	}
}
