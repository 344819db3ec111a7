// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// An issuers stores the certificates of chains, one file each, named by the hex of their
// SHA-256 (static-ct-api, "Issuers").
type issuers struct {
	fs  durable.FS
	dir string

	mu     sync.Mutex // held while writing, so that no file is written twice
	kept   map[[32]byte]bool
	failed []*x509.Certificate // a chain that could not be stored; nil after a success
	tried  time.Time           // time of the last attempt
}

func fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

func openIssuers(fsys durable.FS, logDir string) (*issuers, error) {
	s := &issuers{fs: fsys, dir: filepath.Join(logDir, "issuer"), kept: make(map[[32]byte]bool)}
	return s, durable.MkdirAll(fsys, s.dir, 0o755)
}

// add stores the certificates of a chain durably: "Every issuer referred to by
// a TileLeaf MUST be exposed". Errors match tilelog.ErrFailed.
func (s *issuers) add(chain []*x509.Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(chain)
}

// keep adds a chain. s.mu must be held.
func (s *issuers) keep(chain []*x509.Certificate) error {
	for _, cert := range chain {
		id := fingerprint(cert)
		if s.kept[id] {
			continue
		}
		files := durable.Batch{FS: s.fs}
		if err := errors.Join(files.Write(s.path(id), cert.Raw, 0o644), files.Sync()); err != nil {
			s.failed, s.tried = chain, time.Now()
			return fmt.Errorf("storing issuer: %w: %w", tilelog.ErrFailed, err)
		}
		s.kept[id] = true
	}
	s.failed = nil
	return nil
}

// err returns why the last chain could not be stored, or nil. It retries once a
// second.
func (s *issuers) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed == nil:
		return nil
	case time.Since(s.tried) < time.Second:
		return fmt.Errorf("storing issuer: %w", tilelog.ErrFailed)
	}
	return s.keep(s.failed)
}

func (s *issuers) path(id [32]byte) string {
	return filepath.Join(s.dir, hex.EncodeToString(id[:]))
}

// read returns a certificate by the lower-case hex of its fingerprint.
func (s *issuers) read(name string) ([]byte, error) {
	id, err := hex.DecodeString(name)
	if err != nil || len(id) != sha256.Size || hex.EncodeToString(id) != name {
		return nil, fmt.Errorf("%.80q is not a fingerprint: %w", name, os.ErrNotExist)
	}
	return durable.ReadFile(s.fs, s.path([32]byte(id)))
}
