package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fullstorydev/grpcurl"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"touchstone/loadgen/safety"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// defaultServiceConfig is the policy of calls when none is given.
const defaultServiceConfig = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,` +
	`"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// defaultMaxMessage is --max-message when it is not given.
const defaultMaxMessage byteSize = 100 << 20

// targetFlags say what the target is, under the names that grpcurl gave them.
type targetFlags struct {
	address        string
	plaintext      bool
	insecure       bool
	cacert         string
	cert, key      string
	serverName     string
	authority      string
	headers        []string
	protosets      []string
	protos         []string
	importPaths    []string
	reflect        string
	serviceConfig  string
	connectTimeout time.Duration
	maxMessage     byteSize
	safety         *safetyFlags  // of commands that send load; nil: single calls go anywhere
	judged         safety.Target // by a command that has no safety here, but its own; else zero
}

// register adds the flags to a command's.
func (f *targetFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.address, "target", "", "what to try: host:port, dns:///host:port or unix:path (default: a reference server of its own)")
	fs.BoolVar(&f.plaintext, "plaintext", false, "connect without TLS")
	fs.BoolVar(&f.insecure, "insecure", false, "do not verify the target's certificate")
	fs.StringVar(&f.cacert, "cacert", "", "file of the certificates to trust (default: those of the system)")
	fs.StringVar(&f.cert, "cert", "", "file of the client's certificate, with --key")
	fs.StringVar(&f.key, "key", "", "file of the client's private key, with --cert")
	fs.StringVar(&f.serverName, "servername", "", "name to verify the target's certificate for")
	fs.StringVar(&f.authority, "authority", "", "the :authority of calls")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "metadata of every call and of reflection, as 'name: value' (repeatable; base64 for a name that ends in -bin; taken literally)")
	fs.StringArrayVar(&f.protosets, "protoset", nil, "file of a FileDescriptorSet that holds the schema (repeatable)")
	fs.StringArrayVar(&f.protos, "proto", nil, ".proto file that holds the schema (repeatable)")
	fs.StringArrayVarP(&f.importPaths, "import-path", "I", nil, "folder in which .proto files and their imports are (repeatable; default: the working directory)")
	fs.StringVar(&f.reflect, "reflect", "auto", "reflection to use: auto, v1, v1alpha or off; with --protoset or --proto, auto uses none")
	fs.StringVar(&f.serviceConfig, "service-config", "", "gRPC service config, as JSON or @FILE (default: retries of UNAVAILABLE, up to 5 attempts)")
	fs.DurationVar(&f.connectTimeout, "connect-timeout", 10*time.Second, "how long to wait for a connection")
	f.maxMessage = defaultMaxMessage
	fs.Var(&f.maxMessage, "max-message", "largest message to send or receive, in bytes or as KiB, MiB, GiB")
}

// target is a connection to what is tried.
type target struct {
	Address  string
	Embedded bool // the reference server, started by this process
	Conn     *grpc.ClientConn

	// Dial makes another connection to the target, which may not be up yet.
	// The caller closes it. Options given here go before those of the flags.
	Dial func(extra ...grpc.DialOption) (*grpc.ClientConn, error)
	// DialCounted is Dial for unary load, under a service config: its attempts are only
	// counted, which costs less than to watch them.
	DialCounted func(config string, extra ...grpc.DialOption) (*grpc.ClientConn, error)

	source schema.Config
	judged safety.Target // zero: it may be anywhere
	child  *child        // nil: the target is not ours

	mu     sync.Mutex     // guards opened
	opened *schema.Schema // nil until it is asked for
}

// open connects to the target and waits until the connection is up. Without
// --target it starts the reference server, with serverArgs added to its
// arguments. The error of a target that is not there has exit code 5.
func (f *targetFlags) open(ctx context.Context, e *env, serverArgs ...string) (*target, error) {
	judged, guard, err := f.safety.admit(ctx, f.address) // before anything connects
	if err != nil {
		return nil, err
	}
	options, err := f.dialOptions()
	if err != nil {
		return nil, err
	}
	options = append(options, guard.Options()...)
	mode, err := schema.ParseMode(f.reflect)
	if err != nil {
		return nil, usage("--reflect: " + err.Error())
	}
	t := &target{Address: f.address, judged: cmp.Or(judged, f.judged)}
	if f.address == "" {
		if t.child, err = startEmbedded(ctx, e, serverArgs...); err != nil {
			return nil, err
		}
		t.Address, t.Embedded = t.child.address, true
	}
	options = append(options, t.pinned()...)
	t.Dial = func(extra ...grpc.DialOption) (*grpc.ClientConn, error) {
		watched := grpc.WithStatsHandler(transport.AttemptHandler{})
		return grpc.NewClient(t.Address, slices.Concat(options, []grpc.DialOption{watched}, extra)...)
	}
	t.DialCounted = func(config string, extra ...grpc.DialOption) (*grpc.ClientConn, error) {
		counted := grpc.WithDefaultServiceConfig(transport.CountAttempts(config))
		return grpc.NewClient(t.Address, slices.Concat(options, extra, []grpc.DialOption{counted})...)
	}
	if err := f.connect(ctx, t); err != nil {
		t.Close()
		return nil, err
	}
	t.source = schema.Config{Conn: t.Conn, Mode: mode, Protosets: f.protosets, Protos: f.protos, ImportPaths: f.importPaths}
	return t, nil
}

// connect makes the target's connection and waits until it is up.
func (f *targetFlags) connect(ctx context.Context, t *target) error {
	if scheme, rest, ok := strings.Cut(t.Address, "://"); ok && (scheme == "http" || scheme == "https") {
		return usage(fmt.Sprintf("target %q is a URL", t.Address), "give host:port, such as "+strings.TrimRight(rest, "/"))
	}
	conn, err := t.Dial()
	if err != nil {
		return usage(fmt.Sprintf("target %q: %v", t.Address, err))
	}
	t.Conn = conn
	return f.await(ctx, t)
}

// schema returns what the target offers, asking for it the first time.
func (t *target) schema(ctx context.Context) (*schema.Schema, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened != nil {
		return t.opened, nil
	}
	opened, err := schema.Open(ctx, t.source)
	if err != nil {
		if coded := coded(err); exitCode(coded) != exitFailed {
			return nil, coded
		}
		return nil, withCode(exitTarget, fmt.Errorf("target %s: %w", t.Address, err))
	}
	t.opened = opened
	return opened, nil
}

// Close closes the connection and stops a server of our own.
func (t *target) Close() {
	if t.Conn != nil {
		t.Conn.Close()
	}
	if t.child != nil {
		t.child.stop()
	}
}

// dialOptions checks the flags against each other and turns them into options.
func (f *targetFlags) dialOptions() ([]grpc.DialOption, error) {
	creds, err := f.credentials()
	if err != nil {
		return nil, err
	}
	headers, err := parseHeaders(f.headers)
	if err != nil {
		return nil, err
	}
	config, err := f.policy()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // what DNS says of retries would change what is tried
		grpc.WithUserAgent("touchstone-loadgen"),
		grpc.WithChainStreamInterceptor(transport.KeepStatus),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(int(f.maxMessage)), grpc.MaxCallSendMsgSize(int(f.maxMessage))),
	}
	if f.authority != "" {
		options = append(options, grpc.WithAuthority(f.authority))
	}
	if len(headers) > 0 {
		options = append(options, grpc.WithChainUnaryInterceptor(addUnary(headers)), grpc.WithChainStreamInterceptor(addStream(headers)))
	}
	return options, nil
}

// credentials says how to connect: with TLS, unless told otherwise or the
// target is our own.
func (f *targetFlags) credentials() (credentials.TransportCredentials, error) {
	tlsFlags := f.cacert != "" || f.cert != "" || f.key != "" || f.serverName != "" || f.insecure
	switch {
	case tlsFlags && f.plaintext:
		return nil, usage("--plaintext excludes --cacert, --cert, --key, --servername and --insecure")
	case tlsFlags && f.address == "":
		return nil, usage("TLS flags need --target: the reference server that loadgen starts has no TLS")
	case (f.cert == "") != (f.key == ""):
		return nil, usage("--cert and --key need each other")
	case f.serverName != "" && f.authority != "" && f.serverName != f.authority:
		return nil, usage("--servername and --authority differ", "give one of them: each implies the other")
	case f.plaintext || f.address == "":
		return insecure.NewCredentials(), nil
	}
	config, err := grpcurl.ClientTLSConfig(f.insecure, f.cacert, f.cert, f.key)
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("TLS: %w", err))
	}
	config.MinVersion = tls.VersionTLS12
	config.ServerName = f.serverName
	return credentials.NewTLS(config), nil
}

// policy returns the service config of the flag.
func (f *targetFlags) policy() (string, error) {
	if f.serviceConfig == "" {
		return defaultServiceConfig, nil
	}
	path, isFile := strings.CutPrefix(f.serviceConfig, "@")
	if !isFile {
		return checkPolicy(f.serviceConfig, exitUsage, "--service-config")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", withCode(exitFile, fmt.Errorf("--service-config: %w", err))
	}
	return checkPolicy(string(data), exitFile, path)
}

// checkPolicy lets grpc-go judge a service config, on a connection that is
// never used.
func checkPolicy(config string, code int, name string) (string, error) {
	conn, err := grpc.NewClient("passthrough:///", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		cause := strings.TrimPrefix(err.Error(), "grpc: the provided default service config is invalid: ")
		return "", withCode(code, fmt.Errorf("%s: not a valid service config: %s", name, cause))
	}
	return config, conn.Close()
}

// parseHeaders reads 'name: value' pairs.
func parseHeaders(headers []string) (metadata.MD, error) {
	md := metadata.MD{}
	for _, header := range headers {
		name, value, ok := strings.Cut(header, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
			return nil, usage(fmt.Sprintf("-H %q: want 'name: value'", header))
		case strings.HasPrefix(name, "grpc-"):
			return nil, usage(fmt.Sprintf("-H %q: names that start with grpc- belong to gRPC itself", header))
		case strings.HasSuffix(name, "-bin"):
			data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
			if err != nil {
				return nil, usage(fmt.Sprintf("-H %q: the value of a -bin header is base64: %v", header, err))
			}
			value = string(data)
		}
		md.Append(name, value)
	}
	return md, nil
}

// addUnary adds headers to unary calls.
func addUnary(headers metadata.MD) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoke(withHeaders(ctx, headers), method, req, reply, cc, opts...)
	}
}

// addStream adds headers to streams.
func addStream(headers metadata.MD) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return open(withHeaders(ctx, headers), desc, cc, method, opts...)
	}
}

func withHeaders(ctx context.Context, headers metadata.MD) context.Context {
	sent, _ := metadata.FromOutgoingContext(ctx)
	return metadata.NewOutgoingContext(ctx, metadata.Join(headers, sent))
}

// byteSize is a flag's value: a number of bytes.
type byteSize int

// Set reads a number with an optional unit.
func (s *byteSize) Set(text string) error {
	units := map[string]int{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	number := strings.TrimRight(text, "BKMGib")
	unit, known := units[strings.TrimPrefix(text, number)]
	v, err := strconv.Atoi(number)
	if err != nil || !known || v <= 0 || v > math.MaxInt32/unit {
		return errors.New("want a size below 2GiB, such as 4096, 64KiB or 100MiB")
	}
	*s = byteSize(v * unit)
	return nil
}

// String returns the size, in MiB if it is a number of them.
func (s *byteSize) String() string {
	if v := int(*s); v%(1<<20) == 0 {
		return strconv.Itoa(v>>20) + "MiB"
	}
	return strconv.Itoa(int(*s))
}

// Type names the kind of value in the help.
func (s *byteSize) Type() string { return "size" }

// readInput returns a flag's text, or the file or stdin that it names with @.
func readInput(e *env, text string) (name string, data []byte, err error) {
	path, isFile := strings.CutPrefix(text, "@")
	switch {
	case !isFile:
		return "-d", []byte(text), nil
	case path == "-", path == "": // grpcurl's -d @
		data, err = io.ReadAll(e.stdin)
		return "stdin", data, err
	}
	data, err = os.ReadFile(path)
	return path, data, err
}
