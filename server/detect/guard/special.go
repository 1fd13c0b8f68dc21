package guard

import "net/netip"

// registry is what an address must not be in. The first entry that contains it
// gives the reason, so the narrow ones come first.
//
// Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890
// and its successors), and the documents of the cloud providers for metadata.
var registry = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},
	{netip.MustParsePrefix("169.254.170.2/32"), "cloud metadata"},   // AWS, of a container
	{netip.MustParsePrefix("100.100.100.200/32"), "cloud metadata"}, // Alibaba Cloud
	{netip.MustParsePrefix("168.63.129.16/32"), "cloud metadata"},   // Azure, in public space
	{netip.MustParsePrefix("192.0.0.192/32"), "cloud metadata"},     // Oracle Cloud
	{netip.MustParsePrefix("fd00:ec2::254/128"), "cloud metadata"},  // AWS
	{netip.MustParsePrefix("fd20:ce::254/128"), "cloud metadata"},   // Google Cloud
	{netip.MustParsePrefix("0.0.0.0/32"), "unspecified"},            // connects to the own host
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},            // RFC 791
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},                // RFC 1918
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},   // RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},              // RFC 1122
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},         // RFC 3927
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},             // RFC 1918
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"}, // RFC 6890
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},        // RFC 5737
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},         // RFC 7526
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},            // RFC 1918
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},        // RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},     // RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},      // RFC 5737
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},             // RFC 5771
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},      // RFC 8190
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},              // RFC 1112
	{netip.MustParsePrefix("::/128"), "unspecified"},                // RFC 4291
	{netip.MustParsePrefix("::1/128"), "loopback"},                  // RFC 4291
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"},        // RFC 8215
	{netip.MustParsePrefix("fc00::/7"), "private"},                  // RFC 4193
	{netip.MustParsePrefix("fe80::/10"), "link-local"},              // RFC 4291
	{netip.MustParsePrefix("fec0::/10"), "site-local"},              // RFC 3879
	{netip.MustParsePrefix("ff00::/8"), "multicast"},                // RFC 4291
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking"},          // RFC 5180
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},       // RFC 3849
	{netip.MustParsePrefix("2001::/32"), "Teredo"},                  // RFC 4380
	{netip.MustParsePrefix("2001::/23"), "protocol assignments"},    // RFC 2928
	{netip.MustParsePrefix("3fff::/20"), "documentation"},           // RFC 9637
}

// Where IPv6 carries an IPv4 address for a gateway to unpack.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last 4 bytes
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056: bytes 2 to 5
	unicast   = netip.MustParsePrefix("2000::/3")     // RFC 4291: all of global unicast that is given out
)

// special says why an address is not an ordinary public one, "" when it is.
func special(ip netip.Addr) string {
	if !ip.IsValid() {
		return "not an address"
	}
	for _, r := range registry {
		if r.prefix.Contains(ip) {
			return r.why
		}
	}
	if ip.Is4() {
		return ""
	}
	if inner, how := embedded(ip); how != "" {
		if why := special(inner); why != "" {
			return how + " of " + inner.String() + ", " + why
		}
		return ""
	}
	if !unicast.Contains(ip) {
		return "reserved"
	}
	return ""
}

// embedded returns the IPv4 address inside an IPv6 one, and the way in which
// it is carried, "" when there is none.
func embedded(ip netip.Addr) (inner netip.Addr, how string) {
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16])), "NAT64"
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), "6to4"
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return netip.AddrFrom4([4]byte(b[12:16])), "ISATAP" // RFC 5214
	}
	return netip.Addr{}, ""
}
