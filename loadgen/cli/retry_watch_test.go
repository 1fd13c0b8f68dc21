package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"touchstone/loadgen/cli"
	"touchstone/loadgen/retry"
	"touchstone/proto/hello"
	"touchstone/server/refserver"
)

// TestRetryWatch lets grpc-go call a server through `retry watch`, which makes
// an outage: once under the policy that the client has, and once under another
// one, which the client then seems to break.
func TestRetryWatch(t *testing.T) {
	tests := []struct {
		name, policy string
		code         int
		want         string
	}{
		{"the client's own policy", retry.DefaultConfig, 0, "5 attempts, 4 of them retries, 4 of these followed, 0 mistakes"},
		{"a policy of three attempts", strings.Replace(retry.DefaultConfig, `"maxAttempts":5`, `"maxAttempts":3`, 1), 1, "attempt 4, and the policy allows 3"},
		{"a policy of longer backoffs", strings.Replace(retry.DefaultConfig, `"0.1s"`, `"0.9s"`, 1), 1, "gap 1 is"},
	}
	upstream := startReference(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			policy, faults := filepath.Join(dir, "policy.json"), filepath.Join(dir, "faults.yaml")
			for name, text := range map[string]string{policy: test.policy, faults: "- inject: {status: UNAVAILABLE}\n"} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			stdout, writer := io.Pipe()
			var stderr bytes.Buffer
			exit := make(chan int, 1)
			go func() {
				exit <- cli.Main(ctx, []string{"retry", "watch", "--upstream", upstream, "--policy", policy, "--faults", faults}, strings.NewReader(""), writer, &stderr)
				writer.Close()
			}()
			lines := bufio.NewReader(stdout)
			first, _ := lines.ReadString('\n')
			said := make(chan string, 1)
			go func() {
				rest, _ := io.ReadAll(lines)
				said <- string(rest)
			}()
			callOnce(t, strings.TrimSpace(strings.TrimPrefix(first, "listening ")))
			cancel()
			code, rest := <-exit, <-said
			if code != test.code || !strings.Contains(rest, test.want) {
				t.Errorf("watch exits %d and says\n%s%swant %d and %q", code, rest, stderr.String(), test.code, test.want)
			}
		})
	}
}

// startReference runs the reference server until the test ends.
func startReference(t *testing.T) string {
	t.Helper()
	server, err := refserver.New(refserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return listener.Addr().String()
}

// callOnce makes one call with the seed's policy; it fails.
func callOnce(t *testing.T, target string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retry.DefaultConfig))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := hello.NewHelloServiceClient(conn).SayHello(t.Context(), &hello.HelloRequest{}); err == nil {
		t.Error("the call went through, and should meet the outage")
	}
}
