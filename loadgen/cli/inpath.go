package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	"github.com/spf13/pflag"

	"touchstone/server/fault"
	"touchstone/server/proxy"
)

// pathFlags are those of commands that stand between clients and a server.
type pathFlags struct {
	listen, upstream string
	tlsCert, tlsKey  string
	upstreamTLS      bool
	target           targetFlags // of TLS to the upstream
	faults           string
	seed             uint64
}

func (f *pathFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.listen, "listen", "127.0.0.1:0", "`address` for clients, host:port; port 0 for any that is free")
	fs.StringVar(&f.upstream, "upstream", "", "`address` of the server: host:port or unix:path")
	fs.StringVar(&f.faults, "faults", "", "fault plan `file`, YAML or JSON (default: nothing is done to calls)")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the fault plan's random choices")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "speak TLS with clients, by the certificate chain in `file` (PEM)")
	fs.StringVar(&f.tlsKey, "tls-key", "", "the key of --tls-cert in `file` (PEM)")
	fs.BoolVar(&f.upstreamTLS, "upstream-tls", false, "speak TLS with the upstream")
	fs.StringVar(&f.target.cacert, "upstream-cacert", "", "`file` of the certificates to trust in the upstream (default: those of the system)")
	fs.StringVar(&f.target.serverName, "upstream-servername", "", "`name` to verify the upstream's certificate for")
	fs.BoolVar(&f.target.insecure, "upstream-insecure", false, "do not verify the upstream's certificate")
}

// validate reports combinations that make no sense for the given command.
func (f *pathFlags) validate(command string) error {
	tlsFlags := f.target.cacert != "" || f.target.serverName != "" || f.target.insecure
	switch {
	case f.upstream == "":
		return usage(command+" needs --upstream ADDR", "loadgen "+command+" --help shows examples")
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usage("--tls-cert and --tls-key need each other")
	case tlsFlags && !f.upstreamTLS:
		return usage("--upstream-cacert, --upstream-servername and --upstream-insecure need --upstream-tls")
	}
	f.target.plaintext = !f.upstreamTLS
	return nil
}

// serve puts a proxy with the given configuration in the path until ctx ends.
// Its faults and its way to the upstream are those of the flags; at the end it
// says how often each rule was hit.
func (f *pathFlags) serve(ctx context.Context, e *env, cfg proxy.Config) error {
	plan, err := f.plan(e)
	if err != nil {
		return err
	}
	if cfg.Dial, err = f.target.rawDialer(&target{Address: f.upstream}); err != nil {
		return err
	}
	if plan != nil {
		cfg.Decider = fault.NewDecider(plan, f.seed)
		defer func() { printHits(e.stderr, plan, cfg.Decider.Hits()) }()
	}
	listener, err := f.listener()
	if err != nil {
		return err
	}
	defer listener.Close()
	between, err := proxy.New(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "listening %s\n", listener.Addr())
	return between.Serve(ctx, listener)
}

// plan reads the fault plan, nil for none.
func (f *pathFlags) plan(e *env) (*fault.Plan, error) {
	if f.faults == "" {
		return nil, nil
	}
	name, text, err := readInput(e, "@"+f.faults)
	if err != nil {
		return nil, withCode(exitFile, err)
	}
	plan, err := fault.Parse(name, text)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.stderr, "seed: %d\n", f.seed)
	return plan, nil
}

// listener listens for clients.
func (f *pathFlags) listener() (net.Listener, error) {
	var config *tls.Config
	if f.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
		if err != nil {
			return nil, withCode(exitFile, fmt.Errorf("--tls-cert and --tls-key: %w", err))
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return nil, usage("--listen: " + err.Error())
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	return listener, nil
}

// printHits says how often each rule of a plan was hit.
func printHits(w io.Writer, plan *fault.Plan, hits []int) {
	name := plan.Reporter().File.Name
	for i, n := range hits {
		pos := plan.Rules[i].Pos
		fmt.Fprintf(w, "hits: rule %d (%s:%d:%d): %d\n", i+1, name, pos.Line, pos.Col, n)
	}
}
