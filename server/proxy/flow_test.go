package proxy_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"touchstone/proto/hello"
	"touchstone/server/proxy"
)

// credits counts the window that the proxy gives a raw peer: on the
// connection, and on one stream.
type credits struct {
	mu           sync.Mutex
	conn, stream int64
}

// follow reads the proxy's frames until the connection ends.
func (c *credits) follow(p *peer, stream uint32) {
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			return
		}
		if f, ok := f.(*http2.WindowUpdateFrame); ok {
			c.mu.Lock()
			if f.StreamID == 0 {
				c.conn += int64(f.Increment)
			} else if f.StreamID == stream {
				c.stream += int64(f.Increment)
			}
			c.mu.Unlock()
		}
	}
}

// take returns up to n bytes of credit, and takes it.
func (c *credits) take(n int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.conn, c.stream)
	c.conn -= n
	c.stream -= n
	return n
}

// pour sends DATA on a stream until its window is used up, and returns how
// much it was.
func (c *credits) pour(p *peer, stream uint32) int64 {
	total := int64(0)
	for {
		n := c.take(16 << 10)
		if n == 0 {
			synctest.Wait()
			if n = c.take(16 << 10); n == 0 {
				return total
			}
		}
		p.must(p.framer.WriteData(stream, false, make([]byte, n)))
		total += n
	}
}

// TestFlowControlIsEndToEnd has a client that takes 65535 bytes of a stream
// and no more: that much and one window of the proxy is what the target can
// send of it, however often it tries. Then the client takes 100,000 more.
func TestFlowControlIsEndToEnd(t *testing.T) {
	const window = 32 << 10
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{StreamWindow: window}, "")
		defer w.close()
		client, target := w.both()
		defer client.conn.Close()
		defer target.conn.Close()
		client.must(client.framer.WriteWindowUpdate(0, 1<<20))
		client.headers(3, true, request()...)
		target.wants("3 headers")
		got := &counter{}
		go got.count(client)
		c := &credits{conn: 1 << 20, stream: window}
		go c.follow(target, 3)
		target.headers(3, false, ok...)

		sent := c.pour(target, 3)
		if got.bytes(3) != 65535 || sent < 65535+window/2 || sent > 65535+window {
			t.Errorf("the target sent %d bytes, the client got %d; want between %d and %d, and 65535", sent, got.bytes(3), 65535+window/2, 65535+window)
		}
		client.must(client.framer.WriteWindowUpdate(3, 100_000))
		synctest.Wait()
		sent += c.pour(target, 3)
		if got.bytes(3) != 165535 || sent < 165535+window/2 || sent > 165535+window {
			t.Errorf("then the target sent %d bytes in all, and the client got %d", sent, got.bytes(3))
		}
	})
}

// counter counts the DATA that a peer is sent, by stream.
type counter struct {
	mu  sync.Mutex
	all map[uint32]int64
}

func (c *counter) count(p *peer) {
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			return
		}
		if f, ok := f.(*http2.DataFrame); ok {
			c.mu.Lock()
			if c.all == nil {
				c.all = map[uint32]int64{}
			}
			c.all[f.StreamID] += int64(len(f.Data()))
			c.mu.Unlock()
		}
	}
}

func (c *counter) bytes(stream uint32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[stream]
}

// TestRequestsAreHeldBackByTheTarget is the same in the other direction: what
// a client can send of a request that the target does not take.
func TestRequestsAreHeldBackByTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, proxy.Config{}, "")
		defer w.close()
		client, target := w.both(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		defer client.conn.Close()
		defer target.conn.Close()
		c := &credits{conn: 1 << 20, stream: 64 << 10}
		go c.follow(client, 3)
		got := &counter{}
		go got.count(target)
		client.headers(3, false, request()...)
		if sent := c.pour(client, 3); sent != 64<<10 || got.bytes(3) != 1000 {
			t.Errorf("the client sent %d bytes and the target got %d, want 65536 and 1000", sent, got.bytes(3))
		}
	})
}

// TestManyStalledStreamsStallNoOther has more bytes stalled than one
// connection's default window, and a stream beside them that goes on.
func TestManyStalledStreamsStallNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, &greeter{replies: 100, size: 10_000}, "", noRetry)
		defer p.close()
		for range 50 {
			stream, err := p.client.LotsOfReplies(t.Context(), &hello.HelloRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Header(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for range 20 {
			if _, err := p.client.SayHello(t.Context(), &hello.HelloRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTenThousandStreams has as many calls under way at a time, on one
// connection.
func TestTenThousandStreams(t *testing.T) {
	const n = 10_000
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, &greeter{}, "", noRetry)
		defer p.close()
		streams := make([]grpc.BidiStreamingClient[hello.HelloRequest, hello.HelloResponse], n)
		for i := range streams {
			stream, err := p.client.BidiHello(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			streams[i] = stream
		}
		for i, stream := range streams {
			if err := stream.Send(&hello.HelloRequest{Greeting: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for i, stream := range streams {
			if reply, err := stream.Recv(); err != nil || reply.Reply != fmt.Sprint(i) {
				t.Fatalf("stream %d: %v, %v", i, reply, err)
			}
		}
		for i, stream := range streams {
			stream.CloseSend()
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Fatalf("stream %d ends with %v", i, err)
			}
		}
		synctest.Wait()
		if seen := len(p.seen()); seen != n {
			t.Errorf("%d attempts, want %d", seen, n)
		}
	})
}

// TestMessagesOf100MiB sends one there, and one back, through raw ends, which do
// not keep it: the proxy does not either.
func TestMessagesOf100MiB(t *testing.T) {
	const size = 100 << 20
	for _, back := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, proxy.Config{}, "")
			defer w.close()
			client, target := w.both()
			defer target.conn.Close()
			client.headers(3, false, request()...)
			target.wants("3 headers")
			target.headers(3, false, ok...)
			client.wants("3 headers")
			from, to := client, target
			if back {
				from, to = target, client
			}
			before := liveHeap()
			if grown := carry(from, to, size) - before; grown > 8<<20 {
				t.Errorf("back %v: the heap grew by %d bytes", back, grown)
			}
			client.conn.Close()
			synctest.Wait()
			a := w.seen()
			if len(a) != 2 || a[1].Messages+a[1].ResponseMessages != 1 || a[1].Bytes+a[1].ResponseBytes != size+5 {
				t.Errorf("back %v: attempts = %+v", back, a)
			}
		})
	}
}

// carry sends a message of a size on stream 3 and waits until it has been
// read. It returns the largest heap that it saw on the way.
func carry(from, to *peer, size int) (most int64) {
	all := size + 5
	c, done := &credits{conn: 1 << 30, stream: 64 << 10}, make(chan struct{})
	go func() {
		defer close(done)
		to.swallow(all)
	}()
	go c.follow(from, 3)
	body := message(string(make([]byte, 16<<10)))
	binary.BigEndian.PutUint32(body[1:], uint32(size))
	for left := all; left > 0; {
		n := int(c.take(int64(min(left, 16<<10))))
		if n == 0 {
			synctest.Wait()
			continue
		}
		from.must(from.framer.WriteData(3, false, body[:n]))
		if left == all {
			body = make([]byte, 16<<10)
		}
		if (left-n)>>23 != left>>23 {
			most = max(most, liveHeap())
		}
		left -= n
	}
	<-done
	return most
}

// swallow reads n bytes of stream 3 and gives all of them back.
func (p *peer) swallow(n int) {
	for n > 0 {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Error(err)
			return
		}
		if f, ok := f.(*http2.DataFrame); ok && f.Length > 0 {
			n -= len(f.Data())
			p.must(p.framer.WriteWindowUpdate(0, f.Length))
			p.must(p.framer.WriteWindowUpdate(3, f.Length))
		}
	}
}
