package main

import (
	"crypto/x509"
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
	_, kept, err := cli.ReadAuthorities(filepath.Join(dir, store.AuthoritiesFile))
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
		_, kept, err := cli.ReadAuthorities(f.cacert)
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
