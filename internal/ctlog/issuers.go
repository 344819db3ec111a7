package ctlog

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// issuers keeps the certificates of chains, one file each, named by the hex of
// their SHA-256 (static-ct-api, "Issuers").
type issuers struct {
	dir string

	mu   sync.Mutex // held while a file is written, so that none is written twice
	kept map[[32]byte]bool
}

func fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

func openIssuers(logDir string) (*issuers, error) {
	s := &issuers{dir: filepath.Join(logDir, "issuer"), kept: make(map[[32]byte]bool)}
	return s, durable.MkdirAll(durable.OS{}, s.dir, 0o755)
}

// add keeps the certificates of a chain. "Every issuer referred to by a TileLeaf
// MUST be exposed": when add returns, they are on the disk.
func (s *issuers) add(chain []*x509.Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cert := range chain {
		id := fingerprint(cert)
		if s.kept[id] {
			continue
		}
		if err := durable.WriteFile(s.path(id), cert.Raw, 0o644); err != nil {
			return fmt.Errorf("keeping issuer: %w", err)
		}
		s.kept[id] = true
	}
	return nil
}

func (s *issuers) path(id [32]byte) string {
	return filepath.Join(s.dir, hex.EncodeToString(id[:]))
}

// read gives a certificate by the lower-case hex of its fingerprint.
func (s *issuers) read(name string) ([]byte, error) {
	id, err := hex.DecodeString(name)
	if err != nil || len(id) != sha256.Size || hex.EncodeToString(id) != name {
		return nil, fmt.Errorf("%.80q is not a fingerprint: %w", name, os.ErrNotExist)
	}
	return os.ReadFile(s.path([32]byte(id)))
}
