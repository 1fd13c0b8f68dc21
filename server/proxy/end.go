package proxy

import (
	"bufio"
	"errors"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// end is one of the two ends of a session: the connection of the client, or
// that to the target. Its framer is read by one goroutine and its connection
// written by another; what is marked so is guarded by the session's mutex.
type end struct {
	session *session
	conn    net.Conn
	framer  *http2.Framer // reading; of the reader
	greeted bool          // of the reader: SETTINGS have come

	// Towards the peer. All guarded.
	control    []func(*writer) error // frames to write before any stream's
	owing      []*pipe               // pipes from here whose stream gets window back
	ready      list                  // pipes to here with something to write, in turn
	starved    list                  // those that wait for the connection's window
	parked     list                  // those that wait until the target takes another stream
	window     int64                 // how much DATA the peer takes on the connection
	initial    int64                 // the window that the peer gives to new streams
	maxFrame   int                   // the largest frame that the peer takes
	maxStreams int64                 // how many streams the peer takes at a time
	streams    int64                 // how many are open, of the target's end
	frozen     bool                  // nothing is written any more
	stopped    bool                  // the writer is to end
	failed     bool                  // the writer has ended with an error
	goodbye    func(*writer) error   // the last frame, of a connection that is given up
	wake       chan struct{}         // holds one token when there is something to write

	// From the peer. All guarded.
	offered int64             // the window that the proxy has last given to new streams
	allowed int64             // the largest that a peer may still go by
	owed    int               // DATA read, and not given back on the connection
	credit  int               // DATA that can be given back on the connection
	unacked [][]http2.Setting // settings sent, and not yet acknowledged
}

// Defaults of RFC 9113, section 6.5.2.
const (
	defaultWindow   = 65535
	defaultMaxFrame = 16384
	defaultTable    = 4096
)

// maxTable bounds the table of the header decoder that a plan can offer.
const maxTable = 1 << 20

func newEnd(s *session, conn net.Conn) *end {
	framer := http2.NewFramer(nil, bufio.NewReaderSize(conn, 16<<10))
	framer.ReadMetaHeaders = hpack.NewDecoder(defaultTable, nil)
	framer.MaxHeaderListSize = maxHeaderBytes
	framer.SetMaxReadFrameSize(defaultMaxFrame)
	framer.SetReuseFrames()
	window := int64(s.proxy.cfg.StreamWindow)
	return &end{
		session: s, conn: conn, framer: framer,
		window: defaultWindow, initial: defaultWindow, maxFrame: defaultMaxFrame, maxStreams: maxStreams,
		offered: window, allowed: max(window, defaultWindow),
		wake: make(chan struct{}, 1),
	}
}

// hello queues the settings that the proxy speaks with. ENABLE_PUSH may be
// sent by clients only.
func (e *end) hello(client bool) {
	settings := []http2.Setting{
		{ID: http2.SettingInitialWindowSize, Val: uint32(e.offered)},
		{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderBytes},
	}
	if client {
		settings = append(settings, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	}
	e.sendSettings(settings)
	if more := e.session.proxy.cfg.ConnWindow - defaultWindow; more > 0 {
		e.send(func(w *writer) error { return w.framer.WriteWindowUpdate(0, uint32(more)) })
	}
}

// send queues a frame that is written before those of streams. Where so many
// wait for a peer that does not read, although its own frames are not read any
// more, the session ends.
func (e *end) send(write func(*writer) error) {
	if e.frozen || e.stopped {
		return
	}
	if len(e.control) >= maxControl {
		e.session.fail(e, errors.New("the peer does not read: too many frames wait to be written"))
		return
	}
	e.control = append(e.control, write)
	e.wakeUp()
}

// sendSettings queues a SETTINGS frame. What it allows the peer is taken back
// or extended when the peer has acknowledged it.
func (e *end) sendSettings(settings []http2.Setting) {
	for _, s := range settings {
		if s.ID == http2.SettingInitialWindowSize {
			e.offered = int64(s.Val)
			e.allowed = max(e.allowed, e.offered)
		}
	}
	e.unacked = append(e.unacked, settings)
	e.send(func(w *writer) error { return w.framer.WriteSettings(settings...) })
}

// acknowledged applies the oldest settings that the peer had not acknowledged.
// It is called by the reader, whose framer it sets.
func (e *end) acknowledged() {
	if len(e.unacked) == 0 {
		return
	}
	for _, s := range e.unacked[0] {
		switch s.ID {
		case http2.SettingHeaderTableSize:
			e.framer.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(min(s.Val, maxTable))
		case http2.SettingMaxFrameSize:
			e.framer.SetMaxReadFrameSize(s.Val)
		}
	}
	e.unacked = e.unacked[1:]
}

// took counts DATA that has been read, and reports whether it was within the
// connection's window.
func (e *end) took(n int) bool {
	e.owed += n
	return e.owed <= max(e.session.proxy.cfg.ConnWindow, defaultWindow)
}

// gave says that n bytes of DATA are not held any more.
func (e *end) gave(n int) {
	if e.credit += n; e.refunds() {
		e.wakeUp()
	}
}

// refunds reports whether there is enough to give back on the connection to be
// worth a frame.
func (e *end) refunds() bool { return e.credit >= max(e.session.proxy.cfg.ConnWindow/4, 1) }

func (e *end) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// read reads frames until the connection fails, or handle does.
func (e *end) read(handle func(http2.Frame) error) error {
	for {
		frame, err := e.framer.ReadFrame()
		if streamError, ok := errors.AsType[http2.StreamError](err); ok {
			e.session.malformed(e, streamError)
			continue
		}
		if errors.Is(err, http2.ErrFrameTooLarge) {
			return http2.ConnectionError(http2.ErrCodeFrameSize)
		}
		if err != nil {
			return err
		}
		if _, ok := frame.(*http2.SettingsFrame); !ok && !e.greeted {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		e.greeted = true
		if err := handle(frame); err != nil {
			return err
		}
		e.awaitRoom()
	}
}

// awaitRoom waits while many frames wait for the peer: one that makes the proxy
// answer without reading the answers is not read either.
func (e *end) awaitRoom() {
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(e.control) >= maxAnswers && s.err == nil && !e.stopped && !e.failed {
		s.room.Wait()
	}
}
