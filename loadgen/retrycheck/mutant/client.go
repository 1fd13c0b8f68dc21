package mutant

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
	"touchstone/loadgen/retry"
	"touchstone/loadgen/transport"
)

// Status codes that the client itself gives.
const (
	cancelled   uint32 = 1
	unknown     uint32 = 2
	deadline    uint32 = 4
	exhausted   uint32 = 8
	internal    uint32 = 13
	unavailable uint32 = 14
)

// client is what all channels of the process have in common.
type client struct {
	job    job
	does   behaviour
	method *retry.MethodConfig // never nil
	bucket bucket
	turn   sync.Mutex // of mutants whose backoffs block each other
}

func newClient(j job, b behaviour, config *retry.Config) *client {
	service, method, _ := strings.Cut(j.method, "/")
	c := &client{job: j, does: b, method: config.Method(service, method)}
	if c.method == nil {
		c.method = &retry.MethodConfig{}
	}
	if t := config.Throttling; t != nil {
		c.bucket = bucket{limited: true, most: t.MaxTokens, tokens: t.MaxTokens, ratio: t.TokenRatio}
	}
	return c
}

// bucket holds the tokens of A6, Throttling. It is safe for concurrent use.
type bucket struct {
	limited     bool
	most, ratio float64

	mu     sync.Mutex // guards tokens
	tokens float64
}

// change adds tokens, and reports whether retries are allowed then.
func (b *bucket) change(n float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(max(b.tokens+n, 0), b.most)
	return !b.limited || b.tokens > b.most/2
}

// channel makes calls one after the other over one connection, which it
// replaces when it is gone.
type channel struct {
	*client
	conn *conn
	old  []*conn
}

func (ch *channel) close() {
	if ch.conn != nil {
		ch.old = append(ch.old, ch.conn)
	}
	for _, c := range ch.old {
		c.close()
	}
}

// connect returns a connection for a new stream.
func (ch *channel) connect(ctx context.Context) (*conn, error) {
	if ch.conn != nil && ch.conn.usable() {
		return ch.conn, nil
	}
	if ch.conn != nil {
		ch.old = append(ch.old, ch.conn) // streams may go on after GOAWAY
		ch.conn = nil
	}
	c, err := dial(ctx, ch.job.target, ch.does)
	ch.conn = c
	return c, err
}

// progress is how far a call has come.
type progress struct {
	end         time.Time // the deadline; zero for none
	limit       time.Duration
	previous    int // retries that the policy has allowed
	since       int // of them, since the last pushback
	transparent int
	sent        int // messages that an earlier attempt has sent
	committed   bool
}

// call makes one call, with as many attempts as it takes, and returns its
// status.
func (ch *channel) call(ctx context.Context, limit time.Duration, requests [][]byte) uint32 {
	p := &progress{limit: limit}
	if t := ch.method.Timeout; t > 0 && (limit == 0 || t < limit) {
		p.limit = t
	}
	if p.limit > 0 {
		p.end = time.Now().Add(p.limit)
	}
	for {
		attempt, stop := ch.within(ctx, p)
		e := ch.attempt(attempt, p, requests)
		over := attempt.Err() != nil
		stop()
		switch {
		case ctx.Err() == context.Canceled:
			return cancelled
		case over:
			return deadline
		}
		delay, again := ch.again(p, e)
		if !again {
			return e.code
		}
		if !ch.sleep(ctx, p, delay) {
			if ctx.Err() == context.Canceled {
				return cancelled
			}
			return deadline
		}
	}
}

// within bounds an attempt by the call's deadline.
func (ch *channel) within(ctx context.Context, p *progress) (context.Context, context.CancelFunc) {
	if p.limit == 0 {
		return context.WithCancel(ctx)
	}
	if ch.does.deadlineEach {
		p.end = time.Now().Add(p.limit)
	}
	return context.WithDeadline(ctx, p.end)
}

// attempt makes one attempt and returns how it ended.
func (ch *channel) attempt(ctx context.Context, p *progress, requests [][]byte) ending {
	c, err := ch.connect(ctx)
	if err != nil {
		return ending{code: unavailable}
	}
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})()
	st, ok := c.open(ch.fields(p))
	if !ok {
		return ending{code: unavailable}
	}
	ch.request(ctx, st, p, requests)
	e := st.wait(ctx, !ch.does.noReset)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.committed = p.committed || st.responded && !ch.does.retriesCommitted
	return ch.response(e, st)
}

// request sends the messages, first those that an earlier attempt has sent
// already.
func (ch *channel) request(ctx context.Context, st *stream, p *progress, requests [][]byte) {
	buffered := 0
	again := p.previous+p.transparent > 0
	for i, message := range ch.does.order(requests, p.sent, again) {
		if buffered += len(message); buffered > bufferSize && !ch.does.buffersAll {
			p.committed = true
		}
		if !st.send(ctx, message) {
			return
		}
		p.sent = max(p.sent, i+1)
	}
	if !again || !ch.does.losesHalfClose {
		st.closeSend()
	}
}

// bufferSize is how much of a request is kept for retries.
const bufferSize = 1 << 20

// response judges what came beside the status.
func (ch *channel) response(e ending, st *stream) ending {
	single := ch.job.method == retry.Unary || ch.job.method == retry.ClientStream
	switch {
	case e.unseen || e.code == cancelled:
	case st.status != "" && st.status != "200":
		e.code = unknown
	case e.code == 0 && single && st.messages() != 1 && !ch.does.emptyResponse:
		e.code = internal
	}
	return e
}

// fields are the request headers of the next attempt.
func (ch *channel) fields(p *progress) []hpack.HeaderField {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/" + ch.job.method},
		{Name: ":authority", Value: ch.job.target}, {Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"}, {Name: "user-agent", Value: "mutant"},
	}
	retried := p.previous+p.transparent > 0
	if name, value, ok := strings.Cut(ch.job.metadata, ":"); ok && !(retried && ch.does.losesMetadata) {
		fields = append(fields, hpack.HeaderField{Name: name, Value: strings.TrimSpace(value)})
	}
	if p.limit > 0 {
		remains := time.Until(p.end)
		if ch.does.sameTimeout {
			remains = p.limit
		}
		fields = append(fields, hpack.HeaderField{Name: "grpc-timeout", Value: timeout(remains)})
	}
	if value := ch.does.header(p); value != "" {
		fields = append(fields, hpack.HeaderField{Name: "grpc-previous-rpc-attempts", Value: value})
	}
	return fields
}

// timeout prints a grpc-timeout, which has at most eight digits.
func timeout(d time.Duration) string {
	d = max(d, time.Microsecond)
	if us := d.Microseconds(); us < 1e8 {
		return fmt.Sprintf("%du", us)
	}
	return fmt.Sprintf("%dm", d.Milliseconds())
}

// sleep waits for the next attempt. False: the call is over before.
func (ch *channel) sleep(ctx context.Context, p *progress, d time.Duration) bool {
	if ch.does.blocks {
		ch.turn.Lock()
		defer ch.turn.Unlock()
	}
	if ch.does.sleepsDeaf {
		time.Sleep(d)
		return true
	}
	ctx, stop := ch.until(ctx, p)
	defer stop()
	return transport.Pause(ctx, d)
}

// until bounds a wait by the call's deadline.
func (ch *channel) until(ctx context.Context, p *progress) (context.Context, context.CancelFunc) {
	if p.limit == 0 || ch.does.deadlineEach {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, p.end)
}

// again decides on the next attempt, and after which time.
func (ch *channel) again(p *progress, e ending) (time.Duration, bool) {
	b, policy := ch.does, ch.method.Retry
	if e.code == 0 {
		ch.bucket.change(ch.bucket.ratio * b.refill)
		return 0, false
	}
	if e.unseen && !p.committed && p.transparent < b.transparent {
		p.transparent++
		if b.transparentCounts {
			p.previous++
			p.since++
		}
		return b.transparentDelay, !b.transparentCosts || ch.bucket.change(-1)
	}
	pushback, told, stop := b.pushback(e.pushback)
	retryable := b.retries(policy, e.code)
	allowed := true
	if retryable && (!p.committed || b.committedCosts) || stop && b.stopCosts || b.allCost {
		allowed = ch.bucket.change(-1)
	}
	if !retryable || stop || p.committed || !allowed && !b.unthrottled || p.previous+1 >= b.attempts(policy) {
		return 0, false
	}
	p.previous++
	p.since++
	backoff := time.Duration(float64(b.backoff(policy, p.since)) * b.jitter())
	if !told {
		return backoff, true
	}
	if b.resets {
		p.since = 0
	}
	return b.pushed(pushback, backoff), true
}
