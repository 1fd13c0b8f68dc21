package proxy

import (
	"slices"

	"golang.org/x/net/http2"
)

// maxWindow is the largest window that flow control allows.
const maxWindow = 1<<31 - 1

// fromClient takes a frame of the client. An error ends the session.
func (s *session) fromClient(f http2.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := f.Header()
	if _, opens := f.(*http2.MetaHeadersFrame); !opens && s.idle(s.client, h) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	st := s.streams[h.StreamID]
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return s.requestHeaders(f)
	case *http2.DataFrame:
		if !s.client.took(int(h.Length)) {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		if st == nil || st.up.ended {
			s.client.gave(int(h.Length))
			return nil
		}
		st.requestData(f)
		return nil
	case *http2.RSTStreamFrame:
		if st != nil {
			st.clientReset(f.ErrCode)
		}
		return nil
	case *http2.GoAwayFrame:
		return nil // it opens no more streams; those that are open go on
	}
	return s.either(s.client, f)
}

// fromTarget takes a frame of the target. An error ends its connection.
func (s *session) fromTarget(f http2.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := f.Header()
	if s.idle(s.target, h) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	st := s.byTarget[h.StreamID]
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		if st != nil && !st.down.ended {
			st.responseHeaders(f)
		}
		return nil
	case *http2.DataFrame:
		if !s.target.took(int(h.Length)) {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		if st == nil || st.down.ended {
			s.target.gave(int(h.Length))
			return nil
		}
		st.responseData(f)
		return nil
	case *http2.RSTStreamFrame:
		if st != nil {
			st.targetReset(f.ErrCode)
		}
		return nil
	case *http2.GoAwayFrame:
		s.targetLeaves(f)
		return nil
	}
	return s.either(s.target, f)
}

// idle reports whether a frame is of a stream that has never been opened. Only
// PRIORITY may be (RFC 9113, section 5.1). Frames of streams that are over are
// no mistake: they may have crossed a reset.
func (s *session) idle(e *end, h http2.FrameHeader) bool {
	if h.StreamID == 0 || h.Type == http2.FramePriority || h.Type > http2.FrameContinuation {
		return false
	}
	if e == s.client {
		return h.StreamID%2 == 0 || h.StreamID > s.lastClient
	}
	return h.StreamID%2 == 0 || h.StreamID >= s.nextTarget
}

// targetLeaves passes GOAWAY on, in the client's own terms: its stream ids are
// others than the target's. Streams that the target says it has not seen are
// refused one by one, so that the client may retry them elsewhere.
func (s *session) targetLeaves(f *http2.GoAwayFrame) {
	debug := slices.Clone(f.DebugData())
	if f.LastStreamID >= maxStreamID {
		s.announce(maxStreamID, f.ErrCode, debug) // a warning: the final one follows
		return
	}
	s.leaving = true
	s.announce(min(s.lastClient, s.lastServed), f.ErrCode, debug)
	for _, id := range sortedKeys(s.streams) {
		st := s.streams[id]
		if st.up.cut || st.faulted || st.targetID != 0 && st.targetID <= f.LastStreamID {
			continue
		}
		st.noteEnd(ByTarget, "goaway")
		st.up.abandon()
		st.up.gone = true
		st.releaseSlot()
		st.down.reset(http2.ErrCodeRefusedStream)
	}
}

// either takes the frames that mean the same from both ends.
func (s *session) either(e *end, f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return s.settings(e, f)
	case *http2.PingFrame:
		if !f.IsAck() {
			data := f.Data
			e.send(func(w *writer) error { return w.framer.WritePing(true, data) })
		}
	case *http2.WindowUpdateFrame:
		return s.windowUpdate(e, f)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol) // not allowed by the proxy's settings
	}
	return nil // PRIORITY, and what later versions may add
}

func (s *session) windowUpdate(e *end, f *http2.WindowUpdateFrame) error {
	n := int64(f.Increment)
	if f.StreamID == 0 {
		if e.window += n; e.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		e.wakeUp()
		return nil
	}
	st, p := s.toward(e, f.StreamID)
	if p == nil || p.cut {
		return nil
	}
	if p.window += n; p.window > maxWindow {
		st.abort(e.who(), http2.ErrCodeFlowControl)
		return nil
	}
	p.list()
	return nil
}

// toward returns the stream of an id at an end, and its pipe that leads there.
func (s *session) toward(e *end, id uint32) (*stream, *pipe) {
	if e == s.client {
		if st := s.streams[id]; st != nil {
			return st, &st.down
		}
	} else if st := s.byTarget[id]; st != nil {
		return st, &st.up
	}
	return nil, nil
}

// who is the peer at an end.
func (e *end) who() Ending {
	if e == e.session.client {
		return ByClient
	}
	return ByTarget
}

// settings takes the peer's settings over and acknowledges them.
func (s *session) settings(e *end, f *http2.SettingsFrame) error {
	if f.IsAck() {
		e.acknowledged()
		return nil
	}
	table := int64(-1)
	err := f.ForeachSetting(func(setting http2.Setting) error {
		switch err := setting.Valid(); {
		case err != nil:
			return err
		case setting.ID == http2.SettingHeaderTableSize:
			table = int64(setting.Val)
			return nil
		}
		return s.apply(e, setting)
	})
	if err != nil {
		return err
	}
	e.send(func(w *writer) error {
		if table >= 0 {
			w.hpack.SetMaxDynamicTableSizeLimit(uint32(min(table, defaultTable)))
		}
		return w.framer.WriteSettingsAck()
	})
	return nil
}

// apply takes over one setting of a peer.
func (s *session) apply(e *end, setting http2.Setting) error {
	switch setting.ID {
	case http2.SettingInitialWindowSize:
		delta := int64(setting.Val) - e.initial
		e.initial = int64(setting.Val)
		if delta != 0 {
			return s.shiftWindows(e, delta)
		}
	case http2.SettingMaxFrameSize:
		e.maxFrame = min(int(setting.Val), batchBytes)
	case http2.SettingMaxConcurrentStreams:
		e.maxStreams = int64(setting.Val)
		e.wakeUp()
		if e == s.target { // how many calls the target takes is part of the path
			s.client.sendSettings([]http2.Setting{setting})
		}
	}
	return nil
}

// shiftWindows changes the windows of all open streams at an end, which may
// make them negative (RFC 9113, section 6.9.2).
func (s *session) shiftWindows(e *end, delta int64) error {
	for _, id := range sortedKeys(s.streams) {
		st := s.streams[id]
		p := &st.down
		if e == s.target {
			p = &st.up
		}
		if p.window += delta; p.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		p.list()
	}
	return nil
}

// malformed ends a stream whose frame cannot be used.
func (s *session) malformed(e *end, err http2.StreamError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, _ := s.toward(e, err.StreamID)
	switch {
	case st != nil:
		st.abort(e.who(), err.Code)
	case e == s.client && err.StreamID%2 == 0 || e == s.target && err.StreamID >= s.nextTarget:
		s.fail(e, http2.ConnectionError(err.Code))
	case e == s.client && err.StreamID > s.lastClient && err.StreamID <= s.lastServed:
		s.lastClient = err.StreamID
		s.resetClient(err.StreamID, err.Code)
	}
}

// resetClient resets a stream of the client that has no state here.
func (s *session) resetClient(id uint32, code http2.ErrCode) {
	s.client.send(func(w *writer) error { return w.framer.WriteRSTStream(id, code) })
}
