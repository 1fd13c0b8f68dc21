package guard

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// loopback4 is where the servers of these tests listen.
var loopback4 = netip.MustParsePrefix("127.0.0.1/32")

func TestCheck(t *testing.T) {
	for _, row := range []struct{ name, ip, why string }{
		{"a public IPv4 address", "93.184.216.34", ""},
		{"a public IPv6 address", "2606:4700::1111", ""},
		{"the address just below 10/8", "9.255.255.255", ""},
		{"the address just above 172.16/12", "172.32.0.0", ""},
		{"the address just above CGNAT", "100.128.0.0", ""},
		{"the address just below multicast", "223.255.255.255", ""},
		{"private 10/8", "10.1.2.3", "private"},
		{"the last of private 172.16/12", "172.31.255.255", "private"},
		{"private 192.168/16", "192.168.1.1", "private"},
		{"loopback, not only 127.0.0.1", "127.8.9.10", "loopback"},
		{"IPv6 loopback", "::1", "loopback"},
		{"link-local", "169.254.0.1", "link-local"},
		{"IPv6 link-local with a zone", "fe80::1%eth0", "link-local"},
		{"the metadata service", "169.254.169.254", "cloud metadata"},
		{"the metadata service over IPv6", "fd00:ec2::254", "cloud metadata"},
		{"metadata in public address space", "168.63.129.16", "cloud metadata"},
		{"carrier-grade NAT", "100.64.0.1", "carrier-grade NAT"},
		{"multicast", "224.0.0.1", "multicast"},
		{"IPv6 multicast", "ff02::1", "multicast"},
		{"unspecified, which connects to the own host", "0.0.0.0", "unspecified"},
		{"IPv6 unspecified", "::", "unspecified"},
		{"this network", "0.1.2.3", "this network"},
		{"broadcast", "255.255.255.255", "broadcast"},
		{"reserved", "250.0.0.1", "reserved"},
		{"benchmarking", "198.19.0.1", "benchmarking"},
		{"IPv6 benchmarking", "2001:2::1", "benchmarking"},
		{"documentation", "203.0.113.7", "documentation"},
		{"IPv6 unique local", "fd12::1", "private"},
		{"IPv6 site-local, long deprecated", "fec0::1", "site-local"},
		{"Teredo", "2001:0:1::1", "Teredo"},
		{"IPv6 that nobody has been given", "4000::1", "reserved"},
		{"IPv4-mapped loopback", "::ffff:127.0.0.1", "loopback"},
		{"IPv4-mapped public", "::ffff:93.184.216.34", ""},
		{"IPv4-compatible loopback", "::127.0.0.1", "reserved"},
		{"IPv4-translated loopback", "::ffff:0:127.0.0.1", "reserved"},
		{"NAT64 of loopback", "64:ff9b::7f00:1", "NAT64 of 127.0.0.1, loopback"},
		{"NAT64 of a public address", "64:ff9b::5db8:d822", ""},
		{"the local NAT64 prefix", "64:ff9b:1::7f00:1", "local NAT64"},
		{"6to4 of a private address", "2002:0a00:0001::1", "6to4 of 10.0.0.1, private"},
		{"6to4 of a public address", "2002:5db8:d822::1", ""},
		{"ISATAP of the metadata service", "2606:4700::5efe:a9fe:a9fe", "ISATAP of 169.254.169.254, cloud metadata"},
		{"ISATAP with the universal bit", "2606:4700::200:5efe:7f00:1", "ISATAP of 127.0.0.1, loopback"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := New(nil).Check(netip.AddrPortFrom(netip.MustParseAddr(row.ip), 80))
			if why := reason(got); why != row.why {
				t.Errorf("Check(%s) = %v, want reason %q", row.ip, got, row.why)
			}
		})
	}
}

// reason is the Why of a refusal, "" for no error.
func reason(err error) string {
	if blocked, ok := errors.AsType[*Blocked](err); ok {
		return blocked.Why
	}
	if err != nil {
		return "not a *Blocked: " + err.Error()
	}
	return ""
}

func TestAllow(t *testing.T) {
	allow := []netip.Prefix{
		netip.MustParsePrefix("10.9.8.7/16"), // host bits set
		netip.MustParsePrefix("::ffff:192.168.0.0/112"),
		netip.MustParsePrefix("fe80::/64"),
		{}, // the zero prefix allows nothing
	}
	g := New(allow)
	for _, row := range []struct {
		name, ip string
		allowed  bool
	}{
		{"inside the prefix, whatever its host bits", "10.9.1.1", true},
		{"outside of it", "10.10.0.1", false},
		{"inside, in IPv4-mapped form", "::ffff:10.9.1.1", true},
		{"inside a prefix in IPv4-mapped form", "192.168.255.1", true},
		{"just outside of it", "192.169.0.1", true}, // a public address
		{"an address with a zone", "fe80::1%lo", true},
		{"a gateway's address for an allowed one", "64:ff9b::10.9.1.1", false},
		{"another refused address", "127.0.0.1", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(row.ip), 80))
			if (err == nil) != row.allowed {
				t.Errorf("Check(%s) = %v, want allowed %v", row.ip, err, row.allowed)
			}
		})
	}
}

func TestControl(t *testing.T) {
	g := New(nil)
	for _, row := range []struct{ name, network, address, why string }{
		{"a public address", "tcp4", "93.184.216.34:80", ""},
		{"a private address", "tcp4", "10.0.0.1:80", "private"},
		{"a zone", "tcp6", "[fe80::1%lo]:80", "link-local"},
		{"a Unix socket", "unix", "/run/docker.sock", `network "unix" is not TCP`},
		{"UDP", "udp4", "93.184.216.34:53", `network "udp4" is not TCP`},
		{"a name, which a dialer never passes", "tcp", "localhost:80", `"localhost:80" is not an IP address with a port`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if why := reason(g.Control(row.network, row.address, nil)); why != row.why {
				t.Errorf("Control(%q, %q) = %q, want %q", row.network, row.address, why, row.why)
			}
		})
	}
}

// inside is a server on loopback that nobody may reach, and counts who does.
func inside(t *testing.T) (port string, calls *atomic.Int32) {
	t.Helper()
	calls = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, calls
}

func TestClientRefuses(t *testing.T) {
	port, calls := inside(t)
	client := New(nil).Client(0)
	t.Cleanup(client.CloseIdleConnections)
	const odd = "is a number, yet not an address in dotted decimal"
	for _, row := range []struct{ name, url, why string }{
		{"an IP address", "http://127.0.0.1:%s/", "loopback"},
		{"another loopback address", "http://127.1.2.3:%s/", "loopback"},
		{"a name that DNS resolves to loopback", "http://localhost:%s/", "loopback"},
		{"a decimal number", "http://2130706433:%s/", odd},
		{"a hexadecimal number", "http://0x7f000001:%s/", odd},
		{"octal parts", "http://0177.0.0.1:%s/", odd},
		{"hexadecimal parts", "http://0x7f.0.0.0x1:%s/", odd},
		{"two parts", "http://127.1:%s/", odd},
		{"an IP address with a dot after it", "http://127.0.0.1.:%s/", odd},
		{"full-width digits and stops", "http://１２７。０。０。１:%s/", "loopback"},
		{"all zeros", "http://0.0.0.0:%s/", "unspecified"},
		{"IPv6 loopback", "http://[::1]:%s/", "loopback"},
		{"IPv6 unspecified", "http://[::]:%s/", "unspecified"},
		{"IPv4-mapped", "http://[::ffff:127.0.0.1]:%s/", "loopback"},
		{"IPv4-mapped in hexadecimal", "http://[::ffff:7f00:1]:%s/", "loopback"},
		{"NAT64", "http://[64:ff9b::127.0.0.1]:%s/", "NAT64 of 127.0.0.1, loopback"},
		{"IPv4-mapped metadata", "http://[::ffff:a9fe:a9fe]:%s/", "cloud metadata"},
		{"a trusted name as user", "http://example.com@127.0.0.1:%s/", "loopback"},
		{"a file", "file:///etc/passwd?%s", `the scheme "file" is not http or https`},
		{"gopher", "gopher://127.0.0.1:%s/", `the scheme "gopher" is not http or https`},
	} {
		t.Run(row.name, func(t *testing.T) {
			url := fmt.Sprintf(row.url, port)
			resp, err := client.Get(url)
			if err == nil {
				resp.Body.Close()
			}
			if why := reason(err); why == "" || !strings.HasSuffix(why, row.why) {
				t.Errorf("Get(%s) = %v, want a refusal: %s", url, err, row.why)
			}
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

// A refusal must also name the address, which is what an operator needs in
// order to allow it.
func TestBlockedNamesTheAddress(t *testing.T) {
	port, _ := inside(t)
	_, err := New(nil).Client(0).Get("http://127.0.0.1:" + port + "/")
	blocked, ok := errors.AsType[*Blocked](err)
	if !ok {
		t.Fatalf("Get = %v, want a *Blocked", err)
	}
	if want := "127.0.0.1:" + port + " is refused: loopback"; blocked.Error() != want {
		t.Errorf("Error() = %q, want %q", blocked, want)
	}
}

func TestRedirects(t *testing.T) {
	port, calls := inside(t)
	var visits atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		to := r.URL.Query().Get("to")
		if to == "" {
			io.WriteString(w, "arrived")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	defer front.Close()
	client := New([]netip.Prefix{loopback4}).Client(0)
	defer client.CloseIdleConnections()
	for _, row := range []struct {
		name, to, want string
		visits         int32
	}{
		{"to an allowed address", "/", "<nil>", 2},
		{"from an allowed address to a refused one", "http://127.0.0.2:" + port, "127.0.0.2:" + port + " is refused: loopback", 1},
		{"to a refused address by another spelling", "http://[::ffff:127.0.0.2]:" + port, "is refused: loopback", 1},
		{"to the metadata service", "http://169.254.169.254/latest/meta-data/", "169.254.169.254:80 is refused: cloud metadata", 1},
		{"to a file", "file:///etc/passwd", `the scheme "file" is not http or https`, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			visits.Store(0)
			resp, err := client.Get(front.URL + "/?to=" + row.to)
			if err == nil {
				resp.Body.Close()
			}
			if got := fmt.Sprint(err); !strings.Contains(got, row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
			if n := visits.Load(); n != row.visits {
				t.Errorf("%d visits, want %d", n, row.visits)
			}
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the server inside was reached %d times", n)
	}
}

func TestRedirectLimit(t *testing.T) {
	var visits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	defer srv.Close()
	client := New([]netip.Prefix{loopback4}).Client(0)
	defer client.CloseIdleConnections()
	_, err := client.Get(srv.URL)
	if err == nil || !strings.Contains(err.Error(), "stopped after 5 redirects") {
		t.Errorf("error %v, want the limit", err)
	}
	if n := visits.Load(); n != MaxRedirects+1 {
		t.Errorf("%d visits, want %d", n, MaxRedirects+1)
	}
}

// A proxy would dial in the guard's place.
func TestNoProxy(t *testing.T) {
	port, calls := inside(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+port)
	t.Setenv("http_proxy", "http://127.0.0.1:"+port)
	transport := New(nil).Client(0).Transport.(door)
	if transport.Proxy != nil {
		t.Error("the transport has a proxy")
	}
	_, err := New([]netip.Prefix{loopback4}).Client(0).Get("http://10.0.0.1/")
	if why := reason(err); why != "private" || calls.Load() != 0 {
		t.Errorf("error %v with %d calls of the proxy, want a refusal and none", err, calls.Load())
	}
}

// FuzzCheck holds the guard against the predicates of net/netip, an obvious
// but narrower twin: what they call special, the guard refuses, in each of the
// forms that an IPv4 address can take.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"127.0.0.1", "8.8.8.8", "10.0.0.1", "::1", "64:ff9b::1", "2002::1", "fe80::1"} {
		f.Add(netip.MustParseAddr(seed).AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		g := New(nil)
		err := g.Check(netip.AddrPortFrom(ip, 80))
		if plain := ip.Unmap(); err == nil && (!plain.IsGlobalUnicast() || plain.IsPrivate()) {
			t.Errorf("%s is let through", ip)
		}
		if ip.Is4() {
			for _, form := range forms(ip.As4()) {
				if got := g.Check(netip.AddrPortFrom(form, 80)); (got == nil) != (err == nil) {
					t.Errorf("%s: %v, yet %s: %v", ip, err, form, got)
				}
			}
		}
	})
}

// forms returns IPv6 addresses that lead to an IPv4 address.
func forms(v4 [4]byte) []netip.Addr {
	mapped := netip.AddrFrom4(v4).As16()
	translated := [16]byte{0, 0x64, 0xff, 0x9b}
	copy(translated[12:], v4[:])
	tunnel := [16]byte{0x20, 0x02}
	copy(tunnel[2:], v4[:])
	return []netip.Addr{netip.AddrFrom16(mapped), netip.AddrFrom16(translated), netip.AddrFrom16(tunnel)}
}

func ExampleGuard_Check() {
	g := New([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")})
	fmt.Println(g.Check(netip.MustParseAddrPort("93.184.216.34:443")))
	fmt.Println(g.Check(netip.MustParseAddrPort("10.1.2.3:80")))
	fmt.Println(g.Check(netip.MustParseAddrPort("[64:ff9b::a9fe:a9fe]:80")))
	// Output:
	// <nil>
	// <nil>
	// [64:ff9b::a9fe:a9fe]:80 is refused: NAT64 of 169.254.169.254, cloud metadata
}
