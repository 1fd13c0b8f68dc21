package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"touchstone/proto/hello"
	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// copyTCP is the least that a proxy can be: it copies bytes both ways.
func copyTCP(ctx context.Context, front net.Listener, dial func(context.Context) (net.Conn, error)) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		client, err := front.Accept()
		if err != nil {
			return
		}
		target, err := dial(ctx)
		if err != nil {
			client.Close()
			return
		}
		for _, pair := range [][2]net.Conn{{client, target}, {target, client}} {
			running.Go(func() {
				defer pair[0].Close()
				defer pair[1].Close()
				_, _ = io.Copy(pair[1], pair[0]) // the end of either is the end of both
			})
		}
	}
}

// lane is one way from a client to the target.
type lane struct {
	name    string
	client  hello.HelloServiceClient
	cpu     time.Duration
	elapsed []time.Duration
}

// lanes opens a way without anything in between, one with a copy of bytes, and
// two with the proxy: idle, and with a plan that fits no call and a log.
func lanes(b *testing.B) ([]*lane, func()) {
	b.Helper()
	back := listen(b)
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, &greeter{})
	var d net.Dialer
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", back.Addr().String()) }
	plan, err := fault.Parse("plan", []byte("- {match: {method: HelloService/None}, inject: {status: ABORTED}}"))
	if err != nil {
		b.Fatal(err)
	}
	serve := func(cfg proxy.Config) func(context.Context, net.Listener) {
		cfg.Dial = dial
		p, err := proxy.New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		return func(ctx context.Context, front net.Listener) { p.Serve(ctx, front) }
	}
	ways := []struct {
		name  string
		serve func(context.Context, net.Listener)
	}{
		{"none", nil},
		{"copy", func(ctx context.Context, front net.Listener) { copyTCP(ctx, front, dial) }},
		{"idle", serve(proxy.Config{})},
		{"plan+log", serve(proxy.Config{Decider: fault.NewDecider(plan, 1), Attempts: func(proxy.Attempt) {}})},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Serve(back) })
	var all []*lane
	closers := []io.Closer{}
	for _, way := range ways {
		address := back.Addr().String()
		if way.serve != nil {
			front := listen(b)
			address = front.Addr().String()
			running.Go(func() { way.serve(ctx, front) })
			closers = append(closers, front)
		}
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		closers = append(closers, conn)
		all = append(all, &lane{name: way.name, client: hello.NewHelloServiceClient(conn)})
	}
	return all, func() {
		cancel()
		for _, c := range closers {
			c.Close()
		}
		server.Stop()
		running.Wait()
	}
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// run makes calls, side by side, and keeps what they cost.
func (l *lane) run(b *testing.B, calls, parallel int) {
	before := cpuTime(b)
	took := make([]time.Duration, calls)
	var workers sync.WaitGroup
	for w := range parallel {
		workers.Go(func() {
			for i := w; i < calls; i += parallel {
				start := time.Now()
				if _, err := l.client.SayHello(b.Context(), &hello.HelloRequest{Greeting: "you"}); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	workers.Wait()
	l.cpu += cpuTime(b) - before
	l.elapsed = append(l.elapsed, took...)
}

// BenchmarkUnary compares ways to a target, call by call in one run: rounds of
// each in turn, so that whatever else the machine does hits all alike. Client,
// target and what is in between share the process; its CPU time a call is
// reported, and what a way adds to it and to the median latency beside none.
func BenchmarkUnary(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			all, end := lanes(b)
			defer end()
			for _, l := range all {
				l.run(b, 1000, parallel) // warms up
				l.cpu, l.elapsed = 0, nil
			}
			for b.Loop() {
				for _, l := range all {
					l.run(b, 200, parallel)
				}
			}
			base := all[0]
			for _, l := range all {
				calls := time.Duration(len(l.elapsed))
				b.ReportMetric(us(l.cpu/calls), l.name+"-cpu-us")
				b.ReportMetric(us(median(l.elapsed)), l.name+"-p50-us")
				if l != base {
					b.ReportMetric(us(l.cpu/calls-base.cpu/calls), l.name+"-added-cpu-us")
				}
			}
			b.ReportMetric(0, "ns/op") // of four rounds: means nothing
		})
	}
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
