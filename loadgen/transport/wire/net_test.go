package wire_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"google.golang.org/grpc/test/bufconn"

	"touchstone/loadgen/transport"
	"touchstone/loadgen/transport/wire"
	"touchstone/proto/hello"
)

// certificate makes a certificate for "target" that vouches for itself. It is
// made in the test, whose time it must be valid at.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"target"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	tests := []struct {
		name   string
		client bool     // has a certificate
		agreed []string // by ALPN
		want   codes.Code
		text   string
	}{
		{"both sides show a certificate", true, []string{"h2"}, codes.OK, ""},
		{"the target asks for one", false, []string{"h2"}, codes.Unavailable, "certificate required"},
		{"a target that does not speak HTTP/2", true, nil, codes.Unavailable, "not on h2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, we := certificate(t)
				theirs, they := certificate(t)
				listener := bufconn.Listen(1 << 20)
				// grpc-go puts h2 into the protocols: so this is not its
				// credentials, but a listener.
				secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{theirs},
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: we, NextProtos: test.agreed})
				serveOn(t, secure)
				cfg := &tls.Config{RootCAs: they, ServerName: "target", NextProtos: []string{"h2"}}
				if test.client {
					cfg.Certificates = []tls.Certificate{ours}
				}
				w := to(t, wire.Config{Scheme: "https", Dial: func(ctx context.Context) (net.Conn, error) {
					conn, err := listener.DialContext(ctx)
					if err != nil {
						return nil, err
					}
					return tls.Client(conn, cfg), nil
				}})
				got := do(t, w, &transport.Request{Method: service + "SayHello", Messages: encode(t, strings.Repeat("x", 100_000))})
				if got.Status != test.want || !strings.Contains(got.Message, test.text) {
					t.Errorf("%v %q, want %v, %q", got.Status, got.Message, test.want, test.text)
				}
			})
		})
	}
}

// serveOn serves until the test's end.
func serveOn(t testing.TB, listener net.Listener) {
	srv := grpc.NewServer()
	hello.RegisterHelloServiceServer(srv, greeter{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(listener) })
	t.Cleanup(func() { srv.Stop(); serving.Wait() })
}

// to is a transport that the end of the test closes.
func to(t testing.TB, cfg wire.Config) *wire.Transport {
	cfg.Authority = "target"
	w, err := wire.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// Real sockets, on which the reader writes: with messages that fill their
// buffers, so that the writer has to take over in the middle of one.
func TestSockets(t *testing.T) {
	addresses := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}
	for network, address := range addresses {
		t.Run(network, func(t *testing.T) {
			listener, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			serveOn(t, listener)
			w := to(t, wire.Config{Connections: 2, Dial: func(ctx context.Context) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, listener.Addr().String())
			}})
			var chains []*chain
			for _, size := range []int{10, 1000, 50_000, 600_000} {
				for range 4 {
					req := &transport.Request{Method: service + "SayHello", Messages: encode(t, strings.Repeat("m", size)), Timeout: time.Minute}
					chains = append(chains, newChain(t.Context(), w, req, 10))
				}
			}
			for _, c := range chains {
				<-c.over
				if c.statuses[codes.OK] != 10 {
					t.Errorf("messages of %d bytes: statuses %v, want OK only", len(c.req.Messages[0]), c.statuses)
				}
			}
		})
	}
}

// A thousand connections have calls under way at the same time, in little
// memory: the target's side is a script of frames.
func TestManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 1000
		scripts := make([]func(*peer), connections)
		for i := range scripts {
			scripts[i] = func(p *peer) {
				id, _ := p.request()
				time.Sleep(time.Second)
				p.answer(id)
				p.rest()
			}
		}
		before := heap()
		w := scripted(t, wire.Config{Connections: connections}, nil, scripts...)
		results := make([]transport.Result, connections)
		var told tally
		start := time.Now()
		req := unary(10)
		for i := range results {
			told.calls.Add(1)
			w.Start(t.Context(), req, &results[i], endedFunc(func() { told.calls.Done() }))
		}
		told.calls.Wait()
		each := (heap() - before) / connections
		used := map[int]bool{}
		for i := range results {
			if results[i].Status != codes.OK {
				t.Fatalf("call %d: %v %q, want OK", i, results[i].Status, results[i].Message)
			}
			used[results[i].Connection] = true
		}
		if took := time.Since(start); took != time.Second || len(used) != connections {
			t.Errorf("%d connections took %v, want all at once in 1s", len(used), took)
		}
		if each > 60<<10 { // half of it is the target's
			t.Errorf("a connection with its target takes %d bytes, want less than 60 kB", each)
		}
	})
}

type endedFunc func()

// Ended implements transport.Ender.
func (f endedFunc) Ended(*transport.Result) { f() }

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
