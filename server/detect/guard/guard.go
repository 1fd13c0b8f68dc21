// Package guard decides which network addresses a fetch may reach, so that no
// request can make this server talk to its own host, its neighbours or the
// cloud's metadata service (server-side request forgery).
//
// The decision is taken when a connection is dialled: after DNS has answered,
// for each address that is tried, and so also for each redirect. A check of the
// URL alone would be too early, because a name may resolve to anything, and to
// something else a moment later.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// What a client of the guard does, beyond what its caller asks.
const (
	// DefaultTimeout bounds one request, body and redirects included, when
	// Client is asked for no timeout.
	DefaultTimeout = 15 * time.Second

	// MaxRedirects is the number of redirects that are followed.
	MaxRedirects = 5

	maxHeaderBytes = 64 << 10
	maxIdle        = 32
	idleTimeout    = 30 * time.Second
)

// Guard is the rule. It never changes, and is safe for concurrent use.
type Guard struct {
	allow []netip.Prefix
}

// Blocked is the error of a fetch that the guard refused. Addr is the zero
// value when the URL alone was enough to refuse. It is found inside the errors
// of the client with errors.AsType.
type Blocked struct {
	Addr netip.AddrPort
	Why  string // what the address is, such as "loopback"
}

// Error says what was refused, and why.
func (b *Blocked) Error() string {
	if !b.Addr.IsValid() {
		return "refused: " + b.Why
	}
	return fmt.Sprintf("%s is refused: %s", b.Addr, b.Why)
}

// New returns a guard that lets through public unicast addresses, and those in
// the prefixes of allow. IPv4 prefixes may be written in IPv6 form.
//
// A prefix allows the addresses that it contains, not the IPv6 addresses that
// a gateway would translate to one of them.
func New(allow []netip.Prefix) *Guard {
	g := &Guard{}
	for _, p := range allow {
		if !p.IsValid() {
			continue
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		g.allow = append(g.allow, p.Masked())
	}
	return g
}

// Check returns a *Blocked when addr must not be dialled.
func (g *Guard) Check(addr netip.AddrPort) error {
	ip := addr.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	if why := special(ip); why != "" {
		return &Blocked{Addr: addr, Why: why}
	}
	return nil
}

// Control is for net.Dialer.Control. The dialer calls it with the address that
// it is about to connect to, always an IP.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return &Blocked{Why: fmt.Sprintf("network %q is not TCP", network)}
	}
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Blocked{Why: fmt.Sprintf("%q is not an IP address with a port", address)}
	}
	return g.Check(addr)
}

// Client returns an HTTP client that dials through the guard: http and https
// only, at most MaxRedirects redirects, no proxy (one would do the dialling in
// the guard's place) and no cookies. timeout bounds each request as a whole,
// 0 is DefaultTimeout. The connections are pooled, so share the client.
func (g *Guard) Client(timeout time.Duration) *http.Client {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	dialer := &net.Dialer{Timeout: timeout, Control: g.Control}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: checkRedirect,
		Transport: door{&http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			MaxIdleConns:           maxIdle,
			IdleConnTimeout:        idleTimeout,
		}},
	}
}

// checkRedirect ends a chain of redirects that is too long. What the redirect
// points to is for the door and Control to judge.
func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) > MaxRedirects {
		return fmt.Errorf("stopped after %d redirects", MaxRedirects)
	}
	return nil
}
