// SPDX-License-Identifier: Apache-2.0

package listener

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// ErrCertificate reports that the files to speak TLS with can't be used.
var ErrCertificate = errors.New("can't speak TLS with these files")

// certificatePause is how often the files of a certificate are looked at.
const certificatePause = time.Second

// ReadCertificate reads a certificate chain and its key, PEM files. Errors: ErrCertificate.
func ReadCertificate(certificate, key string) (*tls.Certificate, error) {
	c, _, err := readCertificate(certificate, key)
	return c, err
}

// version is the digest of what was read.
type version [sha256.Size]byte

func readCertificate(certificate, key string) (*tls.Certificate, version, error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return nil, version{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		return nil, version{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	read := version(sha256.Sum256(bytes.Join([][]byte{chain, private}, []byte{0})))
	c, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, read, fmt.Errorf("%w: certificate %s with key %s: %w", ErrCertificate, certificate, key, err)
	}
	return &c, read, nil
}

// certificate is what a server speaks TLS with. The files may be replaced while it is
// served: new ones are taken once they belong together, and the old certificate counts
// until then.
type certificate struct {
	certificate, key string // paths
	logger           *slog.Logger
	current          atomic.Pointer[tls.Certificate]

	// For watch alone.
	taken   version // what current was read from
	failure string  // why the files could not be used the last time; empty: they could
	said    bool    // that they could not
}

// openCertificate reads the files. Errors: ErrCertificate.
func openCertificate(path, key string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certificate: path, key: key, logger: logger}
	read, taken, err := readCertificate(path, key)
	if err != nil {
		return nil, err
	}
	c.take(read, taken)
	return c, nil
}

func (c *certificate) take(read *tls.Certificate, v version) {
	c.current.Store(read)
	c.taken = v
	leaf := read.Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	attributes := []any{
		"path", c.certificate, "serial", leaf.SerialNumber.Text(16), "names", names,
		"not_before", leaf.NotBefore.UTC(), "not_after", leaf.NotAfter.UTC(),
	}
	if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		c.logger.Warn("TLS certificate is not valid now: clients refuse it", attributes...)
		return
	}
	c.logger.Info("TLS certificate read", attributes...)
}

// get implements GetCertificate of a [tls.Config].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// watch reads the files again whenever they have changed, and at each signal, until ctx
// ends.
func (c *certificate) watch(ctx context.Context, signals <-chan os.Signal) {
	ticker := time.NewTicker(certificatePause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.reload(false)
		case s := <-signals:
			c.logger.Info("reading the TLS certificate again", "signal", s.String())
			c.reload(true)
		}
	}
}

// reload takes the files if they are others than before. What can't be used is logged at
// once if the operator asked for it, otherwise if it stays so: a certificate is there for a
// moment without its key while both are being replaced.
func (c *certificate) reload(asked bool) {
	read, v, err := readCertificate(c.certificate, c.key)
	before := c.failure
	c.failure = ""
	if err == nil {
		if v != c.taken {
			c.take(read, v)
		}
		return
	}
	c.failure = fmt.Sprintf("%x %v", v, err)
	stays := c.failure == before
	if !stays {
		c.said = false
	}
	if asked || stays && !c.said {
		c.logger.Error("new TLS certificate can't be used, the old one is kept", "cause", err)
		c.said = true
	}
}
