// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certificateCommand: certificate DIR HOST... writes DIR/cert.pem and DIR/key.pem, of the
// authority in DIR/ca.pem and DIR/ca-key.pem, which is made if it is not there.
func certificateCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	authority, authorityKey := authorityIn(ts, dir)
	template := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range args[1:] {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	issue(ts, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), template, authority, authorityKey)
}

func authorityIn(ts *testscript.TestScript, dir string) (*x509.Certificate, crypto.PrivateKey) {
	path, keyPath := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		issue(ts, path, keyPath, x509.Certificate{IsCA: true, BasicConstraintsValid: true, Subject: pkix.Name{CommonName: "Private CA"}}, nil, nil)
	}
	c, err := x509.ParseCertificate(readBlock(ts, path))
	ts.Check(err)
	key, err := x509.ParsePKCS8PrivateKey(readBlock(ts, keyPath))
	ts.Check(err)
	return c, key
}

func readBlock(ts *testscript.TestScript, path string) []byte {
	raw, err := os.ReadFile(path)
	ts.Check(err)
	block, _ := pem.Decode(raw)
	return block.Bytes
}

// issue writes a certificate and a new key. Without an authority it signs itself.
func issue(ts *testscript.TestScript, path, keyPath string, template x509.Certificate, authority *x509.Certificate, authorityKey crypto.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	if authority == nil {
		authority, authorityKey = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, authority, key.Public(), authorityKey)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	ts.Check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

// waitLineCommand: waitline FILE TEXT waits until FILE has TEXT.
func waitLineCommand(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if raw, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(raw), args[1]) {
			return
		}
	}
	ts.Fatalf("%s does not come to have %q", args[0], args[1])
}
