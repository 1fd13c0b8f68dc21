package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
)

// serverVariable makes this test binary a server instead, so that the CPU of
// the client can be told from that of the server.
const serverVariable = "TOUCHSTONE_CHANNEL_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve answers on a loopback port, which it prints, until its input ends.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, &server{say: echo})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		srv.Stop()
	}()
	fmt.Println(listener.Addr())
	_ = srv.Serve(listener)
}

// startServer starts a server in a process of its own.
func startServer(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// bareCodec is the least that a client can do: bytes out, nothing kept.
type bareCodec struct{}

func (bareCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (bareCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (bareCodec) Name() string                         { return "proto" }

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBesideBare makes unary calls, 50 at a time on each of 2
// connections, in turn through the channel transport and through a bare
// grpc-go loop with the same policy and a raw codec, against a server in
// another process. The figures are medians of the rounds, of the client's CPU:
//
//	go test -run '^$' -bench BesideBare -benchtime 15x ./loadgen/transport
func BenchmarkBesideBare(b *testing.B) {
	const connections, callers, calls = 2, 100, 20_000
	address := startServer(b)
	dial := func(policy string) (conns []grpc.ClientConnInterface) {
		for range connections {
			conn, err := grpc.NewClient(address,
				grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(policy))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { conn.Close() })
			conns = append(conns, conn)
		}
		return conns
	}
	message := encode(b, strings.Repeat("m", 48))
	req := &transport.Request{Method: "/HelloService/SayHello", Messages: message}
	plain, channel := dial(policy), transport.NewChannel(dial(transport.CountAttempts(policy))...)
	var next atomic.Uint64
	turns := []struct {
		name string
		call func(*transport.Result)
		took []time.Duration
	}{
		{"bare", func(*transport.Result) {
			var out []byte
			conn := plain[next.Add(1)%connections]
			if err := conn.Invoke(context.Background(), req.Method, &message[0], &out, grpc.ForceCodecV2(bareCodec{})); err != nil {
				b.Error(err)
			}
		}, nil},
		{"channel", func(res *transport.Result) {
			if channel.Do(context.Background(), req, res); res.Status != codes.OK || res.Attempts != 1 {
				b.Errorf("%+v", *res)
			}
		}, nil},
	}
	for range b.N + 1 { // the first round warms up
		for i := range turns {
			start := cpu()
			var running sync.WaitGroup
			for range callers {
				running.Go(func() {
					var res transport.Result
					for range calls / callers {
						turns[i].call(&res)
					}
				})
			}
			running.Wait()
			turns[i].took = append(turns[i].took, cpu()-start)
		}
	}
	var medians []float64
	for _, turn := range turns {
		took := turn.took[1:]
		slices.Sort(took)
		medians = append(medians, took[len(took)/2].Seconds())
		b.ReportMetric(medians[len(medians)-1]*1e6/calls, turn.name+"-cpu-µs/call")
	}
	b.ReportMetric(medians[1]/medians[0], "channel/bare")
}
