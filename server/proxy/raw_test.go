package proxy_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// peer speaks raw HTTP/2 frames: a client of the proxy, or a target behind it.
// It reads only when told to, and says nothing by itself.
type peer struct {
	t      testing.TB
	conn   net.Conn
	framer *http2.Framer
	hpack  *hpack.Encoder
	block  bytes.Buffer
}

func newPeer(t testing.TB, conn net.Conn) *peer {
	p := &peer{t: t, conn: conn, framer: http2.NewFramer(conn, conn)}
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.framer.MaxHeaderListSize = 16 << 20
	p.framer.AllowIllegalWrites = true
	p.hpack = hpack.NewEncoder(&p.block)
	return p
}

// greet sends the preface of a client, if client, and SETTINGS.
func (p *peer) greet(client bool, settings ...http2.Setting) {
	p.t.Helper()
	if client {
		p.write(http2.ClientPreface)
	}
	p.must(p.framer.WriteSettings(settings...))
}

func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// write writes raw bytes.
func (p *peer) write(raw string) {
	p.t.Helper()
	_, err := io.WriteString(p.conn, raw)
	p.must(err)
}

// encode returns a header block of name, value, name, value.
func (p *peer) encode(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.must(p.hpack.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return bytes.Clone(p.block.Bytes())
}

// headers sends HEADERS, with CONTINUATION where the block is long.
func (p *peer) headers(id uint32, end bool, pairs ...string) {
	p.t.Helper()
	block := p.encode(pairs...)
	first := block[:min(len(block), 16<<10)]
	block = block[len(first):]
	p.must(p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0}))
	for len(block) > 0 {
		next := block[:min(len(block), 16<<10)]
		block = block[len(next):]
		p.must(p.framer.WriteContinuation(id, len(block) == 0, next))
	}
}

// request is the header list of a call.
func request(more ...string) []string {
	return append([]string{
		":method", "POST", ":scheme", "http", ":path", "/HelloService/SayHello", ":authority", "target",
		"content-type", "application/grpc", "te", "trailers"}, more...)
}

// call sends a whole call with one message.
func (p *peer) call(id uint32, body string) {
	p.t.Helper()
	p.headers(id, false, request()...)
	p.must(p.framer.WriteData(id, true, message(body)))
}

// message frames a gRPC message.
func message(body string) []byte {
	n := len(body)
	return append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// answer sends a whole response with one message.
func (p *peer) answer(id uint32, body string) {
	p.t.Helper()
	p.headers(id, false, ":status", "200", "content-type", "application/grpc")
	p.must(p.framer.WriteData(id, false, message(body)))
	p.headers(id, true, "grpc-status", "0")
}

// next reads frames up to one that is not SETTINGS, an acknowledgement or a
// WINDOW_UPDATE, and describes it. The end of the connection is "closed".
func (p *peer) next() string {
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
			continue
		}
		return describe(f)
	}
}

// describe puts a frame into words.
func describe(f http2.Frame) string {
	h := f.Header()
	text := fmt.Sprint(h.StreamID, " ")
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		var fields []string
		for _, field := range f.Fields {
			fields = append(fields, field.Name+"="+field.Value)
		}
		text += "headers " + strings.Join(fields, " ")
		if f.StreamEnded() {
			text += " end"
		}
	case *http2.DataFrame:
		text += fmt.Sprint("data ", len(f.Data()))
		if f.StreamEnded() {
			text += " end"
		}
	case *http2.RSTStreamFrame:
		text += "rst " + f.ErrCode.String()
	case *http2.GoAwayFrame:
		text = fmt.Sprint("goaway ", f.LastStreamID, " ", f.ErrCode)
	case *http2.PingFrame:
		text = fmt.Sprint("ping ", f.IsAck())
	case *http2.SettingsFrame:
		text = fmt.Sprint("settings ", f.IsAck())
	case *http2.WindowUpdateFrame:
		text += fmt.Sprint("window ", f.Increment)
	}
	return text
}

// wants reads frames as long as they are what is wanted, in order. A frame
// matches when it starts with the words; "... words" skips others before, and
// "+words" is a frame that may come before or between those that follow it.
func (p *peer) wants(frames ...string) {
	p.t.Helper()
	anywhere := ""
	for _, frame := range frames {
		if words, ok := strings.CutPrefix(frame, "+"); ok {
			anywhere = words
			continue
		}
		want, skip := strings.CutPrefix(frame, "... ")
		got := p.next()
		for got != "closed" && !strings.HasPrefix(got, want) {
			if anywhere != "" && strings.HasPrefix(got, anywhere) {
				anywhere = ""
			} else if !skip {
				break
			}
			got = p.next()
		}
		if !strings.HasPrefix(got, want) {
			p.t.Fatalf("frame = %.200q, want %q", got, want)
		}
	}
	if anywhere != "" {
		p.t.Fatalf("no frame %q", anywhere)
	}
}

// drain reads until the connection ends, and counts frames by their words
// without the stream.
func (p *peer) drain() map[string]int {
	seen := map[string]int{}
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			return seen
		}
		_, words, _ := strings.Cut(describe(f), " ")
		word, _, _ := strings.Cut(words, " ")
		seen[word]++
	}
}

// wire is a proxy between two raw ends, in memory.
type wire struct {
	t        testing.TB
	front    *bufconn.Listener
	back     *bufconn.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup
	mu       sync.Mutex
	attempts []proxy.Attempt
}

// newWire starts a proxy. Configuration and plan may be empty. A test ends it
// with close, within its bubble.
func newWire(t testing.TB, cfg proxy.Config, plan string) *wire {
	t.Helper()
	return newNarrowWire(t, 256<<10, cfg, plan)
}

// newNarrowWire is newWire where so many bytes are on their way to a client at
// most: what is more waits until it reads.
func newNarrowWire(t testing.TB, size int, cfg proxy.Config, plan string) *wire {
	t.Helper()
	w := &wire{t: t, front: bufconn.Listen(size), back: bufconn.Listen(256 << 10)}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context) (net.Conn, error) { return w.back.DialContext(ctx) }
	}
	cfg.Decider = decider(t, plan)
	cfg.Attempts = func(a proxy.Attempt) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.attempts = append(w.attempts, a)
	}
	between, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.running.Go(func() {
		if err := between.Serve(ctx, w.front); err != nil {
			t.Error(err)
		}
	})
	return w
}

// decider parses a plan, nil for none.
func decider(t testing.TB, plan string) *fault.Decider {
	t.Helper()
	if plan == "" {
		return nil
	}
	parsed, err := fault.Parse("plan.yaml", []byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	return fault.NewDecider(parsed, 1)
}

func (w *wire) close() {
	w.stop()
	w.running.Wait()
}

// client connects to the proxy, and greets it.
func (w *wire) client(settings ...http2.Setting) *peer {
	w.t.Helper()
	p := w.connect()
	p.greet(true, settings...)
	return p
}

// connect connects to the proxy.
func (w *wire) connect() *peer {
	w.t.Helper()
	conn, err := w.front.Dial()
	if err != nil {
		w.t.Fatal(err)
	}
	return newPeer(w.t, conn)
}

// target takes the proxy's connection, and greets it.
func (w *wire) target(settings ...http2.Setting) *peer {
	w.t.Helper()
	p := w.accept()
	p.greet(false, settings...)
	return p
}

// accept takes the proxy's connection and reads its preface.
func (w *wire) accept() *peer {
	w.t.Helper()
	conn, err := w.back.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		w.t.Fatalf("preface = %q, %v", preface, err)
	}
	return newPeer(w.t, conn)
}

// seen returns the attempts that have been reported, in the order in which
// they were opened.
func (w *wire) seen() []proxy.Attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return inOrder(w.attempts)
}

// inOrder returns a copy of attempts, sorted by connection and stream.
func inOrder(attempts []proxy.Attempt) []proxy.Attempt {
	return slices.SortedFunc(slices.Values(attempts), func(a, b proxy.Attempt) int {
		return cmp.Or(cmp.Compare(a.Conn, b.Conn), cmp.Compare(a.Stream, b.Stream))
	})
}

// both returns a greeted client and a target with one call through, so that
// both connections stand: stream 1 is over. The target's settings come after
// it, so that a small window does not hold the call up.
func (w *wire) both(settings ...http2.Setting) (client, target *peer) {
	w.t.Helper()
	client = w.client()
	client.call(1, "first")
	target = w.target()
	target.wants("1 headers :method=POST", "1 data 10 end")
	target.answer(1, "first")
	client.wants("1 headers :status=200", "1 data 10", "1 headers grpc-status=0 end")
	if len(settings) > 0 {
		target.must(target.framer.WriteSettings(settings...))
		target.must(target.framer.WritePing(false, [8]byte{}))
		target.wants("ping true") // the settings were read before
	}
	return client, target
}

// alive makes a call on a stream, as proof that the connection works.
func alive(client, target *peer, clientID, targetID uint32) {
	client.t.Helper()
	client.call(clientID, "alive")
	want := fmt.Sprint(targetID)
	target.wants(want+" headers :method=POST", want+" data 10 end")
	target.answer(targetID, "alive")
	want = fmt.Sprint(clientID)
	client.wants(want+" headers :status=200", want+" data 10", want+" headers grpc-status=0 end")
}

// serve answers calls that carry x-answer when their headers come, and leaves
// the others alone, until the connection ends.
func (p *peer) serve() {
	defer p.conn.Close()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			return
		}
		if f, ok := f.(*http2.MetaHeadersFrame); ok && strings.Contains(describe(f), "x-answer=") {
			p.answer(f.StreamID, "ok")
		}
	}
}

// dialer connects a grpc-go client to a listener in memory.
func dialer(listener *bufconn.Listener) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
}
