package cli

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"touchstone/server/fault"
	"touchstone/server/refserver"
)

// flags are the settings of the command line.
type flags struct {
	listen           string
	faults           string
	faultsByMetadata bool
	seed             uint64
	upstream         string
	tlsCert, tlsKey  string
	clientCA         string
	grace            time.Duration
	maxMessage       size
	crawlAllow       prefixes
	rules            string
	logFormat        string
	logLevel         level
}

func defaults() *flags {
	return &flags{
		listen: "127.0.0.1:8011", seed: 1, grace: refserver.DefaultGrace, maxMessage: refserver.DefaultMaxMessage, logFormat: "text",
	}
}

func (f *flags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVar(&f.listen, "listen", f.listen, "`ADDR` to listen on: host:port, port 0 for any, or unix:PATH")
	fs.StringVar(&f.faults, "faults", "", "carry out the fault plan in `FILE` (YAML or JSON)")
	fs.BoolVar(&f.faultsByMetadata, "faults-by-metadata", false, "let callers ask for faults: rpc-behavior, x-envoy-fault-*")
	fs.Uint64Var(&f.seed, "seed", f.seed, "`N`: the seed of the plan's random choices")
	fs.StringVar(&f.upstream, "upstream", "", "delegate detection to the HTTP backend at `URL`, by JSON POST")
	fs.StringVar(&f.rules, "rules", "", "judge texts by the rules in `FILE`, not the built-in ones")
	fs.Var(&f.crawlAllow, "crawl-allow", "let fetches reach the private networks `CIDR,...`, such as 127.0.0.0/8")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "serve TLS with the certificate chain in `FILE` (PEM)")
	fs.StringVar(&f.tlsKey, "tls-key", "", "the key of --tls-cert in `FILE` (PEM)")
	fs.StringVar(&f.clientCA, "client-ca", "", "demand client certificates signed by the CAs in `FILE` (PEM)")
	fs.DurationVar(&f.grace, "grace", f.grace, "`TIME` that calls have to end once the server shuts down")
	fs.Var(&f.maxMessage, "max-message", "`SIZE` of the largest message in either direction")
	fs.StringVar(&f.logFormat, "log-format", f.logFormat, "`FORMAT` of the logs: text or json")
	fs.Var(&f.logLevel, "log-level", "`LEVEL` of the logs: debug (every call), info, warn or error")
}

// validate reports values, and combinations, that make no sense.
func (f *flags) validate() error {
	switch {
	case f.tlsCert != "" && f.tlsKey == "":
		return usage("give the key that belongs to the certificate: --tls-key FILE", "--tls-cert without --tls-key")
	case f.tlsKey != "" && f.tlsCert == "":
		return usage("give the certificate that belongs to the key: --tls-cert FILE", "--tls-key without --tls-cert")
	case f.clientCA != "" && f.tlsCert == "":
		return usage("client certificates need TLS: give --tls-cert and --tls-key too", "--client-ca without --tls-cert")
	case f.grace < 0:
		return usage("0s cuts at once", "--grace %s is negative", f.grace)
	case f.logFormat != "text" && f.logFormat != "json":
		return usage("text or json", "unknown --log-format %q", f.logFormat)
	case f.upstream != "":
		return checkURL(f.upstream)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usage("an absolute URL: http://127.0.0.1:9000/detect", "--upstream %q is not a URL of HTTP", text)
	}
	return nil
}

// size is a flag in bytes.
type size int64

// Set reads 100MiB.
func (s *size) Set(text string) error {
	n, err := fault.ParseSize(text)
	if err == nil && (n < 1 || n > math.MaxInt32) {
		err = fmt.Errorf("size %q is not within 1B and 2GiB-1B", text)
	}
	if err == nil {
		*s = size(n)
	}
	return err
}

// String returns the size in the largest unit that divides it.
func (s *size) String() string {
	for _, unit := range []struct {
		name  string
		bytes size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if *s > 0 && *s%unit.bytes == 0 {
			return strconv.FormatInt(int64(*s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*s), 10) + "B"
}

// Type names the value in messages.
func (*size) Type() string { return "SIZE" }

// prefixes is a flag of networks. Giving it again adds to them.
type prefixes []netip.Prefix

// Set reads 127.0.0.0/8,10.1.2.3: an address is the network of itself.
func (p *prefixes) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(part)
		if addr, addrErr := netip.ParseAddr(part); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is not a network such as 127.0.0.0/8", part)
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// String returns what Set reads.
func (p *prefixes) String() string {
	texts := make([]string, len(*p))
	for i, prefix := range *p {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ",")
}

// Type names the value in messages.
func (*prefixes) Type() string { return "CIDR,..." }

// level is a flag of a log level; the zero value is info.
type level slog.Level

// levels are the names of --log-level.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// Set reads a name.
func (l *level) Set(text string) error {
	v, ok := levels[text]
	if !ok {
		return fmt.Errorf("%q is not debug, info, warn or error", text)
	}
	*l = level(v)
	return nil
}

// String returns the name.
func (l *level) String() string { return strings.ToLower(slog.Level(*l).String()) }

// Type names the value in messages.
func (*level) Type() string { return "LEVEL" }
