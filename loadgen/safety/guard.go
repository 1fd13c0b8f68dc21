package safety

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/transport"
)

// Guard holds caps and an error budget against all calls that go through it,
// whoever makes them. The zero Guard lets everything pass. It is safe for
// concurrent use.
type Guard struct {
	gap   time.Duration // between calls, at least; 0: none
	slots chan struct{} // nil: no cap
	stop  func(error)   // called once when the budget is spent

	mu      sync.Mutex // guards what follows
	next    time.Time  // when the next call may leave
	started time.Time
	budget  *budget // nil: none
}

// NewGuard returns a guard with a cap on calls a second and on calls at a time,
// 0 for none of either.
func NewGuard(rate float64, inFlight int) *Guard {
	g := &Guard{started: time.Now()}
	if rate > 0 {
		g.gap = time.Duration(float64(time.Second) / rate)
	}
	if inFlight > 0 {
		g.slots = make(chan struct{}, inFlight)
	}
	return g
}

// StopOn calls stop, once, with the reason, when too many calls fail.
func (g *Guard) StopOn(rule StopRule, stop func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started, g.budget, g.stop = time.Now(), newBudget(rule), stop
}

// Enter waits until one more call may be made. It returns false when ctx ends
// first; otherwise the caller calls Leave when the call has ended.
func (g *Guard) Enter(ctx context.Context) bool {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	if g.wait(ctx) {
		return true
	}
	g.release()
	return false
}

// tryEnter is Enter for who cannot wait: it returns false when the call would
// have to.
func (g *Guard) tryEnter() bool {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
		default:
			return false
		}
	}
	if g.gap == 0 {
		return true
	}
	g.mu.Lock()
	now := time.Now()
	free := !g.next.After(now)
	if free {
		g.next = now.Add(g.gap)
	}
	g.mu.Unlock()
	if !free {
		g.release()
	}
	return free
}

// Full reports whether as many calls are under way as there may be.
func (g *Guard) Full() bool { return g.slots != nil && len(g.slots) == cap(g.slots) }

// wait lets as much time pass between calls as the rate asks for.
func (g *Guard) wait(ctx context.Context) bool {
	if g.gap == 0 {
		return ctx.Err() == nil
	}
	g.mu.Lock()
	now := time.Now()
	at := g.next
	if at.Before(now) {
		at = now
	}
	g.next = at.Add(g.gap)
	g.mu.Unlock()
	return transport.Pause(ctx, at.Sub(now))
}

func (g *Guard) release() {
	if g.slots != nil {
		<-g.slots
	}
}

// Leave says that a call has ended, and whether it failed.
func (g *Guard) Leave(failed bool) {
	g.release()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.budget != nil && g.budget.add(time.Since(g.started), failed) {
		g.stop(&Spent{g.budget.rule})
		g.budget = nil
	}
}

// Spent says that a run was stopped because too many of its calls failed.
type Spent struct{ Rule StopRule }

// Error names the rule.
func (s *Spent) Error() string {
	return fmt.Sprintf("stopped: too many calls failed (--stop-on '%v')", s.Rule)
}

// Options lead all calls of a connection through the guard. Those of a nil
// Guard are none.
func (g *Guard) Options() []grpc.DialOption {
	if g == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(g.unary), grpc.WithChainStreamInterceptor(g.stream)}
}

func (g *Guard) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !g.Enter(ctx) {
		return status.FromContextError(ctx.Err()).Err()
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	g.Leave(err != nil)
	return err
}

func (g *Guard) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !g.Enter(ctx) {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	// A stream that cannot be opened may or may not be told as finished.
	var once sync.Once
	leave := func(err error) { once.Do(func() { g.Leave(err != nil) }) }
	stream, err := open(ctx, desc, cc, method, append(opts[:len(opts):len(opts)], grpc.OnFinish(leave))...)
	if err != nil {
		leave(err)
	}
	return stream, err
}
