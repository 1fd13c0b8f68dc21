package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// door is the transport of a guarded client. It sees each request, redirects
// included, before its name is resolved.
type door struct {
	*http.Transport // for CloseIdleConnections, which http.Client looks for
}

// RoundTrip refuses what can be told from the URL, and passes on the rest.
func (d door) RoundTrip(req *http.Request) (*http.Response, error) {
	why := ""
	switch u := req.URL; {
	case u.Scheme != "http" && u.Scheme != "https":
		why = fmt.Sprintf("the scheme %q is not http or https", u.Scheme)
	case oddNumber(u.Hostname()):
		why = fmt.Sprintf("the host %q is a number, yet not an address in dotted decimal", u.Hostname())
	}
	if why == "" {
		return d.Transport.RoundTrip(req)
	}
	if req.Body != nil {
		req.Body.Close() // the contract of http.RoundTripper, on errors too
	}
	return nil, &Blocked{Why: why}
}

// oddNumber reports whether a host is one of the other spellings of an IPv4
// address: 2130706433, 0x7f.1, 0177.0.0.1, 127.1 or 127.0.0.1 with a dot after it.
//
// Go's own resolver takes them for names, but that of the C library, which a
// build with cgo may use, reads them as addresses. Control would catch these as
// well; refusing them here keeps the answer the same in both builds and spares
// a DNS query. No top-level domain begins with a digit.
func oddNumber(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9'
}
