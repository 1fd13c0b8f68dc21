package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// session is one connection of a client, and the one to the target behind it.
type session struct {
	proxy *Proxy
	id    int
	ctx   context.Context // of the session: a dial ends with it
	tasks sync.WaitGroup  // every goroutine of the session but run's own
	over  chan struct{}   // closed when err is set

	reporting sync.Mutex  // held while Config.Attempts is called
	unsaid    atomic.Bool // pending is not empty

	mu          sync.Mutex // guards what follows, the ends' and the pipes' fields
	room        *sync.Cond // of mu: an end's control has been taken, or will never be
	client      *end
	target      *end // nil until connected
	dialling    bool
	streams     map[uint32]*stream // by the client's id
	byTarget    map[uint32]*stream // by the target's id
	headerBytes int                // of header lists that are held
	lastClient  uint32             // the highest id that the client has used
	lastServed  uint32             // what has been said in GOAWAY: streams above it are ignored
	nextTarget  uint32             // the id of the next stream to the target
	leaving     bool               // the target takes no more streams
	finishing   bool               // the target has gone: what it said before goes out, then the connection ends
	broken      bool               // calls were lost with it: only what can be written at once goes out
	hungUp      bool               // FIN has been sent to the client
	err         error              // why the session ended
	pending     []Attempt          // ended, and not yet reported
	tapped      []Tap              // not yet reported
}

// maxStreamID is the highest stream id there is.
const maxStreamID = 1<<31 - 1

func newSession(p *Proxy, id int, conn net.Conn) *session {
	s := &session{
		proxy: p, id: id, over: make(chan struct{}),
		streams: map[uint32]*stream{}, byTarget: map[uint32]*stream{},
		nextTarget: 1, lastServed: maxStreamID,
	}
	s.room = sync.NewCond(&s.mu)
	s.client = newEnd(s, conn)
	return s
}

// errEnded is the cause of a session that ended as it should.
var errEnded = errors.New("the connection was closed")

// run forwards frames until one of the two connections fails or ctx ends.
func (s *session) run(ctx context.Context) {
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.end(s.client, context.Cause(ctx)) })
	defer stop()
	s.tasks.Go(func() {
		if err := s.client.run(""); err != nil {
			s.end(s.client, err)
		}
	})
	s.end(s.client, s.readClient())
	cancel()
	s.tasks.Wait()
	s.report()
	s.proxy.log.Debug("session over", slog.Int("conn", s.id), slog.Any("cause", s.err))
}

// readClient reads the client's preface and its frames.
func (s *session) readClient() error {
	c := s.client
	c.conn.SetReadDeadline(time.Now().Add(prefaceTimeout))
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c.conn, preface); err != nil {
		return err
	}
	if string(preface) != http2.ClientPreface {
		return errors.New("the client does not speak HTTP/2")
	}
	c.conn.SetReadDeadline(time.Time{})
	s.mu.Lock()
	c.hello(false)
	s.mu.Unlock()
	return c.read(func(f http2.Frame) error {
		err := s.fromClient(f)
		s.report()
		return err
	})
}

// connect dials the target and forwards its frames. It ends with the
// connection to the target, or with the session.
func (s *session) connect() {
	ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
	conn, err := s.proxy.cfg.Dial(ctx)
	cancel()
	if err != nil {
		s.unreachable(err)
		return
	}
	t := newEnd(s, conn)
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.target = t
	t.hello(true)
	s.adopt(t)
	s.mu.Unlock()
	s.tasks.Go(func() {
		if err := t.run(http2.ClientPreface); err != nil {
			// What the target said before it went may still be there to read.
			conn.SetReadDeadline(time.Now().Add(lingerTime))
		}
	})
	s.targetLost(t.read(s.fromTarget))
	s.report()
}

// adopt gives the streams that wait for the target their connection, in the
// order in which the client opened them.
func (s *session) adopt(t *end) {
	for _, id := range sortedKeys(s.streams) {
		if st := s.streams[id]; !st.up.cut {
			st.up.to, st.up.window = t, t.initial
			st.down.from = t
			st.up.list()
		}
	}
}

// unreachable answers every stream that waits for the target.
func (s *session) unreachable(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialling = false
	for _, id := range sortedKeys(s.streams) {
		if st := s.streams[id]; !st.up.cut && !st.up.held {
			st.refuse(codeUnavailable, "dial the target: "+err.Error())
		}
	}
}

// end ends the session because e failed. The first cause is kept.
func (s *session) end(e *end, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(e, err)
}

// fail is end with the mutex held.
func (s *session) fail(e *end, err error) {
	if s.err != nil {
		return
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errEnded
	}
	s.complain(e, err)
	s.err = err
	close(s.over)
	s.room.Broadcast()
	now := time.Now()
	for _, id := range sortedKeys(s.streams) {
		s.streams[id].lost(now)
	}
	for _, e := range []*end{s.client, s.target} {
		if e != nil {
			e.close()
		}
	}
}

// close closes the connection, at once or when the writer has said goodbye. It
// is called when the session's err has just been set.
func (e *end) close() {
	if e.goodbye == nil || e.failed {
		e.conn.Close()
		return
	}
	e.conn.SetDeadline(time.Now().Add(lingerTime))
}

// complain tells a peer that broke the protocol so, if it still listens.
func (s *session) complain(e *end, err error) {
	code, ok := errors.AsType[http2.ConnectionError](err)
	if !ok || e.frozen {
		return
	}
	last := s.lastClient
	if e == s.target {
		last = 0
	}
	e.goodbye = func(w *writer) error { return w.framer.WriteGoAway(last, http2.ErrCode(code), nil) }
}

// targetLost ends what the target had not answered in full. The client gets
// what the target said before, and then loses its connection too: what clients
// see of a lost connection is part of the path.
func (s *session) targetLost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.proxy.log.Debug("target lost", slog.Int("conn", s.id), slog.Any("cause", err))
	s.complain(s.target, err)
	s.target.stopped = true
	s.target.close()
	s.target.wakeUp()
	s.room.Broadcast()
	s.finishing = true
	now := time.Now()
	for _, id := range sortedKeys(s.streams) {
		st := s.streams[id]
		st.up.abandon()
		st.up.gone = true
		if st.down.closed {
			st.late.set = true // the rest of its request goes nowhere
			st.progress(now)
			continue
		}
		s.broken = true
		st.lost(now)
	}
	s.announce(s.lastClient, http2.ErrCodeNo, nil)
	s.client.wakeUp()
}

// finish ends the client's connection when the target's is lost and there is
// nothing left to say. It is called by the client's writer, when it has
// nothing to write.
func (s *session) finish() {
	if s.finishing && (s.broken || len(s.streams) == 0) {
		s.hangUp(false)
	}
}

// announce sends GOAWAY to the client and ignores streams above last from now
// on: the client takes them as never seen.
func (s *session) announce(last uint32, code http2.ErrCode, debug []byte) {
	s.lastServed = min(s.lastServed, last)
	s.client.send(func(w *writer) error { return w.framer.WriteGoAway(last, code, debug) })
}

// hangUp ends the client's connection with FIN, or with RST. In memory, where
// connections have neither, it closes.
func (s *session) hangUp(reset bool) {
	if s.hungUp {
		return
	}
	s.hungUp = true
	conn := s.client.conn
	raw := conn
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		raw = tls.NetConn()
	}
	if tcp, ok := raw.(interface{ SetLinger(int) error }); ok && reset {
		_ = tcp.SetLinger(0) // a connection that is gone already is as good
		_ = raw.Close()      // before TLS can say its own goodbye
	}
	half, ok := conn.(halfCloser)
	if reset || !ok || half.CloseWrite() != nil {
		s.fail(s.client, errEnded)
		return
	}
	if half, ok := raw.(halfCloser); ok && raw != conn {
		_ = half.CloseWrite()
	}
	s.lastServed = 0
	s.freeze()
	conn.SetReadDeadline(time.Now().Add(lingerTime))
}

// freeze lets the client's connection hang: nothing more is written to it, and
// it is closed when the client or the proxy ends.
func (s *session) freeze() {
	s.client.frozen = true
	s.client.control = nil
	s.room.Broadcast()
}

// report hands over the attempts that have ended.
func (s *session) report() {
	if !s.unsaid.Load() {
		return
	}
	s.reporting.Lock()
	defer s.reporting.Unlock()
	s.mu.Lock()
	ended, tapped := s.pending, s.tapped
	s.pending, s.tapped = nil, nil
	s.unsaid.Store(false)
	s.mu.Unlock()
	for _, t := range tapped {
		s.proxy.cfg.Tap(t)
	}
	for _, a := range ended {
		s.proxy.cfg.Attempts(a)
	}
}

func sortedKeys[V any](m map[uint32]V) []uint32 { return slices.Sorted(maps.Keys(m)) }
