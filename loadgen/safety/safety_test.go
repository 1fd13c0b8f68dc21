package safety

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// names is a resolver that knows some names.
func names(_ context.Context, host string) ([]netip.Addr, error) {
	known := map[string][]string{
		"localhost": {"127.0.0.1", "::1"}, "local.example": {"127.0.0.2"}, "empty.example": {},
		"staging.example": {"192.0.2.7"}, "half.example": {"127.0.0.1", "192.0.2.8"}, "mapped.example": {"::ffff:127.0.0.1"},
	}
	var out []netip.Addr
	addresses, ok := known[host]
	for _, a := range addresses {
		out = append(out, netip.MustParseAddr(a))
	}
	if !ok {
		return nil, errors.New("no such host")
	}
	return out, nil
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		address string
		targets []string
		want    string // local, allowed, or part of the refusal
	}{
		{"127.0.0.1:80", nil, "local"},
		{"127.9.9.9:80", nil, "local"},
		{"[::1]:80", nil, "local"},
		{"localhost:80", nil, "local"},
		{"dns:///localhost:80", nil, "local"},
		{"dns://192.0.2.1/localhost:80", nil, "local"}, // by our resolver
		{"passthrough:///127.0.0.1:80", nil, "local"},
		{"local.example:80", nil, "local"},
		{"mapped.example:80", nil, "local"},
		{"unix:/tmp/s", nil, "local"},
		{"unix:///tmp/s", nil, "local"},
		{"unix-abstract:s", nil, "local"},

		{"staging.example:443", nil, "it is at 192.0.2.7"},
		{"half.example:443", nil, "it is at 192.0.2.8"}, // one address is enough to leave the machine
		{"empty.example:443", nil, "no address"},
		{"unknown.example:443", nil, "cannot be resolved"},
		{"0.0.0.0:80", nil, "it is at 0.0.0.0"},
		{"192.0.2.1:80", nil, "--allow-target 192.0.2.1:80"},
		{":80", nil, "it has no host"},
		{"xds:///staging.example", nil, "the scheme xds"},
		{"127.0.0.1.nip.example:80", nil, "cannot be resolved"},

		{"staging.example:443", []string{"staging.example:443"}, "allowed"},
		{"dns:///Staging.Example:443", []string{"staging.example:443"}, "allowed"},
		{"staging.example:443", []string{"staging.example"}, "allowed"},
		{"staging.example:443", []string{"*.example:443"}, "allowed"},
		{"staging.example:444", []string{"staging.example:443"}, "it is at 192.0.2.7"},
		{"staging.example.evil.example:443", []string{"staging.example"}, "cannot be resolved"},
		{"[2001:db8::1]:443", []string{"[2001:db8::1]"}, "allowed"},
		{"xds:///staging.example", []string{"staging.example"}, "allowed"},
	} {
		p := Policy{Targets: row.targets}
		target, err := p.Judge(context.Background(), row.address, names)
		got := "allowed"
		switch {
		case err != nil:
			got = err.Error()
		case target.Local:
			got = "local"
		}
		if !strings.Contains(got, row.want) || err != nil && (row.want == "local" || row.want == "allowed") {
			t.Errorf("Judge(%q) with %v: %q, want %q", row.address, row.targets, got, row.want)
		}
	}
}

// What was loopback when it was judged stays so: the address itself counts.
func TestControl(t *testing.T) {
	for _, row := range []struct {
		local            bool
		network, address string
		want             string // of the refusal
	}{
		{true, "tcp4", "127.0.0.1:80", ""},
		{true, "tcp6", "[::1]:80", ""},
		{true, "tcp6", "[::ffff:127.0.0.1]:80", ""},
		{true, "unix", "/tmp/s", ""},
		{true, "tcp4", "192.0.2.7:80", "it is at 192.0.2.7 now"},
		{true, "tcp6", "[2001:db8::1%eth0]:80", "it is at 2001:db8::1%eth0 now"},
		{true, "tcp4", "0.0.0.0:80", "it is at 0.0.0.0 now"},
		{true, "tcp", "localhost:80", "is no address"},
		{false, "tcp4", "192.0.2.7:80", ""}, // allowed by name, wherever it is
	} {
		err := Target{Local: row.local, Name: "local.example:80"}.Control(row.network, row.address, nil)
		if (err == nil) != (row.want == "") || err != nil && (!strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "local.example:80")) {
			t.Errorf("Control(%s, %s), local %v: %v, want %q", row.network, row.address, row.local, err, row.want)
		}
	}
}

func TestMayCall(t *testing.T) {
	p := Policy{Methods: []string{"shop.Orders/Get*", "/shop.Carts/Clear"}}
	for _, row := range []struct {
		local, pure bool
		method      string
		want        bool
	}{
		{true, false, "shop.Orders/Delete", true},
		{false, true, "shop.Orders/Delete", true},
		{false, false, "shop.Orders/Delete", false},
		{false, false, "shop.Orders/GetAll", true},
		{false, false, "shop.Carts/Clear", true},
	} {
		if got := p.MayCall(Target{Local: row.local}, row.method, row.pure); got != row.want {
			t.Errorf("MayCall(%+v) = %v", row, got)
		}
	}
}

func TestCaps(t *testing.T) {
	for _, row := range []struct {
		policy   Policy
		local    bool
		rate     float64
		inFlight int
	}{
		{Policy{}, true, 0, 0},
		{Policy{}, false, DefaultRate, DefaultInFlight},
		{Policy{MaxRate: 7}, true, 7, 0},
		{Policy{MaxRate: 500, MaxInFlight: 3}, false, 500, 3},
	} {
		if rate, inFlight := row.policy.Caps(Target{Local: row.local}); rate != row.rate || inFlight != row.inFlight {
			t.Errorf("Caps(%+v) = %v, %d", row, rate, inFlight)
		}
	}
}

// However many callers there are and however fast they are, no second sees
// more calls than the cap, and no moment more calls under way.
func TestGuardHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(20, 5)
		var mu sync.Mutex
		var left []time.Time
		var inFlight, most atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				for g.Enter(ctx) {
					most.Store(max(most.Load(), inFlight.Add(1)))
					mu.Lock()
					left = append(left, time.Now())
					mu.Unlock()
					time.Sleep(time.Duration(5*i) * time.Millisecond)
					inFlight.Add(-1)
					g.Leave(false)
				}
			})
		}
		callers.Wait()
		for i := 20; i < len(left); i++ {
			if d := left[i].Sub(left[i-20]); d < time.Second {
				t.Fatalf("21 calls within %v, the cap is 20 a second", d)
			}
		}
		if len(left) < 200 || len(left) > 201 || most.Load() > 5 || most.Load() < 2 {
			t.Errorf("%d calls in 10 s, at most %d at a time, want 200 and 2 to 5", len(left), most.Load())
		}
	})
}

func TestGuardEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(1e-3, 1)
		if !g.Enter(t.Context()) {
			t.Fatal("the first call has to wait")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if start := time.Now(); g.Enter(ctx) || time.Since(start) != time.Second {
			t.Errorf("a second call at a time: it waited %v", time.Since(start))
		}
		g.Leave(false)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if start := time.Now(); g.Enter(ctx) || time.Since(start) != time.Second {
			t.Errorf("a second call within 1,000 s: it waited %v", time.Since(start))
		}
	})
}

func TestStopRules(t *testing.T) {
	for _, bad := range []string{"", "error_rate > 5%", "error_rate < 5% for 10s", "errors > 5% for 10s", "error_rate > x for 10s", "error_rate > 5% for 10", "error_rate > 5% for 1ms", "error_rate > 100% for 10s", "error_rate > NaN for 10s"} {
		if _, err := ParseStopRule(bad); err == nil {
			t.Errorf("ParseStopRule(%q) takes it", bad)
		}
	}
	rule, err := ParseStopRule("error_rate > 5% for 10s")
	if err != nil || fmt.Sprint(rule) != "error_rate > 5% for 10s" {
		t.Fatalf("ParseStopRule = %v, %v", rule, err)
	}
	// Each row: 100 calls a second; how many of them fail in each second.
	for _, row := range []struct {
		name string
		fail func(second int) int
		stop int // the second in which the run is stopped, 0 for never
	}{
		{"none", func(int) int { return 0 }, 0},
		{"as many as the budget has", func(int) int { return 5 }, 0},
		{"one more", func(int) int { return 6 }, 10},
		{"all, from the start: not before 10 s have passed", func(int) int { return 100 }, 10},
		{"a burst of one second", func(s int) int { return map[bool]int{true: 49}[s == 15] }, 0},
		{"a burst that is half of all in ten seconds", func(s int) int { return map[bool]int{true: 100}[s == 15] }, 16},
	} {
		b, stopped := newBudget(rule), 0
		for call := 0; call < 30*100 && stopped == 0; call++ {
			second := call / 100
			if b.add(time.Duration(call)*10*time.Millisecond, call%100 < row.fail(second)) {
				stopped = second
			}
		}
		if stopped != row.stop {
			t.Errorf("%s: stopped in second %d, want %d", row.name, stopped, row.stop)
		}
	}
}

// A call that ends after a silence longer than the rule looks back is judged
// without what was before the silence.
func TestBudgetAfterSilence(t *testing.T) {
	b := newBudget(StopRule{0.5, 2 * time.Second})
	b.add(0, true)
	if b.add(time.Hour, false) {
		// The failure is all there was in its seconds.
		t.Log("stopped by the failure before the silence")
	} else {
		t.Error("a failure of all calls in two seconds did not stop the run")
	}
	if b.add(2*time.Hour, false) {
		t.Error("stopped by a call that is long past")
	}
}

func TestStopOnCallsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(0, 0)
		var reasons []error
		g.StopOn(StopRule{0.1, time.Second}, func(err error) { reasons = append(reasons, err) })
		for range 50 {
			if !g.Enter(t.Context()) {
				t.Fatal("a guard without caps holds a call back")
			}
			g.Leave(true)
			time.Sleep(100 * time.Millisecond)
		}
		if len(reasons) != 1 || !strings.Contains(reasons[0].Error(), "error_rate > 10% for 1s") {
			t.Errorf("stopped with %v, want one reason that names the rule", reasons)
		}
	})
}

func ExamplePolicy() {
	p := Policy{Targets: []string{"*.staging.example:443"}}
	target, err := p.Judge(context.Background(), "192.0.2.1:443", nil)
	fmt.Println(target.Allowed, err != nil)
	// Output: false true
}
