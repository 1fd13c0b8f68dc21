package cli

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/server/fault"
	"touchstone/server/proxy"
	"touchstone/server/source"
)

// faultPath is a proxy of our own in the path to a target, which carries out
// the faults of one scenario file.
type faultPath struct {
	plan    *fault.Plan
	decider *fault.Decider
	address string
	cancel  context.CancelFunc
	served  sync.WaitGroup
}

// openFaultPath starts a proxy on a loopback port. Close ends it.
func (f *targetFlags) openFaultPath(t *target, plan *fault.Plan, seed uint64) (*faultPath, error) {
	dial, err := f.rawDialer(t)
	if err != nil {
		return nil, err
	}
	p := &faultPath{plan: plan, decider: fault.NewDecider(plan, seed)}
	between, err := proxy.New(proxy.Config{Dial: dial, Decider: p.decider})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for faults: %w", err)
	}
	p.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.served.Go(func() { _ = between.Serve(ctx, listener) }) // ends with ctx; a client notices if it ends before
	return p, nil
}

// Close ends the proxy and waits until it has ended.
func (p *faultPath) Close() {
	p.cancel()
	p.served.Wait()
}

// dial connects to the proxy.
func (p *faultPath) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", p.address)
}

// options lead the connections of a target through the proxy. The target's own
// credentials are used behind it.
func (p *faultPath) options(f *targetFlags) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx) }),
	}
	if f.serverName != "" && f.authority == "" { // what TLS credentials would have made of it
		options = append(options, grpc.WithAuthority(f.serverName))
	}
	return options
}

// unmet returns the rules of the plan that were never hit: what they were to
// show was not seen.
func (p *faultPath) unmet() []scenario.Finding {
	var out []scenario.Finding
	for i, hits := range p.decider.Hits() {
		if hits == 0 {
			out = append(out, scenario.Finding{Pos: p.plan.Rules[i].Pos, Field: "faults", Want: "at least one hit", Got: "none",
				Message: "this fault was never hit, so what it is there to show was not seen"})
		}
	}
	return out
}

// checkFaults reports rules whose method the target does not have.
func checkFaults(file *scenario.File, known *schema.Schema) error {
	if file.Faults == nil {
		return nil
	}
	r := &source.Reporter{File: file.Source}
	var names []string
	for _, service := range known.Services() {
		for i := range service.Methods().Len() {
			names = append(names, string(service.FullName())+"/"+string(service.Methods().Get(i).Name()))
		}
	}
	for i := range file.Faults.Rules {
		rule := &file.Faults.Rules[i]
		fits := false
		for _, name := range names {
			fits = fits || rule.Match.MatchesMethod(name)
		}
		if !fits {
			r.Errorf(rule.Word("method"), "%q fits no method of the target", rule.Match.Method).Hint = source.DidYouMean(rule.Match.Method, names)
		}
	}
	return r.Err()
}
