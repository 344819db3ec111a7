package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/server"
)

// certificate writes a certificate for 127.0.0.1 and its key to dir, and gives a
// pool that trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// TestTLS: with tls in the configuration the server speaks TLS, and nothing else.
func TestTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	made, _, err := instance.New(instance.Options{URL: "https://" + address, Listen: address, Organization: "test", CAKey: "ecdsa-p256", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	made.Config.Dir = t.TempDir()
	pool := certificate(t, made.Config.Dir)
	made.Config.TLS = &config.TLS{Certificate: "cert.pem", Key: "key.pem"}
	s, err := server.New(server.Options{
		Config: made.Config, Keys: made.Keys, CAChain: made.CAChain, TSAChain: made.TSAChain, Root: made.Root, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()

	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	resp, err := secure.Get("https://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("got %s over %s", resp.Status, resp.Proto)
	}
	if _, body := get(t, "http://"+address+"/healthz"); body != "Client sent an HTTP request to an HTTPS server.\n" {
		t.Errorf("plain HTTP is answered with %q", body)
	}
	secure.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A certificate that can't be read ends the server, with the reason.
func TestTLSWithoutCertificate(t *testing.T) {
	made, _ := newInstance(t)
	made.Config.TLS = &config.TLS{Certificate: "missing.pem", Key: "missing.pem"}
	s, l := start(t, made)
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("served without a certificate")
	}
}
