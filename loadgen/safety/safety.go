// Package safety keeps load where it is wanted: which targets may be sent to,
// which methods, how fast, how many calls at a time, and when to stop.
//
// A [Policy] decides and is pure; a [Guard] holds what was decided against
// every call, whatever asked for it. Nothing here connects to anything.
package safety

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Caps of a target that is not loopback, unless the policy raises them.
const (
	DefaultRate     = 50 // calls a second
	DefaultInFlight = 50 // calls at a time
)

// Policy says what may be done to targets that are not loopback. A loopback
// target has only the caps that are given.
type Policy struct {
	// Targets are those that may be sent to: host:port, or a host for all of
	// its ports, with * for any part of a name.
	Targets []string
	// Methods are those that may be called although their descriptors do not
	// say that they have no side effects: pkg.Service/Method, with *.
	Methods []string
	// MaxRate and MaxInFlight are the caps; 0 stands for the defaults, or for
	// none with a loopback target.
	MaxRate     float64
	MaxInFlight int
}

// Resolve returns the addresses of a host.
type Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

// Target is what is known of a target.
type Target struct {
	Local   bool   // loopback, or a unix socket
	Name    string // host:port, as rules have it
	Allowed bool   // by a rule of the policy
}

// Refused says that a target is not to be sent to.
type Refused struct {
	Name string
	Why  string
}

// Error says how to allow it.
func (r *Refused) Error() string {
	return fmt.Sprintf(`target %s is not loopback (%s), and nothing allows sending to it
hint: if it is a place that takes test traffic, allow it: --allow-target %s,
      or for everybody in this folder, in touchstone.yaml:
        allow_targets: [%q]`, r.Name, r.Why, r.Name, r.Name)
}

// Judge says what a target is, in gRPC's syntax: host:port, dns:///host:port,
// unix:path. Names are resolved: a name is loopback only if all of its
// addresses are. The error is a [*Refused] when nothing allows the target.
func (p *Policy) Judge(ctx context.Context, address string, resolve Resolve) (Target, error) {
	scheme, rest := split(address)
	if strings.HasPrefix(scheme, "unix") {
		return Target{Local: true, Name: address}, nil
	}
	t := Target{Name: rest}
	t.Allowed = slices.ContainsFunc(p.Targets, func(rule string) bool { return allows(rule, rest) })
	why := "the scheme " + scheme + " may lead anywhere"
	if scheme == "dns" || scheme == "passthrough" {
		if t.Local, why = loopback(ctx, rest, resolve); t.Local {
			return t, nil
		}
	}
	if !t.Allowed {
		return t, &Refused{Name: rest, Why: why}
	}
	return t, nil
}

// Control refuses a connection of a target that was judged to be loopback when
// it leads elsewhere: its name may resolve to another address than it did then.
// It is a [net.Dialer]'s Control, asked with the address itself before anything
// is sent. The error is a [*Refused].
func (t Target) Control(network, address string, _ syscall.RawConn) error {
	if !t.Local || strings.HasPrefix(network, "unix") {
		return nil
	}
	if local, why := loopback(context.Background(), address, onlyAddresses); !local {
		return &Refused{Name: t.Name, Why: why + " now"}
	}
	return nil
}

// onlyAddresses resolves no names.
func onlyAddresses(_ context.Context, host string) ([]netip.Addr, error) {
	return nil, fmt.Errorf("%q is no address", host)
}

// split returns the scheme of a target, dns when it has none, and what it names.
func split(address string) (scheme, rest string) {
	scheme, rest, ok := strings.Cut(address, ":")
	switch {
	case strings.HasPrefix(scheme, "unix") && ok:
		return scheme, rest
	case !ok || !strings.HasPrefix(rest, "//"):
		return "dns", address // host:port
	}
	rest = strings.TrimPrefix(rest, "//")
	if _, name, ok := strings.Cut(rest, "/"); ok {
		rest = name // without the authority, which is the DNS server
	}
	return scheme, rest
}

// hostOf returns the host of host:port, or of a host.
func hostOf(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return strings.Trim(name, "[]")
}

// loopback reports whether a host is this machine, and otherwise why not.
func loopback(ctx context.Context, name string, resolve Resolve) (local bool, why string) {
	host := hostOf(name)
	if host == "" {
		return false, "it has no host"
	}
	addresses, err := []netip.Addr(nil), error(nil)
	if ip, parseErr := netip.ParseAddr(host); parseErr == nil {
		addresses = []netip.Addr{ip}
	} else if addresses, err = resolve(ctx, host); err != nil {
		return false, "its name cannot be resolved: " + err.Error()
	}
	for _, ip := range addresses {
		if !ip.Unmap().WithZone("").IsLoopback() {
			return false, "it is at " + ip.String()
		}
	}
	return len(addresses) > 0, "its name has no address"
}

// allows reports whether a rule covers host:port.
func allows(rule, name string) bool {
	if _, _, err := net.SplitHostPort(rule); err != nil {
		name, rule = hostOf(name), strings.Trim(rule, "[]")
	}
	ok, err := path.Match(strings.ToLower(rule), strings.ToLower(name))
	return err == nil && ok
}

// Caps returns the caps for a target, 0 for none.
func (p *Policy) Caps(t Target) (rate float64, inFlight int) {
	rate, inFlight = p.MaxRate, p.MaxInFlight
	if t.Local {
		return rate, inFlight
	}
	if rate == 0 {
		rate = DefaultRate
	}
	if inFlight == 0 {
		inFlight = DefaultInFlight
	}
	return rate, inFlight
}

// MayCall reports whether a method may be called at a target: all may be at a
// loopback target, and elsewhere those without side effects and those that the
// policy names.
func (p *Policy) MayCall(t Target, method string, noSideEffects bool) bool {
	return t.Local || noSideEffects || slices.ContainsFunc(p.Methods, func(rule string) bool {
		ok, err := path.Match(strings.TrimPrefix(rule, "/"), method)
		return err == nil && ok
	})
}

// RefusedMethods is the error of methods that may not be called.
func RefusedMethods(t Target, methods []string) error {
	slices.Sort(methods)
	text := fmt.Sprintf("target %s is not loopback, and these methods are not marked idempotency_level = NO_SIDE_EFFECTS: %s",
		t.Name, strings.Join(methods, ", "))
	text += "\nhint: allow those whose effects on the target are wanted, by name:"
	for _, m := range methods {
		text += " --allow-method " + m
	}
	return errors.New(text)
}
