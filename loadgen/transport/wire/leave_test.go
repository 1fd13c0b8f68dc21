package wire_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport/wire"
)

// events collects what happens to connections.
type events struct {
	mu    sync.Mutex
	kinds []wire.EventKind
}

func (e *events) add(one wire.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kinds = append(e.kinds, one.Kind)
}

// GOAWAY ends the calls that the target has not taken; those that it has
// taken go on, and the next call takes a new connection.
func TestGoAwayInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told events
		var closed time.Time // the connection that was to be left
		start := time.Now()
		w := scripted(t, wire.Config{Event: told.add}, nil, func(p *peer) {
			for range 3 {
				p.request()
			}
			p.WriteGoAway(1, http2.ErrCodeNo, nil)
			time.Sleep(time.Second)
			p.answer(1)
			p.rest()
			closed = time.Now()
		}, func(p *peer) {
			id, _ := p.request()
			p.answer(id)
			p.rest()
		})
		got := map[codes.Code]int{}
		var mu sync.Mutex
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				status := do(t, w, unary(1)).Status
				mu.Lock()
				defer mu.Unlock()
				got[status]++
			})
		}
		synctest.Wait()
		if next := do(t, w, unary(1)); next.Status != codes.OK {
			t.Errorf("the call after GOAWAY: %v %q, want OK", next.Status, next.Message)
		}
		calls.Wait()
		synctest.Wait()
		if after := closed.Sub(start); after != time.Second {
			t.Errorf("the connection was closed after %v, want 1s, with its last call", after)
		}
		if want := map[codes.Code]int{codes.OK: 1, codes.Unavailable: 2}; !cmp.Equal(got, want) {
			t.Errorf("statuses %v, want %v", got, want)
		}
		if got, want := w.Stats(), (wire.Stats{Dialled: 2, Unprocessed: 2}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		if want := []wire.EventKind{wire.Connected, wire.GoAway, wire.Connected}; !cmp.Equal(told.kinds, want) {
			t.Errorf("events %q, want %q", told.kinds, want)
		}
	})
}

// A connection that breaks ends its calls; the next call takes another one,
// and a target that is gone is told of.
func TestLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told events
		w := scripted(t, wire.Config{Event: told.add}, nil,
			func(p *peer) { p.request() },
			func(p *peer) { p.answer(first(p.request())) })
		for i, want := range []codes.Code{codes.Unavailable, codes.OK, codes.Unavailable} {
			if got := do(t, w, unary(1)); got.Status != want {
				t.Errorf("call %d: %v %q, want %v", i, got.Status, got.Message, want)
			}
			synctest.Wait()
		}
		want := []wire.EventKind{wire.Connected, wire.Lost, wire.Connected, wire.Lost, wire.DialFailed}
		if !cmp.Equal(told.kinds, want) {
			t.Errorf("events %q, want %q", told.kinds, want)
		}
	})
}

func first(id uint32, _ map[string]string) uint32 { return id }

// Calls that wait for a stream when a GOAWAY comes go to the next connection.
func TestGoAwayBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaves := func(p *peer) {
			time.Sleep(time.Second)
			p.WriteGoAway(0, http2.ErrCodeNo, nil)
			p.rest()
		}
		answers := func(p *peer) {
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
			p.answer(first(p.request()))
			p.rest()
		}
		none := []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}
		if got := do(t, scripted(t, wire.Config{}, none, leaves, leaves, answers), unary(1)); got.Status != codes.OK {
			t.Errorf("the third connection takes the call: %v %q, want OK", got.Status, got.Message)
		}
		got := do(t, scripted(t, wire.Config{}, none, slices.Repeat([]func(*peer){leaves}, 100)...), unary(1))
		if got.Status != codes.Unavailable || !strings.Contains(got.Message, "every connection") {
			t.Errorf("no connection takes the call: %v %q, want Unavailable", got.Status, got.Message)
		}
	})
}

// A target that takes connections and says nothing is given up.
func TestNoSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told events
		w := to(t, wire.Config{DialTimeout: 3 * time.Second, Event: told.add, Dial: func(context.Context) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, server) }()
			return client, nil
		}})
		start := time.Now()
		got := do(t, w, unary(1))
		if took := time.Since(start); got.Status != codes.Unavailable || !strings.Contains(got.Message, "SETTINGS") || took != 3*time.Second {
			t.Errorf("%v %q after %v, want Unavailable for want of SETTINGS after 3s", got.Status, got.Message, took)
		}
		if err := w.Connect(t.Context()); err == nil {
			t.Error("Connect succeeds without SETTINGS")
		}
		if want := []wire.EventKind{wire.DialFailed, wire.DialFailed}; !cmp.Equal(told.kinds, want) {
			t.Errorf("events %q, want %q", told.kinds, want)
		}
	})
}
