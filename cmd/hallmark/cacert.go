package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// maxRoots is how many bytes a file of certificate authorities may have.
const maxRoots = 4 << 20

// readAuthorities reads a PEM file of certificate authorities, and returns them as they are
// to be kept: without what else is in the file, such as a key.
func readAuthorities(path string) (*x509.CertPool, []byte, error) {
	raw, err := verdict.ReadFile(path, maxRoots)
	if err != nil {
		return nil, nil, err
	}
	var kept bytes.Buffer
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, nil, verdict.Unreadable(path, err)
		}
		if err := pem.Encode(&kept, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return nil, nil, err
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(kept.Bytes()) {
		return nil, nil, verdict.Unreadable(path, errors.New("no certificate in it"))
	}
	return pool, kept.Bytes(), nil
}

// withSystems returns the system's certificate authorities and these. A signing config can
// name services of others, which have public certificates.
func withSystems(kept []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // there are none
	}
	pool.AppendCertsFromPEM(kept)
	return pool
}

// authoritiesIn returns the certificate authorities kept in the directory of a pinned
// instance; nil if there are none.
func authoritiesIn(dir string) ([]byte, error) {
	_, kept, err := readAuthorities(filepath.Join(dir, store.AuthoritiesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return kept, err
}

// addCACert adds --cacert to a verb that asks the services of an instance.
func (f *trustFlags) addCACert(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cacert, "cacert", "", "PEM `FILE` with the certificate authority of the instance's TLS, besides the system's (default: what 'trust add --cacert' has kept)")
}

// authorities returns whose TLS certificates to take; nil for the system's alone. Where files
// of an instance are given and no name, nothing is known of it.
func (f trustFlags) authorities(env cli.Environment) (*x509.CertPool, error) {
	if f.cacert != "" {
		_, kept, err := readAuthorities(f.cacert)
		return withSystems(kept), err
	}
	if f.instance == "" && (f.trustedRoot != "" || f.signingConfig != "") {
		return nil, nil
	}
	dir, err := f.dir(env)
	if p := new(verdict.Problem); errors.As(err, &p) && p.Code == "no-instance" {
		return nil, nil // a verb that needs one has said so
	}
	if err != nil {
		return nil, err
	}
	kept, err := authoritiesIn(dir)
	if kept == nil || err != nil {
		return nil, err
	}
	return withSystems(kept), nil
}

// http asks the services of the instance that the flags select.
func (f trustFlags) http(env cli.Environment, timeout time.Duration) (*http.Client, error) {
	roots, err := f.authorities(env)
	if err != nil {
		return nil, err
	}
	return env.HTTP(roots, timeout), nil
}
