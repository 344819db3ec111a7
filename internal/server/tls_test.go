// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/listener"
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

// TestTLS checks that with tls in the configuration, the server accepts only TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
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
		Instance: made, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
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

// TestTLSWithoutCertificate checks that an unreadable certificate stops the server with the
// reason.
func TestTLSWithoutCertificate(t *testing.T) {
	t.Parallel()
	made, _ := newInstance(t)
	made.Config.TLS = &config.TLS{Certificate: "missing.pem", Key: "missing.pem"}
	s, l := start(t, made)
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("served without a certificate")
	}
}

// served starts an instance that uses TLS with the files in dir. It returns its address, dir and
// its log.
func served(t *testing.T, reload <-chan os.Signal) (address, dir string, logged *lockedBuffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	made, _, err := instance.New(instance.Options{URL: "https://" + address, Listen: address, Organization: "test", CAKey: "ecdsa-p256", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	made.Config.Dir = dir
	certificate(t, dir)
	made.Config.TLS = &config.TLS{Certificate: "cert.pem", Key: "key.pem"}
	logged = new(lockedBuffer)
	s, err := server.New(server.Options{
		Instance: made, Logger: slog.New(slog.NewTextHandler(logged, nil)), Reload: reload,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	logged.wait(t, "msg=serving", 1)
	return address, dir, logged
}

// presented returns the certificate of a server.
func presented(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// TestCertificateReloaded checks that a new certificate is used without a restart, and that
// unusable files leave the old one in use and are logged once.
func TestCertificateReloaded(t *testing.T) {
	t.Parallel()
	address, dir, logged := served(t, nil)
	first := presented(t, address)
	certificate(t, dir)
	logged.wait(t, "TLS certificate read", 2)
	second := presented(t, address)
	if second.Equal(first) {
		t.Error("the first certificate is served after the second was put in place")
	}
	const refusal = "new TLS certificate can't be used, the old one is kept"
	whole, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	certificate(t, other)
	for n, spoil := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "cert.pem"), whole[:len(whole)/2], 0o600) },
		func() error { return os.Rename(filepath.Join(other, "cert.pem"), filepath.Join(dir, "cert.pem")) }, // not of this key
		func() error { return os.Remove(filepath.Join(dir, "cert.pem")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		logged.wait(t, refusal, n+1)
		if now := presented(t, address); !now.Equal(second) {
			t.Errorf("spoiled %d: another certificate is served", n)
		}
	}
	time.Sleep(2500 * time.Millisecond)
	if n := strings.Count(logged.String(), refusal); n != 3 {
		t.Errorf("three faults are logged %d times", n)
	}
	certificate(t, dir)
	logged.wait(t, "TLS certificate read", 3)
	if now := presented(t, address); now.Equal(second) {
		t.Error("a good certificate after bad ones is not served")
	}
}

// TestCertificateReloadedBySignal checks that a signal makes the server read the files at once,
// and log problems at once.
func TestCertificateReloadedBySignal(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal, 1)
	address, dir, logged := served(t, signals)
	before := presented(t, address)
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	signals <- syscall.SIGHUP
	logged.wait(t, "new TLS certificate can't be used", 1)
	if !presented(t, address).Equal(before) {
		t.Error("another certificate is served")
	}
	certificate(t, dir)
	signals <- syscall.SIGHUP
	logged.wait(t, "TLS certificate read", 2)
	if presented(t, address).Equal(before) {
		t.Error("the certificate from before the signal is served")
	}
}

// TestServingIsSaidAfterwards checks that a server that can't use TLS does not report that it is
// serving.
func TestServingIsSaidAfterwards(t *testing.T) {
	t.Parallel()
	made, _ := newInstance(t)
	made.Config.TLS = &config.TLS{Certificate: "missing.pem", Key: "missing.pem"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logged := new(lockedBuffer)
	s, err := server.New(server.Options{
		Instance: made, Logger: slog.New(slog.NewTextHandler(logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l); !errors.Is(err, listener.ErrCertificate) {
		t.Errorf("ended with %v", err)
	}
	if strings.Contains(logged.String(), "msg=serving") {
		t.Errorf("logged: %s", logged)
	}
}

// wait waits until text was logged n times.
func (l *lockedBuffer) wait(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); strings.Count(l.String(), text) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not logged %d times: %s", text, n, l)
		}
	}
}
