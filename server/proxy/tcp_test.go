package proxy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"touchstone/proto/hello"
	"touchstone/server/proxy"
)

// certificate makes one for localhost, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
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

// TestHowConnectionsEnd looks at the socket of a client whose connection a
// plan ends: FIN is the end of the stream, RST an error. With TLS, FIN comes
// after TLS's own goodbye, and RST does not.
func TestHowConnectionsEnd(t *testing.T) {
	tests := []struct {
		name, inject string
		want         error
		frames       []string
	}{
		{"FIN at once", "{close: headers}", io.EOF, nil},
		{"FIN after a message", "{close: {after_messages: 1}}", io.EOF, []string{"1 headers", "1 data 5"}},
		{"FIN in the middle of a message", "{close: {after_bytes: 3}}", io.EOF, []string{"1 headers", "1 data 3"}},
		{"RST at once", "{reset: headers}", syscall.ECONNRESET, nil},
		{"GOAWAY, then FIN", "{goaway: {last: this}, close: headers}", io.EOF, []string{"goaway 1 NO_ERROR"}},
	}
	for _, test := range tests {
		for _, secure := range []bool{false, true} {
			name := test.name
			if secure {
				name += ", over TLS"
			}
			t.Run(name, func(t *testing.T) {
				client, end := planned(t, "- inject: "+test.inject, secure)
				defer end()
				client.greet(true)
				list := request()
				list[5] = "/HelloService/LotsOfGreetings" // needs no message
				client.headers(1, true, list...)          // nothing after it: a write would take the error of RST
				client.wants(test.frames...)
				client.must(client.conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
				var err error
				for err == nil {
					_, err = client.framer.ReadFrame()
				}
				if !errors.Is(err, test.want) {
					t.Errorf("the connection ends with %v, want %v", err, test.want)
				}
			})
		}
	}
}

// planned connects a raw client to a proxy with a plan before a greeter.
func planned(t *testing.T, plan string, secure bool) (*peer, func()) {
	t.Helper()
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, &greeter{})
	back, front := listen(t), listen(t)
	address := front.Addr().String()
	pair, pool := certificate(t)
	if secure {
		front = tls.NewListener(front, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	}
	var d net.Dialer
	between, err := proxy.New(proxy.Config{
		Dial:    func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", back.Addr().String()) },
		Decider: decider(t, plan),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Serve(back) })
	running.Go(func() { between.Serve(ctx, front) })
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{ServerName: "localhost", RootCAs: pool, NextProtos: []string{"h2"}})
	}
	return newPeer(t, conn), func() {
		conn.Close()
		cancel()
		server.Stop()
		running.Wait()
	}
}

// TestLastWordsAreHeard sends a mistake and a lot behind it: the GOAWAY that
// says why is not lost to a reset.
func TestLastWordsAreHeard(t *testing.T) {
	client, end := planned(t, "[]", false)
	defer end()
	client.greet(true)
	client.must(client.framer.WriteData(7, false, []byte("on a stream that was never opened")))
	out := bufio.NewWriter(client.conn)
	for range 30 {
		if _, err := out.Write(make([]byte, 10_000)); err != nil {
			break
		}
	}
	_ = out.Flush() // the proxy may have ended the connection by now
	client.wants("goaway 0 "+http2.ErrCodeProtocol.String(), "closed")
}

// TestStuckClient stops reading its socket while the target sends: other
// clients go on, and the end of the proxy does not wait for it.
func TestStuckClient(t *testing.T) {
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, &greeter{replies: 10_000, size: 10_000})
	conn, _, end := overTCP(t, server, proxy.Config{}, "")
	raw, err := net.Dial("tcp", conn.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	stuck := newPeer(t, raw)
	stuck.greet(true, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	stuck.must(stuck.framer.WriteWindowUpdate(0, 1<<30))
	for id := uint32(1); id < 20; id += 2 {
		list := request()
		list[5] = "/HelloService/LotsOfReplies"
		stuck.headers(id, false, list...)
		stuck.must(stuck.framer.WriteData(id, true, message("")))
	}
	client := hello.NewHelloServiceClient(conn)
	for range 100 {
		if _, err := client.SayHello(t.Context(), &hello.HelloRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	end()
}
