package wire

import "context"

// watches see contexts end. Most calls have the same context as the call
// before, which is watched once for all of them.
type watches struct {
	all    map[<-chan struct{}]*watch
	last   *watch // kept when it has no calls: the next call may well have it
	expire func(*watch)
}

// watch is one context that is watched, known by its Done channel.
type watch struct {
	ctx   context.Context
	calls int
	stop  func() bool
}

// add returns the watch of a call's context, nil for one that never ends.
func (all *watches) add(ctx context.Context) *watch {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	if all.last == nil || all.last.ctx.Done() != done {
		all.follow(ctx)
	}
	all.last.calls++
	return all.last
}

// follow makes the watch of ctx the last one.
func (all *watches) follow(ctx context.Context) {
	if all.last != nil && all.last.calls == 0 {
		all.remove(all.last)
	}
	w := all.all[ctx.Done()]
	if w == nil {
		w = &watch{ctx: ctx}
		w.stop = context.AfterFunc(ctx, func() { all.expire(w) })
		if all.all == nil {
			all.all = map[<-chan struct{}]*watch{}
		}
		all.all[ctx.Done()] = w
	}
	all.last = w
}

// drop is for a call that has ended; nil is a call without a watch.
func (all *watches) drop(w *watch) {
	if w == nil {
		return
	}
	if w.calls--; w.calls == 0 && w != all.last {
		all.remove(w)
	}
}

func (all *watches) remove(w *watch) {
	w.stop()
	delete(all.all, w.ctx.Done())
}

func (all *watches) stop() {
	for _, w := range all.all {
		w.stop()
	}
}
