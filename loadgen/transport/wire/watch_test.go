package wire

import (
	"context"
	"testing"
)

// Contexts are forgotten with the last of their calls, but for the one that
// the next call is likely to have.
func TestWatchesAreForgotten(t *testing.T) {
	all := watches{expire: func(*watch) {}}
	shared, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, b := all.add(shared), all.add(shared)
	if a != b || a.calls != 2 {
		t.Errorf("two calls of one context have the watches %p and %p of %d calls, want one of 2", a, b, a.calls)
	}
	for range 10 {
		own, cancel := context.WithCancel(t.Context())
		all.drop(all.add(own))
		defer cancel()
	}
	all.drop(a)
	all.drop(b)
	if len(all.all) != 1 || all.add(context.Background()) != nil {
		t.Errorf("%d contexts are watched, want the last one; a context without end is none", len(all.all))
	}
}
