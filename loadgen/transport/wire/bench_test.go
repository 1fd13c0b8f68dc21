package wire_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/server/refserver"
)

// serverVariable makes this test binary a server instead, so that the CPU of
// the client can be told from that of the server.
const serverVariable = "TOUCHSTONE_WIRE_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve is the reference server on a loopback port, which it prints, until its
// input ends.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := refserver.New(refserver.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	fmt.Println(listener.Addr())
	_ = srv.Serve(ctx, listener)
}

// startServer starts a server in a process of its own.
func startServer(t testing.TB) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// dialled is a transport to an address, all of its connections up.
func dialled(t testing.TB, address string, connections int) *wire.Transport {
	var d net.Dialer
	w, err := wire.New(wire.Config{Authority: address, Connections: connections,
		Dial: func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := w.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// callers make calls without a pause between one and the next, and take every
// one down: its status, its message's length and its time.
type callers struct {
	via   *wire.Transport
	req   *transport.Request
	bytes int // of a response

	left  atomic.Int64
	ended chan struct{}
	lines []line // by connection
}

// line is what the calls of one connection add up to.
type line struct {
	times     *hist.Histogram
	good, bad int
	underway  int
	example   string   // of a bad call
	_         [64]byte // from the next line: other processors write that
}

// run makes calls, streams of them at a time on each connection.
func (c *callers) run(connections, streams, calls int) {
	c.ended = make(chan struct{}, connections)
	c.left.Store(int64(calls))
	c.lines = make([]line, connections)
	results := make([]transport.Result, connections*streams)
	for i := range c.lines {
		c.lines[i].times, c.lines[i].underway = hist.New(), streams
	}
	for i := range results {
		results[i].Connection = i%connections + 1
		c.left.Add(-1)
		c.via.Start(context.Background(), c.req, &results[i], c)
	}
	for range connections {
		<-c.ended
	}
}

// Ended implements transport.Ender.
func (c *callers) Ended(res *transport.Result) {
	l := &c.lines[res.Connection-1]
	if res.Status == codes.OK && res.Received == 1 && res.Bytes == c.bytes {
		l.good++
	} else {
		l.bad++
		l.example = fmt.Sprintf("%+v", *res)
	}
	l.times.Record(res.Done.Sub(res.Start))
	if c.left.Add(-1) >= 0 {
		c.via.Start(context.Background(), c.req, res, c)
		return
	}
	if l.underway--; l.underway == 0 {
		c.ended <- struct{}{}
	}
}

// check fails unless every call was good, and recorded.
func (c *callers) check(b testing.TB, calls int) {
	var good, recorded int
	for i := range c.lines {
		good, recorded = good+c.lines[i].good, recorded+int(c.lines[i].times.Count())
		if c.lines[i].bad > 0 {
			b.Fatalf("%d bad calls, such as %s", c.lines[i].bad, c.lines[i].example)
		}
	}
	if good != calls || recorded != calls {
		b.Fatalf("%d good calls, %d recorded, want %d", good, recorded, calls)
	}
}

// cpu returns the CPU time that some processes have used.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBesideH2load makes unary calls with messages of 50 bytes on 2
// connections, 50 at a time on each, with this transport and with h2load, in
// turn, against the reference server in another process. This side checks and
// takes down each call; h2load does not look at grpc-status. The figures are
// medians of the rounds:
//
//	go test -run '^$' -bench BesideH2load -benchtime 5x ./loadgen/transport/wire
func BenchmarkBesideH2load(b *testing.B) {
	const connections, streams, calls = 2, 50, 400_000
	address := startServer(b)
	c := &callers{via: dialled(b, address, connections), bytes: 58,
		req: &transport.Request{Method: service + "SayHello", Messages: encode(b, strings.Repeat("m", 48))}}
	h2load := besides(b, address, c.req.Messages[0], connections, streams, calls)
	c.run(connections, streams, calls/10) // warm up
	b.ReportAllocs()
	var ours, theirs []time.Duration
	for b.Loop() {
		start := cpu(syscall.RUSAGE_SELF)
		c.run(connections, streams, calls)
		ours = append(ours, cpu(syscall.RUSAGE_SELF)-start)
		b.StopTimer() // allocations are ours only
		c.check(b, calls)
		theirs = append(theirs, h2load())
		b.StartTimer()
	}
	b.ReportMetric(median(ours).Seconds()*1e6/calls, "wire-cpu-µs/call")
	b.ReportMetric(median(theirs).Seconds()*1e6/calls, "h2load-cpu-µs/call")
	b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "wire/h2load")
}

// BenchmarkStart is our half of BenchmarkBesideH2load. 10 million calls, and
// the most memory that the process ever had:
//
//	go test -run '^$' -bench Start -benchtime 25x ./loadgen/transport/wire
func BenchmarkStart(b *testing.B) {
	const connections, streams, calls = 2, 50, 400_000
	c := &callers{via: dialled(b, startServer(b), connections), bytes: 58,
		req: &transport.Request{Method: service + "SayHello", Messages: encode(b, strings.Repeat("m", 48))}}
	c.run(connections, streams, calls/10) // warm up
	b.ReportAllocs()
	start := cpu(syscall.RUSAGE_SELF)
	for b.Loop() {
		c.run(connections, streams, calls)
		c.check(b, calls)
	}
	b.ReportMetric((cpu(syscall.RUSAGE_SELF)-start).Seconds()*1e6/calls/float64(b.N), "cpu-µs/call")
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	b.ReportMetric(float64(u.Maxrss)/1024, "max-rss-MB")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// besides returns what runs h2load and tells the CPU time that it took.
func besides(b *testing.B, address string, message []byte, connections, streams, calls int) func() time.Duration {
	program, err := exec.LookPath("h2load")
	if err != nil {
		b.Skip("h2load is not installed (Debian: nghttp2-client)")
	}
	body := b.TempDir() + "/body"
	prefix := []byte{0, 0, 0, 0, byte(len(message))}
	if err := os.WriteFile(body, append(prefix, message...), 0o600); err != nil {
		b.Fatal(err)
	}
	return func() time.Duration {
		cmd := exec.Command(program, "-n", fmt.Sprint(calls), "-c", fmt.Sprint(connections), "-m", fmt.Sprint(streams), "-d", body,
			"-H", "content-type: application/grpc", "-H", "te: trailers", "http://"+address+service+"SayHello")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("h2load: %v\n%s", err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
}

// BenchmarkPaced starts a call every 100 µs, as a load with a schedule does.
func BenchmarkPaced(b *testing.B) {
	w := dialled(b, startServer(b), 2)
	req := &transport.Request{Method: service + "SayHello", Messages: encode(b, strings.Repeat("m", 48))}
	results := make([]transport.Result, 64)
	free := make(chan *transport.Result, len(results))
	for i := range results {
		free <- &results[i]
	}
	end := endedInto(free)
	times := hist.New()
	start := cpu(syscall.RUSAGE_SELF)
	for b.Loop() {
		res := <-free
		if res.Received > 0 {
			times.Record(res.Done.Sub(res.Start))
		}
		w.Start(context.Background(), req, res, end)
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric((cpu(syscall.RUSAGE_SELF)-start).Seconds()*1e6/float64(b.N), "cpu-µs/call")
	b.ReportMetric(float64(times.Quantile(0.5).Nanoseconds())/1e3, "median-µs")
}

// endedInto puts results back.
type endedInto chan *transport.Result

// Ended implements transport.Ender.
func (free endedInto) Ended(res *transport.Result) { free <- res }
