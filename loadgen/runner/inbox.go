package runner

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Limits on what a call keeps unread. Beyond them its receiver pauses, and
// HTTP/2 flow control holds the server: a flood costs no more memory than
// this. A single message is always taken, whatever its size.
const (
	maxUnreadBytes    = 256 << 20
	maxUnreadMessages = 100_000
)

// arrival is a message as it came off the stream.
type arrival struct {
	raw []byte        // still encoded
	at  time.Duration // from the start of the call
}

// ending is how a call ended.
type ending struct {
	status          *status.Status
	header, trailer metadata.MD
	at              time.Duration // from the start of the call
}

// inbox stands between the receiver of a call, which calls put and end, and
// its script, which calls all else. Each side is one goroutine.
type inbox struct {
	changed chan struct{} // capacity 1; tells the script of a message or the end
	room    chan struct{} // capacity 1; tells the receiver that messages were taken

	mu       sync.Mutex // guards what follows
	unread   []arrival
	bytes    int // within unread
	received int
	taken    int
	last     arrival // the newest message, read or not
	closing  bool    // nobody reads any more: keep one message at most, count the rest
	ended    *ending // set once, never changed
}

func newInbox() *inbox {
	return &inbox{changed: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds a message. While too much is unread it blocks, until ctx ends: then
// nobody makes room any more, and what is on its way is little.
func (b *inbox) put(ctx context.Context, a arrival) {
	for !b.offer(a, ctx.Err() != nil) {
		select {
		case <-b.room:
		case <-ctx.Done():
		}
	}
	signal(b.changed)
}

// offer adds a message if there is room for it, or if it has to.
func (b *inbox) offer(a arrival, must bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := len(b.unread) >= maxUnreadMessages || b.bytes+len(a.raw) > maxUnreadBytes
	if full && len(b.unread) > 0 && !b.closing && !must {
		return false
	}
	b.received++
	b.last = a
	if !b.closing || len(b.unread) == 0 {
		b.unread = append(b.unread, a)
		b.bytes += len(a.raw)
	}
	return true
}

// end notes how the call ended; nothing follows.
func (b *inbox) end(e ending) {
	b.mu.Lock()
	b.ended = &e
	b.mu.Unlock()
	signal(b.changed)
}

// take returns the oldest unread message, and else how the call ended. Both
// are zero while there is nothing to tell.
func (b *inbox) take() (a arrival, ok bool, ended *ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.unread) == 0 {
		return arrival{}, false, b.ended
	}
	a = b.unread[0]
	b.unread[0] = arrival{} // let go of the bytes
	b.unread = b.unread[1:]
	b.bytes -= len(a.raw)
	b.taken++
	signal(b.room)
	return a, true, nil
}

// finish says that no message will be taken any more. What is unread, and what
// is still to come, is from now on counted rather than kept.
func (b *inbox) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing = true
	if len(b.unread) > 1 {
		b.unread = []arrival{b.unread[0]}
	}
	signal(b.room)
}

// left returns how many messages were not taken, and the oldest of them.
func (b *inbox) left() (n int, first arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.unread) > 0 {
		first = b.unread[0]
	}
	return b.received - b.taken, first
}

// counts returns how many messages came, and the newest.
func (b *inbox) counts() (int, arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received, b.last
}

// ending returns how the call ended, nil while it runs.
func (b *inbox) ending() *ending {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// signal leaves a token in c, if there is none already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
