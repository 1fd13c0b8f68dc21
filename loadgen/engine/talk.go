package engine

import (
	"context"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// InOrder is a Pair of targets that answer message by message: the n-th
// response answers the n-th message.
func InOrder(_ []byte, n int, _ bool) string { return strconv.Itoa(n) }

// opener returns what makes the calls of a part message by message, nil for
// calls that are made as a whole.
func (r *run) opener(p *part) transport.Opener {
	if p.Pair == nil || p.first.Kind != transport.BidiStream {
		return nil
	}
	via, _ := r.Transport.(transport.Opener)
	return via
}

// do makes the call and waits for its end.
func (f *flight) do() {
	r := f.run
	ctx := r.calls
	if f.watched {
		ctx, f.attempts = transport.RecordAttempts(ctx)
	}
	if via := f.part.opener; via != nil {
		f.talk(ctx, via)
		return
	}
	r.Transport.Do(ctx, f.request, &f.result)
}

// exchanges are the messages of a call that wait for their answers.
type exchanges struct {
	pair  func([]byte, int, bool) string
	mu    sync.Mutex // guards sent
	times map[string]time.Time
}

// send notes that message n leaves.
func (x *exchanges) send(message []byte, n int) {
	key := x.pair(message, n, true)
	if key == "" {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.times[key] = time.Now()
}

// answer returns how long the message that response n answers is gone; it is
// false when there is none, or it has been answered before.
func (x *exchanges) answer(message []byte, n int, now time.Time) (time.Duration, bool) {
	key := x.pair(message, n, false)
	x.mu.Lock()
	defer x.mu.Unlock()
	sent, known := x.times[key]
	delete(x.times, key)
	return now.Sub(sent), known
}

// talk makes a call of a bidi stream message by message, and so knows when each
// of them left.
func (f *flight) talk(ctx context.Context, via transport.Opener) {
	res := &f.result
	*res = transport.Result{Gap: res.Gap, Each: res.Each, Start: time.Now(), Attempts: 1}
	x := &exchanges{pair: f.part.Pair, times: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := via.Open(ctx, f.request)
	sent := 0
	var sender sync.WaitGroup
	sender.Go(func() { sent = f.say(ctx, stream, x) })
	f.listen(stream, x)
	cancel() // ends a sender that is between two messages
	sender.Wait()
	status := stream.Status()
	res.Sent, res.Status, res.Message, res.Done = sent, status.Code(), status.Message(), time.Now()
	if f.attempts != nil {
		f.attempts.Ended(res.Status, codes.Unknown)
	}
}

// say sends the messages, and returns how many left.
func (f *flight) say(ctx context.Context, stream transport.Stream, x *exchanges) (sent int) {
	for i, message := range f.request.Messages {
		if i > 0 && f.request.Interval > 0 && !transport.Pause(ctx, f.request.Interval) {
			return sent
		}
		x.send(message, i)
		if stream.Send(message) != nil {
			return sent // receiving tells why
		}
		sent++
	}
	stream.CloseSend()
	return sent
}

// listen takes the responses until the call has ended.
func (f *flight) listen(stream transport.Stream, x *exchanges) {
	res := &f.result
	var last time.Time
	for {
		message, err := stream.Recv()
		if err != nil {
			return
		}
		now := time.Now()
		switch {
		case res.Received == 0:
			res.FirstMessage = now
		case res.Gap != nil:
			res.Gap(now.Sub(last))
		}
		if took, known := x.answer(message, res.Received, now); known && f.counts {
			f.recordRoundTrip(took)
		}
		if res.Each != nil {
			res.Each(message)
		}
		last = now
		res.Received++
		res.Bytes += len(message)
	}
}

// recordRoundTrip records a round trip as it is over.
func (f *flight) recordRoundTrip(d time.Duration) {
	s := f.shard()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tallies[f.part.index].roundTrip.Record(d)
}
