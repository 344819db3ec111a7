// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// withSystems returns the certificate authorities of the system and those in kept. Both are
// needed because a signing config can name public services.
func withSystems(kept []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // there are none
	}
	pool.AppendCertsFromPEM(kept)
	return pool
}

// authoritiesIn returns the certificate authorities stored with a pinned instance. It returns
// nil if there are none.
func authoritiesIn(dir string) ([]byte, error) {
	_, kept, err := cli.ReadAuthorities(filepath.Join(dir, store.AuthoritiesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return kept, err
}

// Authorities returns the certificate authorities to accept in TLS. It returns nil for the
// system's alone, and if files of an instance are given instead of its name.
func (f Selection) Authorities(env cli.Environment) (*x509.CertPool, error) {
	if f.CACert != "" {
		_, kept, err := cli.ReadAuthorities(f.CACert)
		return withSystems(kept), err
	}
	if f.Instance == "" && (f.TrustedRoot != "" || f.SigningConfig != "") {
		return nil, nil
	}
	dir, err := f.dir(env)
	if missing := new(store.NoInstance); errors.As(err, &missing) {
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

// HTTP returns a client for the services of the selected instance.
func (f Selection) HTTP(env cli.Environment, timeout time.Duration) (*http.Client, error) {
	roots, err := f.Authorities(env)
	if err != nil {
		return nil, err
	}
	return env.HTTP(roots, timeout), nil
}
