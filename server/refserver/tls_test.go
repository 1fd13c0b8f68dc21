package refserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"touchstone/server/refserver"
)

// certificate makes a self-signed one that is its own CA, valid at the time of
// the bubble.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "touchstone"}, DNSNames: []string{"touchstone.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
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
		name       string
		demand     bool // a client certificate
		insecure   bool // the client talks plain text
		clientCert bool
		want       codes.Code
	}{
		{"TLS", false, false, false, codes.OK},
		{"a plain-text client", false, true, false, codes.Unavailable},
		{"mutual TLS", true, false, true, codes.OK},
		{"mutual TLS without a client certificate", true, false, false, codes.Unavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, pool := certificate(t)
				server := &tls.Config{Certificates: []tls.Certificate{cert}}
				if test.demand {
					server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, pool
				}
				client := &tls.Config{RootCAs: pool, ServerName: "touchstone.test"}
				if test.clientCert {
					client.Certificates = []tls.Certificate{cert}
				}
				creds := credentials.NewTLS(client)
				if test.insecure {
					creds = nil
				}
				start(t, refserver.Config{TLS: server}, creds, func(t *testing.T, w *world) {
					if err := w.hello(t.Context()); status.Code(err) != test.want {
						t.Errorf("%v, want %s", err, test.want)
					}
				})
			})
		})
	}
}
