package transport

import (
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/serviceconfig"
)

// CountAttempts returns a service config that lets a Channel count the
// attempts of its calls, and RecordAttempts list them, and is the given one
// otherwise. Connections with it need no AttemptHandler, and must have none. A
// load is better off so: whatever a stats handler does, grpc-go spends a sixth
// of a call's CPU on the events. What they tell and this does not is which
// attempts were made transparently.
//
// A text that is no service config is returned as it is.
//
// Note: grpc-go asks a load balancing policy for a connection once for each
// attempt, and tells it of the end. So this is a policy that leaves all to the
// one of the service config, and counts.
func CountAttempts(serviceConfig string) string {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(serviceConfig), &fields); err != nil {
		return serviceConfig
	}
	child := fields["loadBalancingConfig"]
	if child == nil {
		child = byName(fields["loadBalancingPolicy"])
	}
	var methods []struct {
		WaitForReady bool
		RetryPolicy  struct{ RetryableStatusCodes []codes.Code }
	}
	_ = json.Unmarshal(fields["methodConfig"], &methods) // grpc-go says what is wrong with it
	waits := false
	var retried []codes.Code
	for _, m := range methods {
		waits = waits || m.WaitForReady
		retried = append(retried, m.RetryPolicy.RetryableStatusCodes...)
	}
	delete(fields, "loadBalancingPolicy")
	fields["loadBalancingConfig"], _ = json.Marshal([]map[string]countingConfig{{countingPolicy: {Child: child, Waits: waits, Retried: uint32(OnlyCode(retried))}}})
	out, _ := json.Marshal(fields)
	return string(out)
}

// byName is the loadBalancingConfig of a policy that has only a name. grpc-go
// takes pick_first for one that it does not know.
func byName(name json.RawMessage) json.RawMessage {
	var s string
	if json.Unmarshal(name, &s) != nil || balancer.Get(s) == nil {
		s = pickfirst.Name
	}
	out, _ := json.Marshal([]map[string]struct{}{{s: {}}})
	return out
}

const countingPolicy = "touchstone_count_attempts"

func init() { balancer.Register(countingBuilder{}) } // grpc-go knows policies by name only

// countingConfig is the configuration of the policy.
type countingConfig struct {
	serviceconfig.LoadBalancingConfig `json:"-"`

	Child json.RawMessage `json:"child"` // a loadBalancingConfig
	Waits bool            `json:"waits"` // some calls wait for a connection: to find none is no attempt

	Retried uint32 `json:"retried"` // the status code that retries are for

	builder balancer.Builder
	parsed  serviceconfig.LoadBalancingConfig
}

// countingBuilder builds the policy. It implements balancer.ConfigParser too.
type countingBuilder struct{}

// Name implements balancer.Builder.
func (countingBuilder) Name() string { return countingPolicy }

// Build implements balancer.Builder. The child is built by the first config.
func (countingBuilder) Build(cc balancer.ClientConn, options balancer.BuildOptions) balancer.Balancer {
	return &counting{conn: &countingConn{ClientConn: cc}, options: options}
}

// ParseConfig implements balancer.ConfigParser.
func (countingBuilder) ParseConfig(text json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	cfg := new(countingConfig)
	if err := json.Unmarshal(text, cfg); err != nil {
		return nil, err
	}
	var candidates []map[string]json.RawMessage
	if err := json.Unmarshal(cfg.Child, &candidates); err != nil {
		return nil, fmt.Errorf("loadBalancingConfig: %w", err)
	}
	for _, candidate := range candidates {
		for name, text := range candidate {
			if cfg.builder = balancer.Get(name); cfg.builder == nil {
				continue
			}
			var err error
			if parser, ok := cfg.builder.(balancer.ConfigParser); ok {
				cfg.parsed, err = parser.ParseConfig(text)
			}
			return cfg, err
		}
	}
	return nil, errors.New("loadBalancingConfig: no policy in it is known")
}

// counting is the policy of one channel: its child, which is told of a channel
// whose pickers count. Service configs here do not change under a connection,
// and so the child does not.
type counting struct {
	balancer.Balancer // nil before the first config
	conn              *countingConn
	options           balancer.BuildOptions
}

// UpdateClientConnState implements balancer.Balancer.
func (c *counting) UpdateClientConnState(state balancer.ClientConnState) error {
	cfg, ok := state.BalancerConfig.(*countingConfig)
	if !ok {
		return balancer.ErrBadResolverState
	}
	if c.Balancer == nil {
		c.conn.waits, c.conn.retried = cfg.Waits, codes.Code(cfg.Retried)
		c.Balancer = cfg.builder.Build(c.conn, c.options)
	}
	state.BalancerConfig = cfg.parsed
	return c.Balancer.UpdateClientConnState(state)
}

// ResolverError implements balancer.Balancer.
func (c *counting) ResolverError(err error) {
	if c.Balancer != nil {
		c.Balancer.ResolverError(err)
		return
	}
	c.conn.UpdateState(balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: noPicker{err}})
}

// ExitIdle implements balancer.Balancer.
func (c *counting) ExitIdle() {
	if c.Balancer != nil {
		c.Balancer.ExitIdle()
	}
}

// Close implements balancer.Balancer.
func (c *counting) Close() {
	if c.Balancer != nil {
		c.Balancer.Close()
	}
}

// countingConn puts a counting picker around each of the child's.
type countingConn struct {
	balancer.ClientConn
	waits   bool
	retried codes.Code
}

// UpdateState implements balancer.ClientConn.
func (c *countingConn) UpdateState(state balancer.State) {
	state.Picker = &countingPicker{state.Picker, c.waits, c.retried}
	c.ClientConn.UpdateState(state)
}

// noPicker fails all calls.
type noPicker struct{ err error }

// Pick implements balancer.Picker.
func (p noPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{}, p.err
}
