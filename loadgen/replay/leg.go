package replay

import (
	"context"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/fixture"
)

// leg is a call at one target.
type leg struct {
	call   *call
	target int
	feeds  []feed // what its answers are compared with

	// Of the goroutine that carries the call out.
	stream grpc.ClientStream // nil: it could not be opened
	cancel context.CancelFunc

	// Guarded by the call's mutex.
	expected  int  // answers that the recording has so far
	received  int  // answers that came
	ended     bool // no more come
	impatient bool // an answer did not come in time: the order of the recording is not waited for any more
	answer    diff.Answer
	start     time.Time // the call was sent
	done      time.Time
	sent      int
}

// feed is one side of a pairing.
type feed struct {
	pairing *pairing
	side    side
}

// desc lets every call send and receive any number of messages: what is right
// is what was recorded.
var desc = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

// open begins the call and lets another goroutine take the answers.
func (l *leg) open(ctx context.Context, q queued) {
	c := l.call
	c.mu.Lock()
	l.await(q.needs)
	c.mu.Unlock()
	ctx, l.cancel = l.deadline(metadata.NewOutgoingContext(ctx, l.metadata(q.metadata)))
	l.start = time.Now()
	stream, err := c.loop.Targets[l.target].NewStream(ctx, desc, "/"+c.method, grpc.ForceCodecV2(dynamic.RawCodec{}))
	if err != nil {
		l.end(err, nil)
		return
	}
	l.stream = stream
	c.loop.running.Go(l.receive)
}

// deadline bounds the call as the recording did.
func (l *leg) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := l.call.timeout
	if timeout == 0 {
		timeout = l.call.loop.Timeout
	}
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// metadata is what is sent of the recorded metadata: gRPC makes its own
// fields, and the target's own take the place of recorded ones.
func (l *leg) metadata(recorded fixture.Metadata) metadata.MD {
	md := metadata.MD{}
	for _, p := range recorded {
		if p.Name == "content-type" || p.Name == "user-agent" || protocolField(p.Name) || l.call.loop.Override[p.Name] {
			continue
		}
		md.Append(p.Name, l.replaceWords(p.Value))
	}
	return md
}

// replaceWords puts live ids into a metadata value.
func (l *leg) replaceWords(value string) string {
	if len(l.call.loop.tables) == 0 {
		return value
	}
	parts := strings.SplitAfter(value, " ")
	for i, part := range parts {
		word := strings.TrimSuffix(part, " ")
		if live, ok := l.call.loop.tables[l.target].replace(word); ok {
			parts[i] = live + part[len(word):]
		}
	}
	return strings.Join(parts, "")
}

// await waits for the answers whose values are needed, and for those that came
// before in the recording. The call's mutex is held.
func (l *leg) await(needs []origin) {
	patience := l.call.loop.Patience
	if !l.impatient && !l.call.await(patience, func() bool { return l.ended || l.received >= l.expected }) {
		l.impatient = true
	}
	for _, need := range needs {
		if need.call != l.call {
			l.call.mu.Unlock()
			need.call.awaitAnswer(l.target, need.n, patience)
			l.call.mu.Lock()
		}
	}
}

// awaitAnswer waits until the n-th answer has come at a target, and has been
// compared with the recorded one: what stands for its values is known by then.
func (c *call) awaitAnswer(target, n int, patience time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.legs[target]
	c.await(patience, func() bool {
		if l.received < n {
			return l.ended
		}
		for _, f := range l.feeds {
			if !f.pairing.live() && !f.pairing.compared(n) {
				return false
			}
		}
		return true
	})
}

// send sends a message.
func (l *leg) send(q queued) {
	c := l.call
	c.mu.Lock()
	l.await(q.needs)
	useless := l.ended || c.over || l.stream == nil
	c.mu.Unlock()
	if useless {
		return
	}
	data := q.data
	if len(c.loop.tables) > 0 && c.descriptor != nil {
		r := rewriter{types: c.loop.types, text: l.replaceWhole}
		data = r.bytes(c.descriptor.Input(), data)
	}
	if l.stream.SendMsg(data) == nil { // the error, if any, is that of receiving
		c.mu.Lock()
		l.sent++
		c.mu.Unlock()
	}
}

// replaceWhole puts a live id in place of a recorded one.
func (l *leg) replaceWhole(value string) string {
	if live, ok := l.call.loop.tables[l.target].replace(value); ok {
		return live
	}
	return value
}

// halfClose says that all is sent.
func (l *leg) halfClose() {
	c := l.call
	c.mu.Lock()
	l.await(nil)
	c.mu.Unlock()
	if l.stream != nil {
		_ = l.stream.CloseSend() // never fails
	}
}

// receive takes answers until there are no more.
func (l *leg) receive() {
	c := l.call
	for {
		var data []byte
		if err := l.stream.RecvMsg(&data); err != nil {
			l.end(err, l.stream)
			return
		}
		c.mu.Lock()
		for _, f := range l.feeds {
			f.pairing.add(f.side, data)
		}
		l.received++
		c.moved.Broadcast()
		c.await(0, func() bool {
			for _, f := range l.feeds {
				if f.pairing.full(f.side) {
					return false
				}
			}
			return true
		})
		c.mu.Unlock()
	}
}

// end notes how the call ended. stream is nil when it never was one.
func (l *leg) end(err error, stream grpc.ClientStream) {
	c := l.call
	answer := diff.Answer{}
	if err != io.EOF {
		s := status.Convert(err)
		answer.Status, answer.Text = uint32(s.Code()), s.Message()
		if p := s.Proto(); len(p.GetDetails()) > 0 {
			answer.Details, _ = proto.Marshal(p) // it was decoded a moment ago
		}
	}
	if stream != nil {
		answer.Trailer = stream.Trailer()
		if header, err := stream.Header(); err == nil {
			answer.Header = header
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.done, l.ended, l.answer = time.Now(), true, answer
	answer.Latency = l.done.Sub(l.start)
	l.answer.Latency = answer.Latency
	for _, f := range l.feeds {
		f.pairing.sides[f.side].ended = true
	}
	c.moved.Broadcast()
}

// cutOff reports whether the run's end, not the target, ended the leg.
func (l *leg) cutOff() bool {
	return l.call.loop.player.calls.Err() != nil && codes.Code(l.answer.Status) == codes.Canceled
}
