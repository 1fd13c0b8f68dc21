package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/report"
	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
)

// serverVariable makes this test binary a server instead, so that the CPU of
// the client can be told from that of the server.
const serverVariable = "TOUCHSTONE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

type greeter struct {
	hello.UnimplementedHelloServiceServer
}

func (greeter) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	return &hello.HelloResponse{Reply: in.Greeting}, nil
}

// BidiHello says "well" as soon as a message comes, and answers it 20 ms later.
func (greeter) BidiHello(stream grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	var answers sync.WaitGroup
	defer answers.Wait()
	var mu sync.Mutex // one sends at a time
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		_ = stream.Send(&hello.HelloResponse{Reply: text}) // receiving tells
	}
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		say("well")
		answers.Go(func() {
			time.Sleep(20 * time.Millisecond)
			say(in.Greeting)
		})
	}
}

// serve answers on a loopback port, which it prints, until its input ends.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, greeter{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		srv.Stop()
	}()
	fmt.Println(listener.Addr())
	_ = srv.Serve(listener)
}

// startServer starts a server in a process of its own, and returns its address.
func startServer(b *testing.B) (string, *os.Process) {
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
	b.Cleanup(func() { stdin.Close(); cmd.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address), cmd.Process
}

const policy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",
	"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

func client(b *testing.B, address string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(policy)}, options...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

// bareCodec is the least that a client can do: bytes out, nothing kept.
type bareCodec struct{}

func (bareCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (bareCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (bareCodec) Name() string                         { return "proto" }

// cpu returns the CPU time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkClientCPU runs a closed loop of 50 callers, in turn through the
// engine and the channel transport, and as bare grpc-go loops with the same
// policy and a raw codec, against a server in another process. ratio is that
// of the CPU time of this process a call.
func BenchmarkClientCPU(b *testing.B) {
	const callers, calls = 50, 50_000
	address, _ := startServer(b)
	message := []byte("\x0a\x17hello, is anybody there")
	request := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{message}}
	channel := transport.NewChannel(client(b, address, grpc.WithDefaultServiceConfig(transport.CountAttempts(policy))))
	plain := client(b, address)
	full := func() {
		l, err := engine.Run(b.Context(), engine.Config{
			Transport: channel, Next: func(int) *transport.Request { return request }, Closed: callers, Requests: calls,
		})
		if err != nil || l.Statuses["OK"] != calls {
			b.Fatal(err, l.Statuses)
		}
	}
	bare := func() {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for range calls / callers {
					var out []byte
					if err := plain.Invoke(context.Background(), request.Method, &message, &out, grpc.ForceCodecV2(bareCodec{})); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	full() // connect
	bare()
	var ours, theirs time.Duration
	for b.Loop() {
		start := cpu()
		full()
		middle := cpu()
		bare()
		ours += middle - start
		theirs += cpu() - middle
	}
	perCall := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(b.N*calls) }
	b.ReportMetric(perCall(ours), "engine-cpu-µs/call")
	b.ReportMetric(perCall(theirs), "bare-cpu-µs/call")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

// BenchmarkLag runs an open loop at 10,000 calls a second against a server in
// another process, and reports how late calls leave, and what that costs.
func BenchmarkLag(b *testing.B) {
	const rate = 10_000
	address, _ := startServer(b)
	request := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{[]byte("\x0a\x02hi")}}
	for _, via := range []struct {
		name      string
		transport transport.Transport
	}{{"channel", transport.NewChannel(client(b, address))}, {"wire", wireTo(b, address, 2)}} {
		b.Run("transport="+via.name, func(b *testing.B) {
			var p50, p99, cpu float64
			for b.Loop() {
				l, err := engine.Run(b.Context(), engine.Config{
					Transport: via.transport, Next: func(int) *transport.Request { return request },
					Schedule: pace.Constant(rate), Warmup: 200 * time.Millisecond, Duration: time.Second,
				})
				if err != nil || l.Statuses["OK"] != rate {
					b.Fatal(err, l.Statuses)
				}
				p50, p99, cpu = p50+*l.Lag.P50, p99+*l.Lag.P99, cpu+l.CPU.USPerCall
			}
			b.ReportMetric(p50*1000/float64(b.N), "lag-p50-µs")
			b.ReportMetric(p99*1000/float64(b.N), "lag-p99-µs")
			b.ReportMetric(cpu/float64(b.N), "cpu-µs/call")
		})
	}
}

// wireTo returns a wire transport with its connections up.
func wireTo(b *testing.B, address string, connections int) *wire.Transport {
	w, err := wire.New(wire.Config{
		Authority: address, Connections: connections,
		Dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	if err := w.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkFreeze stops the server's process for 5 s in a run of 20 s at 500
// calls a second, over 10 connections, with the defaults. One percent of the
// calls, 100, wait longer than the one that is due 200 ms after the stop, so
// p99 should be 4.8 s; off-% is how far from that it is.
//
//	go test ./loadgen/engine -run '^$' -bench Freeze -benchtime 1x
func BenchmarkFreeze(b *testing.B) {
	const truth = 4800.0
	for _, name := range []string{"channel", "wire"} {
		b.Run("transport="+name, func(b *testing.B) {
			address, process := startServer(b)
			var via transport.Transport
			if via = wireTo(b, address, connections); name == "channel" {
				var conns []grpc.ClientConnInterface
				for range connections {
					conns = append(conns, client(b, address))
				}
				via = transport.NewChannel(conns...)
			}
			for b.Loop() {
				freeze := time.AfterFunc(6*time.Second, func() { _ = process.Signal(syscall.SIGSTOP) })
				thaw := time.AfterFunc(11*time.Second, func() { _ = process.Signal(syscall.SIGCONT) })
				l, err := engine.Run(b.Context(), engine.Config{
					Name: name, Transport: via, Next: sayHello, Schedule: pace.Constant(500), Warmup: time.Second, Duration: 20 * time.Second,
				})
				freeze.Stop()
				thaw.Stop()
				if err != nil || l.Statuses["OK"] != 10_000 {
					b.Fatal(err, l.Statuses)
				}
				b.ReportMetric(*l.Response.P99, "p99-ms")
				b.ReportMetric(100*(*l.Response.P99-truth)/truth, "off-%")
				b.ReportMetric(*l.Lag.P99*1000, "lag-p99-µs")
				b.ReportMetric(float64(l.Dropped), "dropped")
			}
		})
	}
}

// BenchmarkTenMillion makes ten million calls over wire, and reports the
// largest memory that this process took, and the time and CPU of a call.
//
//	go test ./loadgen/engine -run '^$' -bench TenMillion -benchtime 1x
func BenchmarkTenMillion(b *testing.B) {
	const calls = 10_000_000
	address, _ := startServer(b)
	via := wireTo(b, address, 2)
	for b.Loop() {
		l, err := engine.Run(b.Context(), engine.Config{Transport: via, Next: fixed(), Closed: 100, Requests: calls})
		if err != nil || l.Statuses["OK"] != calls {
			b.Fatal(err, l.Statuses)
		}
		b.ReportMetric(l.MaxRSSMB, "max-rss-MB")
		b.ReportMetric(l.AchievedRPS, "calls/s")
		b.ReportMetric(l.CPU.USPerCall, "cpu-µs/call")
	}
}

// BenchmarkCalls makes calls over wire to a server in another process: what a
// call costs, and allocates.
func BenchmarkCalls(b *testing.B) {
	address, _ := startServer(b)
	via := wireTo(b, address, 2)
	run := func(calls int) report.Load {
		l, err := engine.Run(b.Context(), engine.Config{Transport: via, Next: fixed(), Closed: 100, Requests: calls})
		if err != nil || l.Statuses["OK"] != int64(calls) {
			b.Fatal(err, l.Statuses)
		}
		return l
	}
	run(1000)
	b.ReportAllocs()
	b.ResetTimer()
	l := run(b.N)
	b.ReportMetric(l.CPU.USPerCall, "cpu-µs/call")
}

// fixed returns the same call again and again.
func fixed() func(int) *transport.Request {
	const greeting = "hello, is anybody there who would like to answer"
	message := append([]byte{0x0a, byte(len(greeting))}, greeting...)
	req := &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{message}}
	return func(int) *transport.Request { return req }
}
